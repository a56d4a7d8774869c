//! The four copies of the boot record: how they are read, and the one durable
//! write that changes what boots.
//!
//! The copies lie 256 KiB apart, each in a 4 KiB block of its own that is always
//! written whole. They form two pairs, {0, 1} and {2, 3}. The current
//! record has the number g; the pair that does not hold it takes the next one, g+1:
//!
//! | step | pair that holds g | other pair |
//! |---|---|---|
//! | before | g, g | g-1, g-1 |
//! | first copy written | g, g | torn or g+1, g-1 |
//! | flushed and read back | g, g | g+1, g-1 |
//! | second copy written | g, g | g+1, torn or g+1 |
//! | flushed and read back | g, g | g+1, g+1 |
//!
//! A cut at any step leaves g or g+1 as the highest valid number, never less.

use crate::guid::Guid;
use crate::medium::{Access, BLOCK, Cause, Fault, Medium, read_again};
use crate::record::{Invalid, RECORD_BYTES, Record, SEQUENCE_END};
use crate::state::Next;
use core::fmt;

mod note;

pub use note::{NOTE_MAX, Note};

/// Number of copies.
pub const COPIES: usize = 4;
/// Bytes from the start of one copy to the start of the next.
pub const SPACING: u64 = 256 * 1024;

const BLOCK_BYTES: usize = 4096;
/// A copy that cannot be read now may hold a higher number than those that can,
/// and may be readable again next time: new numbers keep this far away from it,
/// so that none is ever used twice.
const UNREAD_MARGIN: u64 = 1024;
/// The same where no copy says how far the numbers have come.
const UNKNOWN_MARGIN: u64 = 1 << 32;

type Block = [u8; BLOCK_BYTES];

/// What was found where a copy lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copy {
    /// A valid record with this sequence number.
    Valid(u64),
    /// A valid record, but another copy has the same number and other bytes:
    /// neither counts.
    Conflicting(u64),
    /// No record of this disk.
    Invalid(Invalid),
    /// The device did not give it, however often it was asked.
    Unreadable(Fault),
}

impl fmt::Display for Copy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Copy::Valid(sequence) => write!(f, "valid, number {sequence}"),
            Copy::Conflicting(sequence) => {
                write!(f, "number {sequence} like another copy, with other bytes")
            }
            Copy::Invalid(why) => write!(f, "{why}"),
            Copy::Unreadable(fault) => write!(f, "{fault}"),
        }
    }
}

/// The record that counts, and which copies hold it.
#[derive(Clone, Debug)]
struct Current {
    record: Record,
    /// Its bytes as they lie there: encoded again they may be others, and two
    /// copies of one number must not differ.
    bytes: [u8; RECORD_BYTES],
    note: Note,
    holders: [bool; COPIES],
}

impl Current {
    fn holders_in(&self, pair: Pair) -> usize {
        pair.copies()
            .into_iter()
            .filter(|copy| self.holds(*copy))
            .count()
    }

    fn holds(&self, copy: usize) -> bool {
        self.holders.get(copy).copied().unwrap_or(false)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pair {
    First,
    Second,
}

impl Pair {
    fn copies(self) -> [usize; 2] {
        match self {
            Pair::First => [0, 1],
            Pair::Second => [2, 3],
        }
    }

    fn other(self) -> Pair {
        match self {
            Pair::First => Pair::Second,
            Pair::Second => Pair::First,
        }
    }
}

/// Proof that a record is durable: at least one copy of it was written, flushed
/// and read back. Only [`Store`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durable {
    record: Record,
}

impl Durable {
    /// The record that is durable.
    pub fn record(&self) -> &Record {
        &self.record
    }
}

/// Why nothing was made durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A copy has a format that this code does not know; it must not be
    /// overruled.
    #[error("the boot record has the unknown format {0}; a newer slotctl wrote it")]
    UnknownMajor(u16),
    /// Neither copy of the pair could be written, flushed and read back; the
    /// other pair is untouched.
    #[error("the boot record could not be made durable: {}; {}", .0[0], .0[1])]
    NotDurable([Fault; 2]),
    /// The record to be written is not one that can be.
    #[error("the boot record would be wrong: {0}")]
    Invalid(Invalid),
    /// There is no record to complete.
    #[error("no copy of the boot record is valid")]
    NoRecord,
    /// A copy has the last sequence number that there is. No disk lives long
    /// enough to come there: somebody wrote it.
    #[error("the boot record has the last sequence number there is")]
    NoNumberLeft,
}

/// The boot record of a disk: what its four copies say, and the only way to
/// change them.
#[derive(Debug)]
pub struct Store<M> {
    medium: M,
    partition: Guid,
    copies: [Copy; COPIES],
    current: Option<Current>,
    highest: u64,
}

