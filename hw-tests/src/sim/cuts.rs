//! Every disk that a power cut during an operation could leave behind.
//!
//! Between two flushes a device may have made any of the writes durable, in any
//! order: each block then holds what it held before, or any of what was written
//! to it since. The one write that was under way may be torn at any place, with
//! anything behind the tear.

use fakedisk::{BYTES, Block, Content, Epoch};
use std::fmt;

/// Up to this many combinations all of them are tried, beyond it samples.
const ALL: usize = 1 << 10;

/// Where the tear lies that stands for the others: in the middle of a record.
pub(super) const HALF: usize = 256;

/// What went wrong besides the cut itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: all writes up to a point are there, and none after it. (Between
    /// two flushes they count in the order of their places, see `FakeDisk::epochs`.)
    Cut,
    /// The write under way reached the medium in part.
    Torn,
    /// Of the writes that were not flushed, some later ones are there and some
    /// earlier ones are not.
    Reordered,
    /// A flush said that all is durable, and it was not.
    Lied,
    /// One sector can never be read again.
    Dying,
    /// The power fails once more while bootshim mends.
    Second,
}

impl Fault {
    /// Every one.
    pub const ALL: [Fault; 6] = [
        Fault::Cut,
        Fault::Torn,
        Fault::Reordered,
        Fault::Lied,
        Fault::Dying,
        Fault::Second,
    ];

    /// Its words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Fault::Cut => "cut between writes",
            Fault::Torn => "write torn",
            Fault::Reordered => "unflushed writes lost or reordered",
            Fault::Lied => "a flush that lies",
            Fault::Dying => "a sector that dies later",
            Fault::Second => "a second cut during recovery",
        }
    }
}

/// What lies behind a tear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    Old,
    Zero,
    Ones,
    Random,
}

impl Tail {
    pub(super) const ALL: [Tail; 4] = [Tail::Old, Tail::Zero, Tail::Ones, Tail::Random];
}

/// How finely it is cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grain {
    /// Bytes from one tear of a copy of the record to the next; 0: one tear.
    pub(super) record: usize,
    /// The same for blocks of a slot.
    pub(super) slot: usize,
    /// Samples where there are too many combinations.
    pub(super) samples: usize,
    /// What all chance derives from.
    pub(super) seed: u64,
}

/// How a disk came to be what it is, in words.
#[derive(Clone, Copy, Debug)]
pub(super) enum How {
    Cut {
        flushes: usize,
        writes: usize,
    },
    Subset {
        flushes: usize,
        of: usize,
        sample: u64,
    },
    Torn {
        flushes: usize,
        write: usize,
        place: usize,
        at: usize,
        tail: Tail,
    },
    Lied {
        from: usize,
        to: usize,
        sample: u64,
    },
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            How::Cut { flushes, writes } => {
                write!(f, "cut after flush {flushes} and {writes} more writes")
            }
            How::Subset {
                flushes,
                of,
                sample,
            } => write!(
                f,
                "after flush {flushes}, of {of} writes those of combination {sample:#x}"
            ),
            How::Torn {
                flushes,
                write,
                place,
                at,
                tail,
            } => write!(
                f,
                "after flush {flushes}, write {write} (block {place}) torn at byte {at}, tail {tail:?}"
            ),
            How::Lied { from, to, sample } => write!(
                f,
                "flushes {from} to {to} lied, combination {sample:#x} of what was written"
            ),
        }
    }
}

/// A disk after a cut: what was durable, and what of the rest is there.
pub(super) struct Cut<'a> {
    pub(super) fault: Fault,
    pub(super) how: How,
    /// Number of flushes before which everything is durable.
    pub(super) flushes: usize,
    /// What differs from that; each place once.
    pub(super) changed: &'a [(usize, Block)],
    /// Whether it stands for many: what comes after it is looked at as well.
    pub(super) goes_on: bool,
}

type Visit<'v> = dyn FnMut(&Cut<'_>) + 'v;
type Combination<'v> = dyn FnMut(u64, &[(usize, Block)]) + 'v;

/// What is durable after each flush: first the disk before.
pub(super) fn flushed(before: &Content, epochs: &[Epoch]) -> Vec<Content> {
    let mut flushed = vec![before.clone()];
    for epoch in epochs {
        let mut next = flushed[flushed.len() - 1].clone();
        for (place, block) in epoch {
            next.set(*place, block.clone());
        }
        flushed.push(next);
    }
    flushed
}

/// Calls `visit` with every disk that a cut during these writes can leave.
/// `is_record` says whether a block is a copy of the record.
pub(super) fn enumerate(
    flushed: &[Content],
    epochs: &[Epoch],
    grain: Grain,
    is_record: &dyn Fn(usize) -> bool,
    visit: &mut Visit<'_>,
) {
    visit(&Cut {
        fault: Fault::Cut,
        how: How::Cut {
            flushes: 0,
            writes: 0,
        },
        flushes: 0,
        changed: &[],
        goes_on: true,
    });
    for ((flushes, epoch), flushed) in epochs.iter().enumerate().zip(flushed) {
        prefixes(epoch, flushes, visit);
        combinations(epoch, flushes, grain, visit);
        tears(flushed, epoch, flushes, grain, is_record, visit);
    }
    lies(epochs, grain, visit);
}

fn prefixes(epoch: &Epoch, flushes: usize, visit: &mut Visit<'_>) {
    for writes in 1..=epoch.len() {
        let changed = last_of_each(&epoch[..writes]);
        visit(&Cut {
            fault: Fault::Cut,
            how: How::Cut { flushes, writes },
            flushes,
            changed: &changed,
            goes_on: true,
        });
    }
}

