//! Where content that is alike lies: a sample of all places of gigabytes of
//! ground, chosen by what lies there, so that the same bytes are found again
//! wherever they moved to.

use std::vec;
use std::vec::Vec;

use crate::ALIGN;
use crate::patch::{self, ARENA_MAX};

/// How many bytes an anchor is made of: those that a 32-bit hash which shifts
/// by one remembers.
const WINDOW: usize = 32;

/// A block in memory.
const BLOCK: usize = 4096;
const _: () = assert!(BLOCK as u64 == ALIGN, "a block is a block");

/// How many neighbours in the table are looked at for a place.
const PROBES: usize = 8;

/// Bits of a place in a table entry; the rest tells places apart.
const PLACE_BITS: u32 = 40;
const PLACE_MASK: u64 = (1 << PLACE_BITS) - 1;

/// Ground around a find that is taken with it, in bytes: what lies between two
/// finds is likely to be alike as well.
const AROUND: u64 = 64 << 10;

/// A place with an anchor, and what lies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// Where it is.
    pub(crate) place: u64,
    mark: u64,
}

/// One place in `2^rarity` is an anchor.
pub(crate) fn of(bytes: &[u8], offset: u64, rarity: u32) -> Vec<Anchor> {
    let chosen = u32::MAX.checked_shl(32 - rarity).unwrap_or(0);
    let mut anchors = Vec::new();
    let mut hash = 0_u32;
    for (end, byte) in (1..).zip(bytes) {
        hash = (hash << 1).wrapping_add(scatter(*byte));
        if hash & chosen != 0 || end < WINDOW {
            continue;
        }
        let window = bytes.get(end - WINDOW..end).unwrap_or_default();
        if let Some(mark) = mark(window) {
            let place = offset.saturating_add((end - WINDOW) as u64);
            anchors.push(Anchor { place, mark });
        }
    }
    anchors
}

/// The anchors in the first quarter of each block: enough to find whole files
/// again, which begin at blocks, in a quarter of the time.
pub(crate) fn at_starts(bytes: &[u8], offset: u64, rarity: u32) -> Vec<Anchor> {
    let blocks = bytes.chunks(BLOCK).zip((offset..).step_by(BLOCK));
    let start = |block: &[u8]| block.len().min(BLOCK / 4);
    blocks
        .flat_map(|(block, at)| of(block.get(..start(block)).unwrap_or_default(), at, rarity))
        .collect()
}

/// A number for each byte, with all bits used.
const fn scatter(byte: u8) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut at = 0;
        while at < 256 {
            // splitmix64
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            #[allow(clippy::indexing_slicing, reason = "evaluated when compiled")]
            {
                table[at] = (mixed >> 32) as u32;
            }
            at += 1;
        }
        table
    };
    #[allow(clippy::indexing_slicing, reason = "a byte is below 256")]
    TABLE[byte as usize]
}

/// A hash of a window; none where it is one byte over and over, which lies
/// everywhere.
fn mark(window: &[u8]) -> Option<u64> {
    let first = window.first()?;
    if window.iter().all(|byte| byte == first) {
        return None;
    }
    let words = window.as_chunks::<8>().0.iter();
    let mixed = words.fold(0_u64, |mixed, word| {
        let mixed = (mixed ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 29)
    });
    Some(mixed)
}

/// The anchors of the ground, to be found by what lies there.
#[derive(Debug)]
pub(crate) struct Anchors {
    rarity: u32,
    /// A place plus one and the high bits of its mark, or 0.
    table: Vec<u64>,
}

impl Anchors {
    /// Room for the anchors of so many bytes.
    pub(crate) fn new(bytes: u64, rarity: u32) -> Self {
        let expected = usize::try_from(bytes >> rarity).unwrap_or(usize::MAX / 64);
        let room = expected.saturating_mul(2).max(1024).next_power_of_two();
        Self {
            rarity,
            table: vec![0; room],
        }
    }

    /// Notes what lies where; of many alike only the first few.
    pub(crate) fn insert(&mut self, anchors: &[Anchor]) {
        for anchor in anchors {
            let entry = (anchor.mark & !PLACE_MASK) | (anchor.place.saturating_add(1) & PLACE_MASK);
            let slots = slots(self.table.len(), anchor.mark);
            for slot in slots {
                if let Some(free) = self.table.get_mut(slot).filter(|entry| **entry == 0) {
                    *free = entry;
                    break;
                }
            }
        }
    }

