//! The floor: the lowest security version that may still boot, and the lowest
//! epoch of a key set.
//!
//! It is kept by the firmware, in a variable that only programs before the
//! operating system see ([`Kept`]). The copy in the boot record is a hint: it
//! counts only where the firmware keeps none, because whoever writes to the disk
//! can change it. Where both are there the firmware's wins in both directions: a
//! lower hint lets nothing in, and a higher one locks nothing out.
//!
//! It rises when a good slot is being started, to the lowest security version
//! among the good slots, so that the way back stays. What a good slot's manifest
//! revokes is revoked all the same. Where a start is refused by it: [`crate::boot`].

use crate::boot::Facts;
use alloc::string::String;
use core::fmt;

const MAGIC: [u8; 8] = *b"SLOTFLR1";
/// Length of a floor in bytes.
pub const LEN: usize = 24;
/// Length of what the operating system is told.
pub const PUBLISHED_LEN: usize = LEN + 1;

/// What may not boot any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Floor {
    /// Images with a lower security version.
    pub security_version: u64,
    /// Key sets with a lower epoch.
    pub key_epoch: u64,
}

impl Floor {
    /// Its bytes: magic, security version, epoch of the key set, little-endian.
    pub fn to_bytes(self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        let numbers = [self.security_version, self.key_epoch];
        let parts = core::iter::once(MAGIC).chain(numbers.map(u64::to_le_bytes));
        for (place, part) in bytes.chunks_exact_mut(8).zip(parts) {
            place.copy_from_slice(&part);
        }
        bytes
    }

    /// Reads them: exactly these, or nothing.
    pub fn parse(bytes: &[u8]) -> Option<Floor> {
        let (words, []) = bytes.as_chunks::<8>() else {
            return None;
        };
        let [MAGIC, security_version, key_epoch] = words else {
            return None;
        };
        Some(Floor {
            security_version: u64::from_le_bytes(*security_version),
            key_epoch: u64::from_le_bytes(*key_epoch),
        })
    }
}

/// What the firmware says when it is asked for the floor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// This one.
    Here(Floor),
    /// It would keep one, and has none: it never did, or it was deleted.
    Absent,
    /// What lies there is no floor, or not one of bootshim's; the next one that
    /// is kept replaces it.
    Garbage(String),
    /// It keeps none.
    Nowhere(String),
}

/// Whose floor counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// The firmware's: out of reach of the operating system.
    Firmware,
    /// The boot record's hint.
    Record,
}

impl Keeper {
    /// Its word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Keeper::Firmware => "firmware",
            Keeper::Record => "record",
        }
    }
}

impl fmt::Display for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Keeper::Firmware => "kept by the firmware",
            Keeper::Record => "by the boot record alone",
        })
    }
}

/// The floor in force: of what the firmware keeps and the record says, the one that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloorInForce {
    /// How high it is.
    pub floor: Floor,
    /// Whose it is.
    pub keeper: Keeper,
}

impl FloorInForce {
    /// Of what the firmware keeps and what the record says, the one that counts.
    pub fn of(kept: &Kept, hint: u64) -> FloorInForce {
        match kept {
            Kept::Here(floor) => FloorInForce {
                floor: *floor,
                keeper: Keeper::Firmware,
            },
            Kept::Absent | Kept::Garbage(_) | Kept::Nowhere(_) => FloorInForce {
                floor: Floor {
                    security_version: hint,
                    key_epoch: 0,
                },
                keeper: Keeper::Record,
            },
        }
    }

    /// What the operating system is told: the floor, and a byte for its keeper.
    pub fn to_bytes(self) -> [u8; PUBLISHED_LEN] {
        let mut bytes = [0; PUBLISHED_LEN];
        let keeper = match self.keeper {
            Keeper::Record => 0,
            Keeper::Firmware => 1,
        };
        let told = self.floor.to_bytes().into_iter().chain([keeper]);
        for (place, byte) in bytes.iter_mut().zip(told) {
            *place = byte;
        }
        bytes
    }

    /// Reads that: exactly these bytes, or nothing.
    pub fn parse(bytes: &[u8]) -> Option<FloorInForce> {
        let (keeper, floor) = bytes.split_last()?;
        Some(FloorInForce {
            floor: Floor::parse(floor)?,
            keeper: match keeper {
                0 => Keeper::Record,
                1 => Keeper::Firmware,
                _ => return None,
            },
        })
    }
}

/// What the good slots ask of the floor. Only what their signed manifests say
/// goes in here, never the numbers in the record: those anybody could raise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Security version, and epoch of the key set where epochs count.
    good: alloc::vec::Vec<(u64, Option<u64>)>,
    revoked: u64,
    unseen: bool,
}

impl Demand {
    /// A good slot, with the manifest that verified, or `None` where it did not:
    /// then nobody knows what is needed to come back.
    pub fn add(&mut self, good: Option<&Facts>) {
        let Some(facts) = good else {
            self.unseen = true;
            return;
        };
        self.good.push((facts.security_version, facts.key_epoch));
        // An image that revokes itself would leave nothing to start.
        let revoked = facts.revoke_below.min(facts.security_version);
        self.revoked = self.revoked.max(revoked);
    }

    /// The security version that a slot must have now, where `counts` is the
    /// floor: what a good slot has revoked is out from its confirmation on.
    pub fn required(&self, counts: u64) -> u64 {
        counts.max(self.revoked)
    }

    /// How high the floor is to be when a good slot starts: never lower than it
    /// is, and never past a good slot that may still start.
    pub fn due(&self, counts: u64) -> u64 {
        let required = self.required(counts);
        if self.unseen {
            return required;
        }
        let versions = self.good.iter().map(|(version, _)| *version);
        let may_start = versions.filter(|version| *version >= required);
        may_start.min().unwrap_or(required)
    }

    /// How high the floor of the epochs is to be when a good slot starts, by the
    /// same rule; where epochs do not count it stays as it is.
    pub fn due_epoch(&self, counts: Floor) -> u64 {
        let required = self.required(counts.security_version);
        if self.unseen {
            return counts.key_epoch;
        }
        let good = self.good.iter();
        let epochs = good.filter_map(|(version, epoch)| epoch.filter(|_| *version >= required));
        let may_start = epochs.filter(|epoch| *epoch >= counts.key_epoch);
        may_start.min().unwrap_or(counts.key_epoch)
    }
}

#[cfg(test)]
mod tests;
