//! What the firmware keeps outside the disk: the variable with the floor.

use bootshim::floor::{Floor, Kept};

/// The variable. It is written whole or not at all, and no cut loses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    /// The firmware keeps none: the record's hint counts.
    Nowhere,
    /// It was never written.
    Absent,
    /// This floor.
    Holds(Floor),
}

impl Variable {
    /// What the firmware says of it.
    pub(super) fn kept(self) -> Kept {
        match self {
            Variable::Nowhere => Kept::Nowhere("the disk alone".into()),
            Variable::Absent => Kept::Absent,
            Variable::Holds(floor) => Kept::Here(floor),
        }
    }

    /// What must not start, where the record has this hint.
    pub(super) fn floor(self, hint: u64) -> Floor {
        match self {
            Variable::Holds(floor) => floor,
            Variable::Nowhere | Variable::Absent => Floor {
                security_version: hint,
                key_epoch: 0,
            },
        }
    }

    /// Whether the record's hint counts.
    pub(super) fn is_hint(self) -> bool {
        !matches!(self, Variable::Holds(_))
    }

    /// What tells it from others; 0 where there is none.
    pub(super) fn mark(self) -> u64 {
        let Variable::Holds(floor) = self else {
            return u64::from(self == Variable::Absent);
        };
        let hash = blake3::hash(&floor.to_bytes());
        let (first, _) = hash.as_bytes().split_first_chunk().unwrap();
        u64::from_le_bytes(*first)
    }
}

/// A write of the variable, and how much of the disk was written before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raise {
    pub(super) at: usize,
    pub(super) to: Floor,
}