fn last_of_each(writes: &[(usize, Block)]) -> Vec<(usize, Block)> {
    let mut changed: Vec<(usize, Block)> = Vec::with_capacity(writes.len());
    for (place, block) in writes {
        match changed.iter_mut().find(|(of, _)| of == place) {
            Some((_, held)) => *held = block.clone(),
            None => changed.push((*place, block.clone())),
        }
    }
    changed
}

/// The contents that each place may have, its old one not among them.
fn choices(writes: impl Iterator<Item = (usize, Block)>) -> Vec<(usize, Vec<Block>)> {
    let mut choices: Vec<(usize, Vec<Block>)> = Vec::new();
    for (place, block) in writes {
        match choices.iter_mut().find(|(of, _)| *of == place) {
            Some((_, held)) => held.push(block),
            None => choices.push((place, vec![block])),
        }
    }
    choices
}

fn combinations(epoch: &Epoch, flushes: usize, grain: Grain, visit: &mut Visit<'_>) {
    if epoch.len() < 2 {
        return;
    }
    let choices = choices(epoch.iter().cloned());
    every(
        &choices,
        grain,
        u64::try_from(flushes).unwrap(),
        &mut |sample, changed| {
            let how = How::Subset {
                flushes,
                of: epoch.len(),
                sample,
            };
            visit(&Cut {
                fault: Fault::Reordered,
                how,
                flushes,
                changed,
                goes_on: false,
            });
        },
    );
}

/// Every combination of what each place may hold, or samples of them.
fn every(choices: &[(usize, Vec<Block>)], grain: Grain, salt: u64, visit: &mut Combination<'_>) {
    let count = choices.iter().try_fold(1usize, |product, (_, held)| {
        product.checked_mul(held.len() + 1).filter(|n| *n <= ALL)
    });
    let mut chance = Chance::new(grain.seed ^ salt);
    let rounds = count.unwrap_or(grain.samples);
    for round in 0..rounds {
        let sample = match count {
            Some(_) => u64::try_from(round).unwrap(),
            None => chance.next(),
        };
        let mut rest = sample;
        let mut changed = Vec::with_capacity(choices.len());
        // Beyond what 64 bits can say, chance goes on from there.
        let mut more = Chance::new(sample);
        for (place, held) in choices {
            let options = u64::try_from(held.len() + 1).unwrap();
            let pick = match count {
                Some(_) => rest % options,
                None => more.next() % options,
            };
            rest /= options;
            if let Some(index) = usize::try_from(pick).unwrap().checked_sub(1) {
                changed.push((*place, held[index].clone()));
            }
        }
        visit(sample, &changed);
    }
}

fn tears(
    flushed: &Content,
    epoch: &Epoch,
    flushes: usize,
    grain: Grain,
    is_record: &dyn Fn(usize) -> bool,
    visit: &mut Visit<'_>,
) {
    for (write, (place, block)) in epoch.iter().enumerate() {
        let old = flushed.get(*place);
        let mut changed = last_of_each(&epoch[..write]);
        changed.retain(|(of, _)| of != place);
        changed.push((*place, block.clone()));
        let last = changed.len() - 1;
        let step = if is_record(*place) {
            grain.record
        } else {
            grain.slot
        };
        let places = places(step, grain.seed, *place);
        for at in &places {
            let at = *at;
            for tail in Tail::ALL {
                let torn = tear(old, block, at, tail, grain.seed);
                changed[last].1 = torn;
                let how = How::Torn {
                    flushes,
                    write,
                    place: *place,
                    at,
                    tail,
                };
                visit(&Cut {
                    fault: Fault::Torn,
                    how,
                    flushes,
                    changed: &changed,
                    goes_on: (at == HALF || places.len() == 1) && tail == Tail::Random,
                });
            }
        }
    }
}

/// Where a block is torn: everywhere, or at one place within the record.
fn places(step: usize, seed: u64, place: usize) -> Vec<usize> {
    if step > 0 {
        return (0..BYTES).step_by(step).collect();
    }
    let chance = Chance::new(seed ^ u64::try_from(place).unwrap()).next();
    vec![16 * usize::try_from(1 + chance % 29).unwrap()]
}

pub(super) fn tear(old: &Block, new: &Block, at: usize, tail: Tail, seed: u64) -> Block {
    let mut bytes = *new.bytes();
    let behind = &mut bytes[at..];
    match tail {
        Tail::Old => behind.copy_from_slice(&old.bytes()[at..]),
        Tail::Zero => behind.fill(0),
        Tail::Ones => behind.fill(0xff),
        Tail::Random => Chance::new(seed ^ u64::try_from(at).unwrap()).fill(behind),
    }
    Block::new(bytes)
}

/// Each flush lies by itself, and then all of them together.
fn lies(epochs: &[Epoch], grain: Grain, visit: &mut Visit<'_>) {
    let mut lied = |from: usize, to: usize| {
        let writes = epochs[from..=to].iter().flatten().cloned();
        let salt = u64::try_from((from << 8) + to + 1).unwrap();
        every(&choices(writes), grain, salt, &mut |sample, changed| {
            visit(&Cut {
                fault: Fault::Lied,
                how: How::Lied { from, to, sample },
                flushes: from,
                changed,
                goes_on: false,
            });
        });
    };
    for from in 1..epochs.len() {
        lied(from - 1, from);
    }
    if epochs.len() > 2 {
        lied(0, epochs.len() - 1);
    }
}

/// A seeded stream of numbers (SplitMix64).
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let random = self.next().to_le_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
    }
}
