//! Making a patch: which runs of the ground the content is made of.
//!
//! The search is that of bsdiff (Colin Percival, "Naive differences of
//! executable code"): a run goes on over bytes that differ for as long as more
//! of them are alike than not, and another is begun only where it is clearly
//! better. Where bsdiff looks through the whole old file in a suffix array,
//! this looks through the few MiB of ground that are likely to be alike.

mod diff;
mod matches;

use std::io;
use std::vec::Vec;

use crate::ALIGN;
use diff::Found;
use matches::Places;

/// Makes patches. Keeps memory: have one per thread.
pub(crate) struct Maker {
    places: Places,
    zstd: zstd::bulk::Compressor<'static>,
}

/// A part of the ground, in whole blocks, with its bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Excerpt {
    /// Where each stretch begins in the ground, and how long it is; the bytes
    /// of one follow those of the one before.
    pub(crate) stretches: Vec<(u64, usize)>,
    /// All bytes.
    pub(crate) bytes: Vec<u8>,
}

impl Excerpt {
    /// Reads so much of the ground.
    pub(crate) fn read(
        stretches: Vec<(u64, usize)>,
        mut read: impl FnMut(u64, &mut [u8]) -> io::Result<()>,
    ) -> io::Result<Self> {
        let mut bytes = Vec::new();
        for (from, length) in &stretches {
            let start = bytes.len();
            bytes.resize(start.saturating_add(*length), 0);
            read(*from, bytes.get_mut(start..).unwrap_or_default())?;
        }
        Ok(Self { stretches, bytes })
    }

    /// A run of the excerpt as runs of the ground: one that goes over the end
    /// of a stretch is two.
    fn in_ground(&self, place: usize, length: usize) -> Vec<(u64, usize)> {
        let (mut runs, mut start) = (Vec::new(), 0_usize);
        let end = place.saturating_add(length);
        for (from, length) in &self.stretches {
            let stop = start.saturating_add(*length);
            let (first, last) = (place.max(start), end.min(stop));
            if first < last {
                runs.push((from.saturating_add((first - start) as u64), last - first));
            }
            start = stop;
        }
        runs
    }
}

impl Maker {
    /// One that compresses its streams at this level of zstd.
    pub(crate) fn new(level: i32) -> io::Result<Self> {
        Ok(Self {
            places: Places::default(),
            zstd: zstd::bulk::Compressor::new(level)?,
        })
    }

    /// The packed bytes of a patch that makes `content` of this part of the
    /// ground.
    pub(crate) fn make(&mut self, ground: &Excerpt, content: &[u8]) -> io::Result<Vec<u8>> {
        self.places.learn(&ground.bytes);
        let mut instructions = Vec::new();
        let mut differences = Vec::with_capacity(content.len());
        let mut literals = Vec::new();
        let mut at = 0_u64;
        for found in diff::runs(&self.places, &ground.bytes, content) {
            let Found {
                place,
                copied,
                start,
                literal,
            } = found;
            let own = content.get(start..).unwrap_or_default();
            let from = ground.bytes.get(place..).unwrap_or_default();
            let pairs = own.iter().zip(from).take(copied);
            differences.extend(pairs.map(|(to, from)| to.wrapping_sub(*from)));
            let behind = own.get(copied..copied.saturating_add(literal));
            literals.extend_from_slice(behind.unwrap_or_default());
            let mut runs = ground.in_ground(place, copied);
            if runs.is_empty() {
                // Literals alone stay where they are.
                runs.push((at, 0));
            }
            let last = runs.len().saturating_sub(1);
            for (number, (from, length)) in runs.into_iter().enumerate() {
                number_out(&mut instructions, zigzag(from, at));
                number_out(&mut instructions, length as u64);
                let literal = if number == last { literal as u64 } else { 0 };
                number_out(&mut instructions, literal);
                at = from.saturating_add(length as u64);
            }
        }
        self.pack([instructions, differences, literals])
    }

    fn pack(&mut self, streams: [Vec<u8>; 3]) -> io::Result<Vec<u8>> {
        let mut start = Vec::new();
        let mut frames = Vec::new();
        for stream in &streams {
            let packed = match stream.as_slice() {
                [] => Vec::new(),
                bytes => self.zstd.compress(bytes)?,
            };
            for length in [stream.len(), packed.len()] {
                let length = u32::try_from(length).unwrap_or(u32::MAX);
                start.extend(length.to_le_bytes());
            }
            frames.extend(packed);
        }
        start.extend(frames);
        Ok(start)
    }
}

fn number_out(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = (value & 0x7f).to_le_bytes();
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn zigzag(to: u64, from: u64) -> u64 {
    // Places in the ground are far below 2^62.
    match to.checked_sub(from) {
        Some(forward) => forward << 1,
        None => ((from - to - 1) << 1) | 1,
    }
}

/// Whole blocks around a range of a ground of this length.
pub(crate) fn blocks(from: u64, end: u64, ground_len: u64) -> (u64, u64) {
    let end = end.checked_next_multiple_of(ALIGN).unwrap_or(u64::MAX);
    (from - from % ALIGN, end.min(ground_len))
}
