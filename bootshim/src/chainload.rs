//! How one bootshim chainloads another: the one on the ESP the one that an image on
//! trial brings.
//!
//! The first decides, commits the try, and starts the second, which verifies and
//! starts that one slot and writes nothing. When it comes back, the trial is over;
//! when it could not read the slot, or hangs until the watchdog, a try is gone and
//! nothing else. The first is still the one that firmware starts.
//!
//! 88 bytes in memory, numbers little-endian, given as a protocol with the GUID
//! `5107c710-2e41-4d0b-9a5d-1f660d93b00a` while the second one runs. They are not load options: those are in
//! variables that the operating system can write.
//!
//! | offset | length | field |
//! |---|---|---|
//! | 0 | 8 | `SLOTREL1` |
//! | 8 | 8 | the slot, from 0 |
//! | 16 | 8 | sequence number of the record in which it is armed |
//! | 24 | 32 | BLAKE3 of the manifest |
//! | 56 | 32 | BLAKE3 of the bootshim that is started |

use crate::record::{Arming, Digest, Record, SlotId, State};

/// How long it is in memory, in bytes.
pub const CHAINLOAD_LEN: usize = 88;

/// Named when this was called a relay; both sides compare it, so it stays.
const MAGIC: [u8; 8] = *b"SLOTREL1";

/// The start that is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chainload {
    /// The slot that is on trial.
    pub slot: SlotId,
    /// Sequence number of the record in which it is armed.
    pub boot: u64,
    /// BLAKE3 of its manifest.
    pub manifest: Digest,
    /// BLAKE3 of the bootshim that gets it.
    pub bootshim: Digest,
}

impl Chainload {
    /// Its bytes in memory.
    pub fn to_bytes(&self) -> [u8; CHAINLOAD_LEN] {
        let mut bytes = [0; CHAINLOAD_LEN];
        // At most 7.
        let slot = u64::try_from(self.slot.index()).unwrap_or(u64::MAX);
        let fields = MAGIC
            .into_iter()
            .chain(slot.to_le_bytes())
            .chain(self.boot.to_le_bytes())
            .chain(self.manifest)
            .chain(self.bootshim);
        for (byte, field) in bytes.iter_mut().zip(fields) {
            *byte = field;
        }
        bytes
    }

    /// Reads them; `None` where they are of another version.
    pub fn parse(bytes: &[u8; CHAINLOAD_LEN]) -> Option<Chainload> {
        let (magic, rest) = bytes.split_first_chunk::<8>()?;
        let (slot, rest) = rest.split_first_chunk::<8>()?;
        let (boot, rest) = rest.split_first_chunk::<8>()?;
        let (manifest, rest) = rest.split_first_chunk::<32>()?;
        let (bootshim, _) = rest.split_first_chunk::<32>()?;
        let slot = usize::try_from(u64::from_le_bytes(*slot)).ok()?;
        let chainload = Chainload {
            slot: SlotId::new(slot)?,
            boot: u64::from_le_bytes(*boot),
            manifest: *manifest,
            bootshim: *bootshim,
        };
        (*magic == MAGIC).then_some(chainload)
    }

    /// Whether this record, as it lies on the disk, has this start armed: that it
    /// was read from there is the proof that the try is spent.
    pub fn is_armed_in(&self, record: &Record) -> bool {
        let slot = record.slot(self.slot);
        let armed = record.armed.map(|armed| (armed.slot, armed.as_what));
        record.sequence == self.boot
            && armed == Some((self.slot, Arming::Trial))
            && slot.state == State::Trying
            && slot.manifest == self.manifest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_handed_over_is_read_back(slot in 0usize..8, boot: u64, a: [u8; 32], b: [u8; 32]) {
            let slot = SlotId::new(slot).unwrap();
            let chainload = Chainload { slot, boot, manifest: a, bootshim: b };
            prop_assert_eq!(Chainload::parse(&chainload.to_bytes()), Some(chainload));
        }

        #[test]
        fn any_bytes_give_an_answer_and_one_encoding_each(bytes in proptest::array::uniform32(any::<u8>()), at in 0usize..88, value: u8) {
            let chainload = Chainload { slot: SlotId::new(1).unwrap(), boot: 7, manifest: bytes, bootshim: bytes };
            let mut changed = chainload.to_bytes();
            changed[at] = value;
            if let Some(read) = Chainload::parse(&changed) {
                prop_assert_eq!(read.to_bytes(), changed);
            }
        }
    }
}
