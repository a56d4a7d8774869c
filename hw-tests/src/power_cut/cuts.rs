//! What a power cut can leave of the writes that no flush has made durable.

use fastrand::Rng;
use std::fmt;
use std::ops::Range;

/// Up to so many writes, every subset of them is tried.
const EVERY_SUBSET: usize = 10;
/// The unit that a drive writes, whatever it says.
const SECTOR: usize = 512;
/// Writes of up to so many bytes are torn at each byte.
const EVERY_BYTE: usize = 4096;

/// How many are taken where trying all is beyond anybody's time.
#[derive(Clone, Copy, Debug)]
pub struct Samples {
    /// Subsets of the unflushed writes before each cut.
    pub subsets: usize,
    /// Ways to tear the last write before each cut.
    pub tears: usize,
}

/// A write that no flush has followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unflushed {
    length: usize,
    /// Where a tear leaves something else than one byte earlier; for a short
    /// write only.
    places: Vec<usize>,
}

impl Unflushed {
    /// A write of `new` to where `old` was.
    #[must_use]
    pub fn new(old: &[u8], new: &[u8]) -> Unflushed {
        let length = new.len();
        let mut places = Vec::new();
        if length <= EVERY_BYTE {
            for (at, (old, new)) in (1..length).zip(old.iter().zip(new)) {
                let first = at % SECTOR == 1;
                if first || old != new || *new != 0 {
                    places.push(at);
                }
            }
        }
        Unflushed { length, places }
    }
}

/// What was left of the unflushed writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Which of them reached the disk whole, by their number, in order.
    pub whole: Vec<usize>,
    /// One that reached it in part.
    pub torn: Option<(usize, Tear)>,
}

/// How a write is torn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tear {
    /// Some sectors did not reach the disk.
    Missing(Range<usize>),
    /// All bytes before this one reached it; the rest of its sector is zero, or
    /// what it was before. Later sectors did not reach the disk.
    Inside {
        /// The first byte that did not.
        at: usize,
        /// Whether the rest of the sector is zero.
        zero: bool,
    },
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "of the unflushed writes {:?} whole", self.whole)?;
        match &self.torn {
            None => Ok(()),
            Some((write, Tear::Missing(bytes))) => {
                write!(f, ", {write} without its bytes {bytes:?}")
            }
            Some((write, Tear::Inside { at, zero })) => {
                let tail = if *zero { "zero" } else { "old" };
                write!(
                    f,
                    ", {write} torn at byte {at}, the rest of the sector {tail}"
                )
            }
        }
    }
}

/// All that a cut before the next flush can leave of `writes`, in the order in
/// which they were made; samples where these are too many.
pub fn all(writes: &[Unflushed], samples: Samples, rng: &mut Rng) -> Vec<Left> {
    let mut found = if writes.len() <= EVERY_SUBSET {
        every_subset(writes.len())
    } else {
        subsets_of_each_prefix(writes.len(), samples, rng)
    };
    for (write, unflushed) in writes.iter().enumerate() {
        for tear in tears(unflushed, samples, rng) {
            let before = if rng.bool() {
                (0..write).collect()
            } else {
                subset(0..write, rng)
            };
            found.push(Left {
                whole: before,
                torn: Some((write, tear)),
            });
        }
    }
    found
}

fn every_subset(writes: usize) -> Vec<Left> {
    let has = |mask: u32, write: usize| {
        let bit = u32::try_from(write).ok().and_then(|w| 1u32.checked_shl(w));
        bit.is_some_and(|bit| mask & bit != 0)
    };
    let count = u32::try_from(writes).ok().and_then(|w| 1u32.checked_shl(w));
    (0..count.unwrap_or(0))
        .map(|mask| Left {
            whole: (0..writes).filter(|write| has(mask, *write)).collect(),
            torn: None,
        })
        .collect()
}

/// The writes up to each cut, all but one of them, and some of them. Without one
/// is what a missing flush looks like: of all writes, each is left out once.
fn subsets_of_each_prefix(writes: usize, samples: Samples, rng: &mut Rng) -> Vec<Left> {
    let without = |missing, cut| (0..cut).filter(move |write| *write != missing).collect();
    let mut found: Vec<Vec<usize>> = (0..writes).map(|write| without(write, writes)).collect();
    for cut in 0..=writes {
        found.push((0..cut).collect());
        found.push(without(rng.usize(0..cut.max(1)), cut));
        found.extend((0..samples.subsets).map(|_| subset(0..cut, rng)));
    }
    let whole = |whole| Left { whole, torn: None };
    found.into_iter().map(whole).collect()
}