impl<M: Medium> Store<M> {
    /// Reads the four copies from the record partition, whose unique GUID is
    /// `partition`. Total: any four blocks give an answer.
    pub fn open(medium: M, partition: Guid) -> Store<M> {
        let mut blocks = [[0u8; BLOCK_BYTES]; COPIES];
        let mut copies = [Copy::Invalid(Invalid::NotARecord); COPIES];
        let mut records: [Option<Record>; COPIES] = [const { None }; COPIES];
        for (number, ((block, copy), record)) in
            (0..).zip(blocks.iter_mut().zip(&mut copies).zip(&mut records))
        {
            *copy = match read_again(&medium, place(number), block) {
                Err(fault) => Copy::Unreadable(fault),
                Ok(()) => match decode(block, partition) {
                    Err(why) => Copy::Invalid(why),
                    Ok(found) => Copy::Valid(record.insert(found).sequence),
                },
            };
        }
        mark_conflicts(&blocks, &mut copies);
        let seen = records.iter().flatten().map(|r| r.sequence).max();
        let unread = copies
            .iter()
            .any(|copy| matches!(copy, Copy::Unreadable(_)));
        let highest = match seen {
            Some(seen) if unread => seen.saturating_add(UNREAD_MARGIN),
            None if unread => UNKNOWN_MARGIN,
            seen => seen.unwrap_or(0),
        };
        let current = newest(&blocks, &copies, records);
        Store {
            medium,
            partition,
            copies,
            current,
            highest,
        }
    }

    /// The record that counts.
    pub fn record(&self) -> Option<&Record> {
        self.current.as_ref().map(|current| &current.record)
    }

    /// The note beside it.
    pub fn note(&self) -> Note {
        self.current
            .as_ref()
            .map(|current| current.note.clone())
            .unwrap_or_default()
    }

    /// What was found where the copies lie.
    pub fn copies(&self) -> &[Copy; COPIES] {
        &self.copies
    }

    /// The unknown format of an authentic copy, where there is one: then no
    /// commit is possible.
    pub fn unknown_major(&self) -> Option<u16> {
        self.copies.iter().find_map(|copy| match copy {
            Copy::Invalid(Invalid::UnknownMajor(major)) => Some(*major),
            _ => None,
        })
    }

    /// Makes `next` the record, under a fresh sequence number. After an error the
    /// one before still counts or, where the device failed half-way, possibly this
    /// one: read again before deciding.
    pub fn commit(&mut self, next: Next, note: Note) -> Result<Durable, CommitError> {
        let (record, block) = self.prepare(next, &note)?;
        let pair = self.free_pair();
        let held = self.write_pair(pair, &block)?;
        let mut holders = [false; COPIES];
        mark(&mut holders, pair, held);
        Ok(self.adopt(record, note, holders))
    }

    /// Makes `next` the record on all four copies: for a new disk, or when no
    /// copy was valid and there is nothing to keep.
    pub fn commit_everywhere(&mut self, next: Next, note: Note) -> Result<Durable, CommitError> {
        let (record, block) = self.prepare(next, &note)?;
        let pair = self.free_pair();
        let held = self.write_pair(pair, &block)?;
        let mut holders = [false; COPIES];
        mark(&mut holders, pair, held);
        // Durable by now; a cut or an error while the other pair follows leaves
        // the same record on this one.
        if let Ok(held) = self.write_pair(pair.other(), &block) {
            mark(&mut holders, pair.other(), held);
        }
        Ok(self.adopt(record, note, holders))
    }

    /// Completes a record that only one copy of its pair holds, before
    /// anything rests on it: a cut may have come between the write of that copy
    /// and its flush. That copy may be the only one: it is not written again. Where the
    /// other cannot be written, the one that holds the record is flushed and read back,
    /// and that is enough; an error when not even that can be done.
    pub fn complete(&mut self) -> Result<Durable, CommitError> {
        if let Some(major) = self.unknown_major() {
            return Err(CommitError::UnknownMajor(major));
        }
        let current = self.current.as_ref().ok_or(CommitError::NoRecord)?;
        let record = current.record.clone();
        let pair = self.free_pair().other();
        if current.holders_in(pair) < 2 {
            let [first, second] = pair.copies();
            let (holder, other) = if current.holds(first) {
                (first, second)
            } else {
                (second, first)
            };
            let block = block(&current.bytes, &current.note);
            match self.write_copy(other, &block) {
                Ok(()) => self.hold(other, record.sequence),
                Err(fault) => self
                    .prove(holder, &record)
                    .map_err(|own| CommitError::NotDurable([own, fault]))?,
            }
        }
        Ok(Durable { record })
    }

    /// Makes sure that a copy is on the medium as it was read.
    fn prove(&self, copy: usize, record: &Record) -> Result<(), Fault> {
        let mut block = [0; BLOCK_BYTES];
        self.medium.flush()?;
        self.medium.read_at(place(copy), &mut block)?;
        match decode(&block, self.partition) {
            Ok(found) if found == *record => Ok(()),
            _ => Err(differs(copy)),
        }
    }

    fn hold(&mut self, copy: usize, sequence: u64) {
        if let Some(found) = self.copies.get_mut(copy) {
            *found = Copy::Valid(sequence);
        }
        let current = self.current.as_mut();
        if let Some(holds) = current.and_then(|current| current.holders.get_mut(copy)) {
            *holds = true;
        }
    }

