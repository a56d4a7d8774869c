//! A patch: how a chunk is made of content that is on the controller already.
//!
//! It copies runs of the ground (see [`crate::chunk::Ground`]), adds to each
//! byte a difference that is mostly zero, and puts literal bytes between them,
//! as bsdiff does: code that moved differs from what it was in a few bytes of
//! each address, and those differences repeat.
//!
//! | offset | | |
//! |---|---|---|
//! | 0 | 3 × (u32, u32) | length and packed length of instructions, differences, literals |
//! | 24 | | a zstd frame for each of the three that is not empty |
//!
//! An instruction is three numbers in LEB128: how far to go in the ground from
//! the end of the run before (zigzag), how many bytes to copy, how many literals
//! follow.

#[cfg(feature = "build")]
mod make;

#[cfg(feature = "build")]
pub(crate) use make::{Excerpt, Maker, blocks};

use alloc::vec::Vec;

use crate::bytes::Cursor;
use crate::{ALIGN, Malformed};

/// The most bytes of ground that one chunk is made of, in whole blocks: what
/// each thread keeps in memory.
pub const ARENA_MAX: usize = 2 << 20;

/// A gap up to which two stretches are read at once, in bytes: that costs less
/// than another request.
const BRIDGED: u64 = 32 << 10;

/// One stream of a patch.
#[derive(Debug, Clone, Copy)]
pub struct Stream<'a> {
    /// Its length when unpacked, in bytes.
    pub length: usize,
    /// One zstd frame; nothing where the stream is empty.
    pub packed: &'a [u8],
}

/// A patch, cut into its streams: instructions, differences, literals.
#[derive(Debug, Clone, Copy)]
pub struct Patch<'a> {
    /// In this order.
    pub streams: [Stream<'a>; 3],
}

impl<'a> Patch<'a> {
    /// Cuts the packed bytes of a chunk with so much content.
    ///
    /// # Errors
    /// [`Malformed`] where the lengths do not fit the content or the bytes.
    pub fn parse(bytes: &'a [u8], content_len: usize) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(bytes);
        let mut lengths = [(0, 0); 3];
        for length in &mut lengths {
            let wrong = cursor.malformed("a length in a patch is more than its content");
            let mut field = || cursor.u32("length of a stream");
            let (own, packed) = (field()?, field()?);
            let in_memory = |length| usize::try_from(length).ok();
            let own = in_memory(own).filter(|length| *length <= content_len);
            if own == Some(0) && packed != 0 {
                return Err(cursor.malformed("a stream of a patch is empty and has a frame"));
            }
            *length = own.zip(in_memory(packed)).ok_or(wrong)?;
        }
        let [instructions, differences, literals] = lengths;
        let wrong = cursor.malformed("a patch is not as long as its content");
        if differences.0.checked_add(literals.0) != Some(content_len) {
            return Err(wrong);
        }
        let mut stream = |(length, packed)| {
            let packed = cursor.slice("stream of a patch", packed)?;
            Ok(Stream { length, packed })
        };
        let streams = [
            stream(instructions)?,
            stream(differences)?,
            stream(literals)?,
        ];
        cursor.end("bytes behind a patch")?;
        Ok(Self { streams })
    }
}

/// One run that is copied from the ground, and literals behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    from: u64,
    copied: usize,
    literal: usize,
}

/// A stretch of ground in whole blocks, and where it lies in the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    from: u64,
    end: u64,
    place: usize,
}

/// What a patch needs of the ground, and what it makes of it.
#[derive(Debug, Clone)]
pub struct Plan {
    runs: Vec<Run>,
    stretches: Vec<Stretch>,
}

/// Reads instructions for `content_len` bytes of content, of which none leaves
/// a ground of `ground_len` bytes.
///
/// # Errors
/// [`Malformed`] where they do, or need more than [`ARENA_MAX`].
pub fn plan(instructions: &[u8], content_len: usize, ground_len: u64) -> Result<Plan, Malformed> {
    let mut cursor = Cursor::new(instructions);
    let mut runs = Vec::new();
    let (mut at, mut made) = (0_u64, 0_usize);
    while cursor.left() > 0 {
        let wrong = cursor.malformed("a patch leaves what it is made of");
        let step = zigzag(number(&mut cursor)?);
        let from = at.checked_add_signed(step).ok_or(wrong)?;
        let mut length = || usize::try_from(number(&mut cursor)?).map_err(|_| wrong);
        let (copied, literal) = (length()?, length()?);
        at = from.checked_add(copied as u64).ok_or(wrong)?;
        let end = made
            .checked_add(copied)
            .and_then(|end| end.checked_add(literal))
            .filter(|end| *end <= content_len)
            .ok_or(wrong)?;
        if end == made || at > ground_len {
            return Err(wrong);
        }
        made = end;
        runs.push(Run {
            from,
            copied,
            literal,
        });
    }
    if made != content_len {
        return Err(cursor.malformed("a patch is not as long as its content"));
    }
    let stretches =
        stretches(&runs).ok_or(cursor.malformed("a patch is made of too much at once"))?;
    Ok(Plan { runs, stretches })
}

