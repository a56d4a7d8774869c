//! The manifest: the signed description of an image. A copy lies at the end of
//! the slot it was installed in.

mod check;
mod encoding;
mod payload;
#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;

pub use check::{CMDLINE_MAX, NAME_MAX};
pub use payload::{Kind, Payload};

use crate::bytes::round_up;
use crate::{Digest, Malformed, SLOT_AREA_LEN};

/// The most bytes that a manifest may have.
pub const MANIFEST_MAX: u32 = 32 * 1024;
/// The shortest period of a watchdog that is armed before the kernel, in seconds: it
/// has to last until the image pets it.
pub const WATCHDOG_MIN: u32 = 30;

/// What stands for the PARTUUID of the slot in a command line.
pub const SLOT: &str = "{slot}";

/// The longest that a command line gets at a start, in bytes: a PARTUUID has 36, and
/// bootshim adds its words.
#[must_use]
pub fn longest_cmdline(cmdline: &str) -> usize {
    const WORDS: &str = "slotctl.slot= slotctl.disk= slotctl.boot= slotctl.manifest=";
    const PARTUUID: usize = 36;
    const VALUES: usize = "a".len() + PARTUUID + "18446744073709551615".len() + 64;
    let slots = cmdline.matches(SLOT).count();
    let grows = slots.saturating_mul(PARTUUID - SLOT.len());
    let space = usize::from(!cmdline.is_empty());
    let own = cmdline.len().saturating_add(grows).saturating_add(space);
    own.saturating_add(WORDS.len() + VALUES)
}

/// What a manifest says. [`Manifest::parse`] and [`Manifest::encode`] accept
/// exactly the same values; there is one encoding of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// For which machines: compared with `compatible` of the controller.
    pub compatible: String,
    /// The version, in the order of `dpkg` (see [`crate::version`]).
    pub version: String,
    /// A controller whose floor is higher refuses this image.
    pub security_version: u64,
    /// Once this image is good, nothing with a lower security version boots
    /// any more; 0 revokes nothing.
    pub revoke_below: u64,
    /// Major number of the newest boot record format that the software in the
    /// image reads.
    pub record_major: u16,
    /// Minor number of that format.
    pub record_minor: u16,
    /// The image pets the hardware watchdog from its first act on, with this
    /// period in seconds; 0 if it does not. Less than [`WATCHDOG_MIN`] counts as
    /// that.
    pub watchdog_seconds: u32,
    /// The kernel command line; `{slot}` stands for the slot's PARTUUID.
    pub cmdline: String,
    /// The bytes `[0, content_len)` of the slot hold all payloads; a multiple
    /// of [`crate::ALIGN`]. The index begins there.
    pub content_len: u64,
    /// Length of the index, in bytes.
    pub index_len: u64,
    /// BLAKE3 of the index.
    pub index_hash: Digest,
    /// What lies in the slot, by ascending offset.
    pub payloads: Vec<Payload>,
    /// The root hash of the verity tree, if the image has one.
    pub verity: Option<Verity>,
    /// The set of keys that this image brings, if it brings one.
    pub key_set: Option<KeySet>,
}

/// What dm-verity needs to know beside the tree itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verity {
    /// The hash over the whole root filesystem.
    pub root_hash: Digest,
    /// The salt of the tree.
    pub salt: [u8; 32],
}

/// Which keys are trusted from this image on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySet {
    /// Counts up with each set.
    pub epoch: u64,
    /// BLAKE3 of the set.
    pub hash: Digest,
}

impl Manifest {
    /// Reads a manifest that fills `bytes`.
    ///
    /// # Errors
    /// [`crate::Refused::UnknownFormat`] for a later format, else
    /// [`crate::Refused::Malformed`] at the first field that is not as
    /// `docs/image-format.md` says.
    pub fn parse(bytes: &[u8]) -> Result<Self, crate::Refused> {
        encoding::parse(bytes)
    }

    /// The one encoding of this manifest.
    ///
    /// # Errors
    /// [`Malformed`] if [`Manifest::parse`] would refuse it.
    pub fn encode(&self) -> Result<Vec<u8>, Malformed> {
        encoding::encode(self)
    }

    /// The payload of that kind, if the image has one.
    #[must_use]
    pub fn payload(&self, kind: Kind) -> Option<&Payload> {
        self.payloads.iter().find(|payload| payload.kind == kind)
    }

    /// Where the index lies in the slot, in bytes.
    #[must_use]
    pub fn index_offset(&self) -> u64 {
        self.content_len
    }

    /// How large a slot must be for this image, in bytes. `None` only for a
    /// manifest that cannot be encoded.
    #[must_use]
    pub fn slot_bytes_needed(&self) -> Option<u64> {
        self.content_len
            .checked_add(round_up(self.index_len)?)?
            .checked_add(SLOT_AREA_LEN as u64)
    }
}