    fn prepare(&mut self, next: Next, note: &Note) -> Result<(Record, Block), CommitError> {
        if let Some(major) = self.unknown_major() {
            return Err(CommitError::UnknownMajor(major));
        }
        // Fresh even after an attempt that failed: what it left behind must
        // never have the number of something else.
        let fresh = self.highest.checked_add(1);
        self.highest = fresh
            .filter(|number| *number < SEQUENCE_END)
            .ok_or(CommitError::NoNumberLeft)?;
        let mut next = Record::from(next);
        next.sequence = self.highest;
        next.partition = self.partition;
        next.check().map_err(CommitError::Invalid)?;
        let block = block(&next.encode(), note);
        Ok((next, block))
    }

    /// The pair that holds fewer copies of the current record.
    fn free_pair(&self) -> Pair {
        match &self.current {
            Some(c) if c.holders_in(Pair::Second) > c.holders_in(Pair::First) => Pair::First,
            _ => Pair::Second,
        }
    }

    fn write_pair(&self, pair: Pair, block: &Block) -> Result<[bool; 2], CommitError> {
        // One after the other: while the second is being written, the first is
        // already durable.
        let [first, second] = pair.copies().map(|copy| self.write_copy(copy, block));
        match (first, second) {
            (Err(first), Err(second)) => Err(CommitError::NotDurable([first, second])),
            (first, second) => Ok([first.is_ok(), second.is_ok()]),
        }
    }

    fn write_copy(&self, copy: usize, block: &Block) -> Result<(), Fault> {
        self.medium.write_at(place(copy), block)?;
        self.medium.flush()?;
        let mut back = [0; BLOCK_BYTES];
        self.medium.read_at(place(copy), &mut back)?;
        if back == *block {
            Ok(())
        } else {
            Err(differs(copy))
        }
    }

    fn adopt(&mut self, record: Record, note: Note, holders: [bool; COPIES]) -> Durable {
        for (copy, held) in self.copies.iter_mut().zip(holders) {
            if held {
                *copy = Copy::Valid(record.sequence);
            }
        }
        self.current = Some(Current {
            record: record.clone(),
            bytes: record.encode(),
            note,
            holders,
        });
        Durable { record }
    }
}

fn mark(holders: &mut [bool; COPIES], pair: Pair, held: [bool; 2]) {
    for (copy, held) in pair.copies().into_iter().zip(held) {
        if let Some(holder) = holders.get_mut(copy) {
            *holder = held;
        }
    }
}

/// Where a copy lies, in bytes.
fn place(copy: usize) -> u64 {
    u64::try_from(copy)
        .unwrap_or(u64::MAX)
        .saturating_mul(SPACING)
}

fn differs(copy: usize) -> Fault {
    Fault {
        access: Access::Write,
        offset: place(copy),
        length: BLOCK,
        cause: Cause::Differs,
    }
}

fn decode(block: &Block, partition: Guid) -> Result<Record, Invalid> {
    let raw = block.first_chunk().ok_or(Invalid::NotARecord)?;
    Record::decode(raw, partition)
}

fn block(record: &[u8; RECORD_BYTES], note: &Note) -> Block {
    let mut block = [0; BLOCK_BYTES];
    if let Some((raw, area)) = block.split_at_mut_checked(RECORD_BYTES) {
        raw.copy_from_slice(record);
        note.encode(area);
    }
    block
}

/// Two copies with equal numbers and different bytes: neither counts.
fn mark_conflicts(blocks: &[Block; COPIES], copies: &mut [Copy; COPIES]) {
    let found = *copies;
    let known = || found.iter().zip(blocks);
    for (copy, block) in copies.iter_mut().zip(blocks) {
        let Copy::Valid(sequence) = *copy else {
            continue;
        };
        let same = |other: &Copy| *other == Copy::Valid(sequence);
        if known().any(|(c, b)| same(c) && b.get(..RECORD_BYTES) != block.get(..RECORD_BYTES)) {
            *copy = Copy::Conflicting(sequence);
        }
    }
}

fn newest(
    blocks: &[Block; COPIES],
    copies: &[Copy; COPIES],
    records: [Option<Record>; COPIES],
) -> Option<Current> {
    let valid = |copy: &Copy| matches!(copy, Copy::Valid(_));
    let (record, bytes) = records
        .into_iter()
        .zip(blocks)
        .zip(copies)
        .filter(|(_, copy)| valid(copy))
        .filter_map(|((record, block), _)| Some((record?, *block.first_chunk()?)))
        .max_by_key(|(record, _)| record.sequence)?;
    let holders = copies.map(|copy| copy == Copy::Valid(record.sequence));
    // Any holder's note will do; the first that is intact and says something.
    let note = blocks
        .iter()
        .zip(holders)
        .filter(|(_, held)| *held)
        .map(|(block, _)| Note::decode(block.get(RECORD_BYTES..).unwrap_or_default()))
        .find(|note| !note.text().is_empty())
        .unwrap_or_default();
    Some(Current {
        record,
        bytes,
        note,
        holders,
    })
}

#[cfg(test)]
mod tests;