/// The whole blocks that the runs lie in, each once; none if they are too many.
fn stretches(runs: &[Run]) -> Option<Vec<Stretch>> {
    let copying = runs.iter().filter(|run| run.copied > 0);
    let blocks = copying.map(|run| {
        let from = run.from - run.from % ALIGN;
        let end = run.from.checked_add(run.copied as u64)?;
        Some((from, end.checked_next_multiple_of(ALIGN)?))
    });
    let mut blocks = blocks.collect::<Option<Vec<_>>>()?;
    blocks.sort_unstable();
    // What is read besides counts only where there is room for it.
    joined(&blocks, BRIDGED).or_else(|| joined(&blocks, 0))
}

/// Ascending ranges, as stretches of which no two are nearer than `gap`.
fn joined(blocks: &[(u64, u64)], gap: u64) -> Option<Vec<Stretch>> {
    let mut stretches: Vec<Stretch> = Vec::new();
    for &(from, end) in blocks {
        match stretches.last_mut() {
            Some(last) if from <= last.end.checked_add(gap)? => last.end = last.end.max(end),
            _ => stretches.push(Stretch {
                from,
                end,
                place: 0,
            }),
        }
    }
    let mut place = 0_usize;
    for stretch in &mut stretches {
        stretch.place = place;
        place = place.checked_add(usize::try_from(stretch.end - stretch.from).ok()?)?;
    }
    (place <= ARENA_MAX).then_some(stretches)
}

impl Plan {
    /// Makes the content of the streams and of the arena that was filled for
    /// this plan.
    ///
    /// # Errors
    /// [`Malformed`] where a stream is too short, or the arena is another's.
    pub fn apply(
        &self,
        arena: &Arena,
        differences: &[u8],
        literals: &[u8],
        content: &mut [u8],
    ) -> Result<(), Malformed> {
        const SHORT: Malformed = Malformed {
            what: "a patch has too few bytes",
            at: 0,
        };
        let (mut differences, mut literals, mut content) = (differences, literals, content);
        for run in &self.runs {
            let ground = self.ground(arena, run).ok_or(SHORT)?;
            let (own, later) = content.split_at_mut_checked(run.copied).ok_or(SHORT)?;
            let (add, rest) = differences.split_at_checked(run.copied).ok_or(SHORT)?;
            for ((to, from), difference) in own.iter_mut().zip(ground).zip(add) {
                *to = from.wrapping_add(*difference);
            }
            differences = rest;
            let (own, later) = later.split_at_mut_checked(run.literal).ok_or(SHORT)?;
            let (put, rest) = literals.split_at_checked(run.literal).ok_or(SHORT)?;
            own.copy_from_slice(put);
            literals = rest;
            content = later;
        }
        Ok(())
    }

    fn ground<'a>(&self, arena: &'a Arena, run: &Run) -> Option<&'a [u8]> {
        if run.copied == 0 {
            return Some(&[]);
        }
        let behind = self
            .stretches
            .partition_point(|stretch| stretch.from <= run.from);
        let stretch = self.stretches.get(behind.checked_sub(1)?)?;
        let inside = usize::try_from(run.from.checked_sub(stretch.from)?).ok()?;
        let place = stretch.place.checked_add(inside)?;
        arena.get()?.get(place..place.checked_add(run.copied)?)
    }
}

/// The ground that a plan needs, in memory that begins at a whole block, as
/// direct I/O wants it.
#[derive(Debug, Default)]
pub struct Arena {
    bytes: Vec<u8>,
}

impl Arena {
    /// Reads what `plan` needs.
    ///
    /// # Errors
    /// Those of `read`, which fills a buffer from a place in the ground.
    pub fn fill<E>(
        &mut self,
        plan: &Plan,
        mut read: impl FnMut(u64, &mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.bytes.is_empty() {
            self.bytes.resize(ARENA_MAX + BLOCK, 0);
        }
        let start = self.start();
        for stretch in &plan.stretches {
            let length = usize::try_from(stretch.end - stretch.from).unwrap_or(0);
            let from = start + stretch.place;
            // Bounded by ARENA_MAX when the plan was made.
            if let Some(buffer) = self.bytes.get_mut(from..from + length) {
                read(stretch.from, buffer)?;
            }
        }
        Ok(())
    }

    fn get(&self) -> Option<&[u8]> {
        self.bytes.get(self.start()..)
    }

    fn start(&self) -> usize {
        let address = self.bytes.as_ptr().addr();
        address.next_multiple_of(BLOCK) - address
    }
}

/// A block in memory.
const BLOCK: usize = 4096;
const _: () = assert!(BLOCK as u64 == ALIGN, "a block is a block");

/// A number in LEB128, at most 64 bits, in as few bytes as it takes.
fn number(cursor: &mut Cursor<'_>) -> Result<u64, Malformed> {
    let wrong = cursor.malformed("a number in a patch is too long");
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = cursor.u8("number in a patch")?;
        let bits = u64::from(byte & 0x7f);
        let placed = bits << shift;
        if placed >> shift != bits || (byte == 0 && shift > 0) {
            return Err(wrong);
        }
        value |= placed;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(wrong)
}

/// 0, 1, 2, 3 … are 0, −1, 1, −2 …
fn zigzag(value: u64) -> i64 {
    // Both halves fit: the value is halved.
    let half = i64::try_from(value >> 1).unwrap_or(i64::MAX);
    if value & 1 == 0 { half } else { -half - 1 }
}

#[cfg(test)]
mod tests;
