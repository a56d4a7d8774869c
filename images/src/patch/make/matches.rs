//! Where the same bytes lie in the ground: every place of a few MiB, by its
//! next eight bytes.

use std::vec::Vec;

/// The shortest run that is found, in bytes.
const SHORTEST: usize = 8;

/// Bits of the hash of eight bytes.
const HASH_BITS: u32 = 19;

/// How many places with the same hash are looked at.
const DEPTH: usize = 8;

/// A run that is long enough not to look for a longer one.
const LONG: usize = 256;

const NONE: u32 = u32::MAX;

/// The places of some bytes by what lies there. Keeps its memory for the next.
#[derive(Debug, Default)]
pub(super) struct Places {
    first: Vec<u32>,
    next: Vec<u32>,
}

/// A run of equal bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Match {
    pub(super) length: usize,
    pub(super) place: usize,
}

impl Places {
    /// Forgets what it knew and learns `bytes`, at most 4 GiB.
    pub(super) fn learn(&mut self, bytes: &[u8]) {
        self.first.clear();
        self.first.resize(1 << HASH_BITS, NONE);
        self.next.clear();
        self.next.resize(bytes.len(), NONE);
        // From the back, so that the first place is the first that is found.
        for (place, window) in bytes.windows(SHORTEST).enumerate().rev() {
            let Ok(number) = u32::try_from(place) else {
                continue;
            };
            if let (Some(first), Some(next)) =
                (self.first.get_mut(hash(window)), self.next.get_mut(place))
            {
                *next = std::mem::replace(first, number);
            }
        }
    }

    /// The longest run in `bytes`, which were learnt, that is what `wanted`
    /// begins with. `near` is where one is likely.
    pub(super) fn longest(&self, bytes: &[u8], wanted: &[u8], near: Option<usize>) -> Match {
        let Some(window) = wanted.get(..SHORTEST) else {
            return Match::default();
        };
        let at = |place: usize| Match {
            length: common(wanted, bytes.get(place..).unwrap_or_default()),
            place,
        };
        let mut best = near.map(at).unwrap_or_default();
        let mut next = self.first.get(hash(window)).copied().unwrap_or(NONE);
        for _ in 0..DEPTH {
            if next == NONE || best.length > LONG {
                break;
            }
            let Ok(place) = usize::try_from(next) else {
                break;
            };
            let found = at(place);
            if found.length > best.length {
                best = found;
            }
            next = self.next.get(place).copied().unwrap_or(NONE);
        }
        if best.length < SHORTEST {
            return Match::default();
        }
        best
    }
}

fn hash(window: &[u8]) -> usize {
    let word = window
        .first_chunk()
        .map_or(0, |word| u64::from_le_bytes(*word));
    let mixed = word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - HASH_BITS);
    usize::try_from(mixed).unwrap_or(0)
}

/// How many bytes two slices begin with alike.
pub(super) fn common(a: &[u8], b: &[u8]) -> usize {
    let words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    let mut same = 0;
    for (a, b) in words {
        let differs = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differs != 0 {
            return same + usize::try_from(differs.trailing_zeros() / 8).unwrap_or(0);
        }
        same += 8;
    }
    let pairs = a.iter().zip(b).skip(same);
    same + pairs.take_while(|(a, b)| a == b).count()
}
