//! What bootshim tells the system it starts: words on the kernel's command line.

use crate::guid::Guid;
use crate::record::{Digest, SlotId};
use alloc::string::String;
use core::fmt::Write;

/// Name of the volatile UEFI variable that holds what bootshim said at this
/// start, as text.
pub const LOG_VARIABLE: &str = "SlotctlLog";
/// Name of the variable in which the firmware keeps the floor: non-volatile, for
/// boot services only, so that the started system neither sees nor writes it.
pub const FLOOR_KEPT_VARIABLE: &str = "SlotctlFloorKept";
/// Name of the volatile variable that tells the started system which floor
/// counts ([`crate::floor::FloorInForce`]).
pub const FLOOR_VARIABLE: &str = "SlotctlFloor";
/// Name of the volatile variable that tells the started system about the
/// hardware's watchdog ([`crate::hardware::watchdog::Report`]).
pub const WATCHDOG_VARIABLE: &str = "SlotctlWatchdog";
/// Name of the volatile variable that says, where a bootshim of an image on trial
/// started the system, which one: its BLAKE3, 32 bytes.
pub const BOOTSHIM_VARIABLE: &str = "SlotctlBootshim";
/// Vendor GUID of our UEFI variables.
pub const VARIABLE_VENDOR: Guid = crate::layout::RECORD_TYPE;

/// Which slot of which disk was started, as what. A slot counts as running only
/// where disk and manifest match the disk at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handover {
    /// The slot (`slotctl.slot=`).
    pub slot: SlotId,
    /// Unique GUID of the partition of the boot record (`slotctl.disk=`).
    pub disk: Guid,
    /// Sequence number of the record at the start (`slotctl.boot=`).
    pub boot: u64,
    /// BLAKE3 of the manifest that was verified (`slotctl.manifest=`).
    pub manifest: Digest,
}

impl Handover {
    /// The command line of a start: the one of the manifest, in which `{slot}`
    /// becomes the PARTUUID of the slot, and our words behind it.
    pub fn command_line(&self, signed: &str, partition: Guid) -> String {
        let mut line = signed.replace("{slot}", &alloc::format!("{partition}"));
        if !line.is_empty() {
            line.push(' ');
        }
        let Handover {
            slot,
            disk,
            boot,
            manifest,
        } = self;
        // Writing into a string does not fail.
        let _ = write!(
            line,
            "slotctl.slot={slot} slotctl.disk={disk} slotctl.boot={boot} slotctl.manifest={}",
            images::hex(manifest)
        );
        line
    }

    /// Reads our words from a kernel command line. The last of a word counts:
    /// ours come last, so nothing in the signed part can stand in for them.
    pub fn parse(line: &str) -> Option<Handover> {
        let word = |name: &str| {
            line.split_ascii_whitespace()
                .rev()
                .find_map(|word| word.strip_prefix(name))
        };
        Some(Handover {
            slot: word("slotctl.slot=")?.parse().ok()?,
            disk: word("slotctl.disk=")?.parse().ok()?,
            boot: word("slotctl.boot=")?.parse().ok()?,
            manifest: parse_digest(word("slotctl.manifest=")?)?,
        })
    }
}

fn parse_digest(text: &str) -> Option<Digest> {
    let mut digest = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return None };
        let digit = |c: u8| {
            char::from(c)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handover() -> Handover {
        let manifest = core::array::from_fn(|i| u8::try_from(i).unwrap());
        Handover {
            slot: SlotId::new(1).unwrap(),
            disk: Guid([3; 16]),
            boot: 17,
            manifest,
        }
    }

    #[test]
    fn a_line_is_never_longer_than_an_image_was_built_for() {
        let longest = Handover {
            boot: u64::MAX,
            ..handover()
        };
        for line in ["", "ro", "root=PARTUUID={slot} x={slot}"] {
            let length = longest.command_line(line, Guid([5; 16])).len();
            assert_eq!(length, images::manifest::longest_cmdline(line), "{line}");
        }
    }

    #[test]
    fn the_slot_in_the_signed_line_becomes_its_partition() {
        let line = handover().command_line("root=PARTUUID={slot} ro", Guid([5; 16]));
        assert_eq!(
            line,
            "root=PARTUUID=05050505-0505-0505-0505-050505050505 ro slotctl.slot=b \
             slotctl.disk=03030303-0303-0303-0303-030303030303 slotctl.boot=17 slotctl.manifest=\
             000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
        );
    }

    #[test]
    fn what_is_handed_over_is_read_back() {
        let line = handover().command_line("slotctl.slot=c quiet", Guid::ZERO);
        assert_eq!(Handover::parse(&line), Some(handover()));
    }

    #[test]
    fn an_empty_signed_line_leaves_our_words_alone() {
        let line = handover().command_line("", Guid::ZERO);
        assert!(line.starts_with("slotctl.slot=b "), "{line}");
    }

    #[test]
    fn a_manifest_that_is_not_64_hexadecimal_digits_says_nothing() {
        let line = handover().command_line("", Guid::ZERO);
        let (before, digits) = line.rsplit_once('=').unwrap();
        let with = |digits: &str| Handover::parse(&alloc::format!("{before}={digits}"));
        assert_eq!(with(digits), Some(handover()));
        for wrong in [
            "",
            &digits[..62],
            &alloc::format!("{digits}00"),
            &digits.replace('f', "g"),
            &digits.replace('f', "+"),
        ] {
            assert_eq!(with(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_line_without_our_words_says_nothing() {
        for line in [
            "",
            "quiet",
            "slotctl.slot=b",
            "slotctl.slot=z slotctl.disk=1",
        ] {
            assert_eq!(Handover::parse(line), None);
        }
    }
}
