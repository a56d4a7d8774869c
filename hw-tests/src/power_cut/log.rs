//! The log of all writes that reached a disk, in the format of the kernel's
//! dm-log-writes (`Documentation/admin-guide/device-mapper/log-writes.rst`), as
//! QEMU's `blklogwrites` writes it.
//!
//! One sector with the super block (magic, version, number of entries, sector
//! size), then for each entry one sector with its head (sector, sectors, flags,
//! length of a mark) and the sectors that were written. All numbers are
//! little-endian.

use bootshim::medium::Extent;
use std::sync::Arc;

const MAGIC: u64 = 0x006a_7366_7773_6872;
const VERSION: u64 = 1;
/// The size of a sector that the log is asked to be kept in.
pub const SECTOR: u64 = 512;

const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;

/// Something that happened to the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Bytes were written; lost on a power cut until a flush has followed.
    Write(Write),
    /// All that was written before is durable.
    Flush,
    /// A range whose content no longer matters.
    Discard(Extent),
}

/// Bytes that were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Where on the disk, in bytes.
    pub offset: u64,
    /// What.
    pub data: Arc<[u8]>,
    /// Whether it was durable by itself as soon as it was done (FUA).
    pub durable: bool,
}

/// Why a log is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The super block is not that of such a log.
    #[error("not a log of writes: its {field} is {found}, expected {expected}")]
    NotALog {
        /// Which number.
        field: &'static str,
        /// What stands there.
        found: u64,
        /// What should.
        expected: u64,
    },
    /// It ends too early.
    #[error("the log ends in the middle of entry {0}: was the machine switched off in order?")]
    Short(u64),
    /// An entry is of a kind that is not known.
    #[error("entry {entry} of the log has the unknown flags {flags:#x}")]
    Flags {
        /// Which.
        entry: u64,
        /// What stands there.
        flags: u64,
    },
    /// A range that no disk has.
    #[error("entry {0} of the log is at a place that no disk has")]
    Range(u64),
    /// There is more than the super block says.
    #[error("{0} bytes follow the last entry of the log")]
    Trailing(usize),
}

/// Reads a whole log.
pub fn read(log: &[u8]) -> Result<Vec<Event>, LogError> {
    let mut rest = Rest {
        bytes: log,
        entry: 0,
    };
    let mut super_block = rest.sector()?;
    rest.expect("magic", super_block.number(8)?, MAGIC)?;
    rest.expect("version", super_block.number(8)?, VERSION)?;
    let entries = super_block.number(8)?;
    rest.expect("sector size", super_block.number(4)?, SECTOR)?;
    let mut events = Vec::new();
    for entry in 0..entries {
        rest.entry = entry;
        rest.event(&mut events)?;
    }
    match rest.bytes.len() {
        0 => Ok(events),
        more => Err(LogError::Trailing(more)),
    }
}

/// What has not been read yet, and which entry it begins with.
struct Rest<'a> {
    bytes: &'a [u8],
    entry: u64,
}

impl<'a> Rest<'a> {
    fn event(&mut self, events: &mut Vec<Event>) -> Result<(), LogError> {
        let mut head = self.sector()?;
        let (sector, sectors) = (head.number(8)?, head.number(8)?);
        let (flags, mark) = (head.number(8)?, head.number(8)?);
        if flags & !(FLUSH | FUA | DISCARD) != 0 || mark != 0 {
            let entry = self.entry;
            return Err(LogError::Flags { entry, flags });
        }
        let beyond = LogError::Range(self.entry);
        let (Some(start), Some(len)) = (sector.checked_mul(SECTOR), sectors.checked_mul(SECTOR))
        else {
            return Err(beyond);
        };
        let extent = Extent { start, len };
        if extent.end().is_none() {
            return Err(beyond);
        }
        // The flush of an entry comes before its write.
        if flags & FLUSH != 0 {
            events.push(Event::Flush);
        }
        if flags & DISCARD != 0 {
            events.push(Event::Discard(extent));
        } else if len > 0 {
            let length = usize::try_from(len).map_err(|_| beyond)?;
            let data = self.take(length)?.bytes.into();
            let durable = flags & FUA != 0;
            events.push(Event::Write(Write {
                offset: start,
                data,
                durable,
            }));
        }
        Ok(())
    }

    fn sector(&mut self) -> Result<Rest<'a>, LogError> {
        self.take(usize::try_from(SECTOR).unwrap_or(usize::MAX))
    }

    fn take(&mut self, length: usize) -> Result<Rest<'a>, LogError> {
        let short = LogError::Short(self.entry);
        let (bytes, rest) = self.bytes.split_at_checked(length).ok_or(short)?;
        self.bytes = rest;
        let entry = self.entry;
        Ok(Rest { bytes, entry })
    }

    fn number(&mut self, length: usize) -> Result<u64, LogError> {
        let mut raw = [0; 8];
        let taken = self.take(length)?;
        for (to, from) in raw.iter_mut().zip(taken.bytes) {
            *to = *from;
        }
        Ok(u64::from_le_bytes(raw))
    }

    fn expect(&self, field: &'static str, found: u64, expected: u64) -> Result<(), LogError> {
        if found == expected {
            return Ok(());
        }
        Err(LogError::NotALog {
            field,
            found,
            expected,
        })
    }
}

#[cfg(test)]
mod tests;