    /// The place of the anchor that is nearest to where it is expected.
    fn find(&self, anchor: &Anchor, expected: u64) -> Option<u64> {
        let entries = slots(self.table.len(), anchor.mark).map(|slot| self.table.get(slot));
        let entries = entries.map_while(|entry| entry.copied().filter(|entry| *entry != 0));
        entries
            .filter(|entry| entry & !PLACE_MASK == anchor.mark & !PLACE_MASK)
            .map(|entry| (entry & PLACE_MASK) - 1)
            .min_by_key(|place| place.abs_diff(expected))
    }
}

fn slots(room: usize, mark: u64) -> impl Iterator<Item = usize> {
    let start = usize::try_from(mark & PLACE_MASK).unwrap_or(0);
    (0..PROBES).map(move |step| start.wrapping_add(step) & (room - 1))
}

/// The ground that `content` is likely to be made of, at most what one patch may
/// need: where it begins and how long it is, in whole blocks. `tables` are
/// searched one after the other, each anchor in the first that knows it; the
/// first find is likely to be around `expected`.
pub(crate) fn likely(
    tables: &[&Anchors],
    content: &[u8],
    expected: u64,
    ground_len: u64,
) -> Vec<(u64, usize)> {
    let Some(rarity) = tables.iter().map(|table| table.rarity).min() else {
        return Vec::new();
    };
    let mut finds: Vec<(u64, u64)> = Vec::new();
    for anchor in of(content, 0, rarity) {
        let (at, place) = finds.last().copied().unwrap_or((0, expected));
        let near = place.saturating_add(anchor.place - at);
        let found = tables.iter().find_map(|table| table.find(&anchor, near));
        finds.extend(found.map(|place| (anchor.place, place)));
    }
    choose(&around(&finds, content.len() as u64, ground_len))
}

/// A stretch of ground and how many finds lie in it.
type Weighed = (u64, u64, u32);

/// The ground around each find, as far as the next find on either side.
fn around(finds: &[(u64, u64)], content_len: u64, ground_len: u64) -> Vec<Weighed> {
    let mut stretches = Vec::new();
    for (number, (at, place)) in finds.iter().enumerate() {
        let before = number.checked_sub(1).and_then(|before| finds.get(before));
        let before = at - before.map_or(0, |(at, _)| *at);
        let after = finds.get(number + 1).map_or(content_len, |(at, _)| *at) - at;
        let from = place.saturating_sub(before.min(AROUND));
        let end = place
            .saturating_add(after.min(AROUND))
            .saturating_add(WINDOW as u64);
        let (from, end) = patch::blocks(from, end, ground_len);
        stretches.push((from, end, 1));
    }
    stretches.sort_unstable();
    let mut merged: Vec<Weighed> = Vec::new();
    for (from, end, weight) in stretches {
        match merged.last_mut().filter(|last| from <= last.1) {
            Some(last) => {
                last.1 = last.1.max(end);
                last.2 = last.2.saturating_add(weight);
            }
            None => merged.push((from, end, weight)),
        }
    }
    merged
}

/// Those with the most finds, as far as they fit, in their order.
fn choose(stretches: &[Weighed]) -> Vec<(u64, usize)> {
    let mut heaviest = stretches.to_vec();
    heaviest.sort_by_key(|(from, _, weight)| (std::cmp::Reverse(*weight), *from));
    let mut room = ARENA_MAX;
    let mut chosen = Vec::new();
    for (from, end, _) in heaviest {
        let length = usize::try_from(end - from).unwrap_or(usize::MAX);
        if let Some(left) = room.checked_sub(length) {
            room = left;
            chosen.push((from, length));
        }
    }
    chosen.sort_unstable();
    chosen
}

const _: () = assert!(ARENA_MAX as u64 >= 4 * (AROUND + ALIGN), "one find fits");

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        blake3::Hasher::new()
            .update(&[seed])
            .finalize_xof()
            .fill(&mut bytes);
        bytes
    }

    #[test]
    fn content_is_found_again_wherever_it_moved_to() {
        let ground = noise(1, 8 << 20);
        let mut anchors = Anchors::new(ground.len() as u64, 6);
        anchors.insert(&of(&ground, 0, 6));
        let mut content = noise(2, 100_000);
        content.extend(&ground[5_000_123..5_200_123]);
        let found = likely(&[&anchors], &content, 0, ground.len() as u64);
        let covers = |at: u64| {
            found
                .iter()
                .any(|(from, length)| *from <= at && at < from + *length as u64)
        };
        assert!(covers(5_000_123) && covers(5_200_122), "{found:?}");
        let total: usize = found.iter().map(|(_, length)| length).sum();
        assert!(total <= ARENA_MAX && total.is_multiple_of(4096));
    }

    #[test]
    fn what_lies_everywhere_is_no_anchor() {
        assert!(of(&[7; 100_000], 0, 0).is_empty());
    }
}