fn subset(of: Range<usize>, rng: &mut Rng) -> Vec<usize> {
    of.filter(|_| rng.bool()).collect()
}

fn tears(write: &Unflushed, samples: Samples, rng: &mut Rng) -> Vec<Tear> {
    let length = write.length;
    if length <= EVERY_BYTE {
        return every_tear(write);
    }
    let sectors = length / SECTOR;
    let some = |_| {
        if rng.bool() {
            let from = rng.usize(0..sectors);
            let to = rng.usize(from..sectors).saturating_add(1);
            Tear::Missing(from.saturating_mul(SECTOR)..to.saturating_mul(SECTOR))
        } else {
            let (at, zero) = (rng.usize(1..length), rng.bool());
            Tear::Inside { at, zero }
        }
    };
    (0..samples.tears).map(some).collect()
}

fn every_tear(write: &Unflushed) -> Vec<Tear> {
    let borders = || (0..=write.length).step_by(SECTOR);
    let missing = borders().flat_map(|from| {
        let later = borders().filter(move |to| *to > from);
        later.map(move |to| Tear::Missing(from..to))
    });
    let inside = write
        .places
        .iter()
        .copied()
        .filter(|at| !at.is_multiple_of(SECTOR));
    let inside = inside.flat_map(|at| [false, true].map(|zero| Tear::Inside { at, zero }));
    missing.chain(inside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEW: Samples = Samples {
        subsets: 3,
        tears: 4,
    };

    fn all(lengths: &[usize]) -> Vec<Left> {
        let changed = lengths.iter().map(|length| {
            let (old, new) = (vec![1; *length], vec![2; *length]);
            Unflushed::new(&old, &new)
        });
        super::all(&changed.collect::<Vec<_>>(), FEW, &mut Rng::with_seed(1))
    }

    fn whole(left: &[Left]) -> Vec<&[usize]> {
        let not_torn = left.iter().filter(|left| left.torn.is_none());
        not_torn.map(|left| left.whole.as_slice()).collect()
    }

    #[test]
    fn every_subset_of_a_few_writes_is_left_once() {
        let left = all(&[4096; 2]);
        assert_eq!(whole(&left), [&[][..], &[0], &[1], &[0, 1]]);
        assert_eq!(whole(&all(&[512; 10])).len(), 1024);
        assert_eq!(whole(&all(&[])), [[0; 0].as_slice()]);
    }

    #[test]
    fn a_block_is_torn_at_each_byte_and_at_each_border() {
        let left = all(&[4096]);
        let torn: Vec<_> = left.iter().filter_map(|left| left.torn.clone()).collect();
        assert_eq!(torn.len(), 36 + 2 * (4095 - 7));
        let (at, zero) = (300, true);
        assert!(torn.contains(&(0, Tear::Inside { at, zero })));
        assert!(torn.contains(&(0, Tear::Missing(512..1024))));
    }

    #[test]
    fn a_tear_that_leaves_the_same_as_one_a_byte_earlier_is_left_out() {
        let old = [0; 1024];
        let mut new = old;
        new[99] = 1;
        let places = Unflushed::new(&old, &new).places;
        assert_eq!(places, [1, 100, 513]);
    }

    #[test]
    fn of_many_writes_each_prefix_is_left_and_samples_of_the_rest() {
        let left = all(&[1 << 20; 40]);
        for cut in 0..=40 {
            let prefix: Vec<usize> = (0..cut).collect();
            assert!(whole(&left).contains(&prefix.as_slice()));
        }
        for missing in 0..40 {
            let others: Vec<usize> = (0..40).filter(|write| *write != missing).collect();
            assert!(whole(&left).contains(&others.as_slice()));
        }
        let torn = left.iter().filter(|left| left.torn.is_some());
        assert_eq!(torn.count(), 40 * FEW.tears);
    }

    #[test]
    fn the_same_seed_leaves_the_same() {
        assert_eq!(all(&[1 << 20; 12]), all(&[1 << 20; 12]));
    }
}
