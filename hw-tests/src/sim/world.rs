//! The controllers that are explored, and how one disk of them is named.

use super::cuts::Grain;
use std::fmt;
use std::str::FromStr;

/// How finely the disks are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// For every change.
    Quick,
    /// For hours.
    Full,
}

/// The controller that is explored.
#[derive(Clone, Copy, Debug)]
pub struct World {
    pub(super) slots: usize,
    /// Whether the firmware keeps the floor and says what led to a start; images
    /// are then signed under key sets.
    pub(super) firmware: bool,
    pub(super) images: u8,
    pub(super) tries: u8,
    /// How many states are cut, those with the shortest ways first.
    pub(super) states: usize,
    /// In how many of them every write is torn every few bytes.
    finely: usize,
    /// In how many of those at every byte.
    finest: usize,
    fine: Grain,
    /// The one disk that is judged, where it is only one.
    pub(super) only: Option<Case>,
    pub(super) full: bool,
}

/// One disk after a cut: what repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    pub(super) full: bool,
    pub(super) slots: usize,
    pub(super) firmware: bool,
    pub(super) node: usize,
    pub(super) operation: usize,
    pub(super) crash: usize,
}

impl World {
    /// Every controller that is explored.
    #[must_use]
    pub fn all(depth: Depth) -> Vec<World> {
        let worlds = [(2, true), (3, true), (2, false), (3, false)];
        worlds
            .map(|(slots, firmware)| World::new(slots, firmware, depth))
            .to_vec()
    }

    /// A disk with this many slots, under a firmware that keeps the floor, or not.
    #[must_use]
    pub fn new(slots: usize, firmware: bool, depth: Depth) -> World {
        let full = depth == Depth::Full;
        let (states, finely, byte) = match (slots, full) {
            (2, false) if firmware => (220, 24, 16),
            (_, false) if firmware => (90, 24, 16),
            (2, true) if firmware => (700, 60, 16),
            (_, true) if firmware => (250, 40, 16),
            (2, false) => (600, 150, 16),
            (_, false) => (216, 40, 16),
            (2, true) => (3_000, 300, 1),
            (_, true) => (1_000, 100, 16),
        };
        let fine = Grain {
            record: 16,
            slot: 256,
            samples: if full { 512 } else { 32 },
            seed: 0x5107,
        };
        World {
            slots,
            firmware,
            images: if firmware { 3 } else { 2 },
            tries: 1,
            states,
            finely,
            finest: if byte == 1 { 10 } else { 0 },
            fine,
            only: None,
            full,
        }
    }

    /// How finely what is done in this state is cut: the states with the
    /// shortest ways are torn everywhere, the others at one place of each write.
    pub(super) fn grain(&self, state: usize) -> Grain {
        let passed_through = self.only.is_some_and(|case| case.node != state);
        if state < self.finest && !passed_through {
            let (record, slot) = (1, 16);
            Grain {
                record,
                slot,
                ..self.fine
            }
        } else if state < self.finely && !passed_through {
            self.fine
        } else {
            Grain {
                record: 0,
                slot: 0,
                samples: 16,
                ..self.fine
            }
        }
    }

    /// The same disks, of which only one is judged, and that one in words.
    #[must_use]
    pub fn of(case: Case) -> World {
        let depth = if case.full { Depth::Full } else { Depth::Quick };
        World {
            only: Some(case),
            ..World::new(case.slots, case.firmware, depth)
        }
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let World {
            slots,
            firmware,
            images,
            tries,
            fine,
            ..
        } = self;
        let firmware = if *firmware {
            ", floor kept by firmware"
        } else {
            ""
        };
        write!(
            f,
            "{slots} slots{firmware}, {images} images, {tries} tries, seed {:#x}",
            fine.seed
        )
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let depth = if self.full { "full" } else { "quick" };
        let firmware = if self.firmware { "f" } else { "" };
        let Case {
            slots,
            node,
            operation,
            crash,
            ..
        } = self;
        write!(f, "{depth}:{slots}{firmware}:{node}:{operation}:{crash}")
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Case, String> {
        let wrong = || format!("{text:?} is no case; expected one such as quick:2:15:3:1042");
        let (depth, numbers) = text.split_once(':').ok_or_else(wrong)?;
        let (slots, rest) = numbers.split_once(':').ok_or_else(wrong)?;
        let (slots, firmware) = match slots.strip_suffix('f') {
            Some(slots) => (slots, true),
            None => (slots, false),
        };
        let numbers = format!("{slots}:{rest}");
        let numbers: Result<Vec<usize>, _> = numbers.split(':').map(str::parse).collect();
        let full = match depth {
            "quick" => false,
            "full" => true,
            _ => return Err(wrong()),
        };
        match numbers.as_deref() {
            Ok([slots @ 2..=8, node, operation, crash]) => Ok(Case {
                full,
                slots: *slots,
                firmware,
                node: *node,
                operation: *operation,
                crash: *crash,
            }),
            _ => Err(wrong()),
        }
    }
}
