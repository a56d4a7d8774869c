//! The one small trait through which a disk is touched.

use core::fmt;

/// The unit of every write: records and slots begin and end at multiples of
/// this, so that a write at a border never rewrites a neighbour, also on drives
/// that hide 4 KiB sectors behind 512-byte ones.
pub const BLOCK: u64 = 4096;

/// A disk, a partition or a disk image file: UEFI BlockIO, a block device, a
/// plain file and the simulator's medium all look like this.
pub trait Medium {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// Whether there is no byte at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buf` from `offset` (bytes, any alignment). What is returned comes
    /// from the device, not from a cache of the operating system. After a fault
    /// `buf` is undefined.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Fault>;

    /// Writes `data` at `offset`; both offset and length are multiples of
    /// [`BLOCK`]. Nothing is promised to be durable before [`Medium::flush`]. Where
    /// range or alignment are wrong nothing was written; where the device fails,
    /// the range is undefined.
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Fault>;

    /// Makes all that was written before durable. After a fault any write since the
    /// last flush may be lost.
    fn flush(&self) -> Result<(), Fault>;
}

/// What points to a medium is one.
macro_rules! through_a_pointer {
    ($pointer:ty) => {
        impl<M: Medium + ?Sized> Medium for $pointer {
            fn len(&self) -> u64 {
                (**self).len()
            }
            fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Fault> {
                (**self).read_at(offset, buf)
            }
            fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Fault> {
                (**self).write_at(offset, data)
            }
            fn flush(&self) -> Result<(), Fault> {
                (**self).flush()
            }
        }
    };
}
through_a_pointer!(&M);
through_a_pointer!(alloc::sync::Arc<M>);

/// What was being done when a device failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Making durable.
    Flush,
}

/// Why an access failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The range does not lie inside the medium.
    OutOfRange,
    /// Offset or length of a write is no multiple of [`BLOCK`].
    Unaligned,
    /// The device or the operating system said no: `errno`, or the code of the
    /// EFI status.
    Device(i32),
    /// What was read back is not what had been written.
    Differs,
    /// There is no memory to read it into: nothing was asked of the device.
    NoMemory,
}

/// An access to a medium that failed: what, where, how much, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What was being done.
    pub access: Access,
    /// First byte of the range; 0 for a flush.
    pub offset: u64,
    /// Length of the range in bytes; 0 for a flush.
    pub length: u64,
    /// Why it failed.
    pub cause: Cause,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.access {
            Access::Read => write!(f, "reading {} bytes at {}", self.length, self.offset)?,
            Access::Write => write!(f, "writing {} bytes at {}", self.length, self.offset)?,
            Access::Flush => f.write_str("flushing")?,
        }
        match self.cause {
            Cause::OutOfRange => f.write_str(" leaves the device"),
            Cause::Unaligned => f.write_str(" is not in whole blocks of 4 KiB"),
            Cause::Device(code) => write!(f, " failed with error {code}"),
            Cause::Differs => f.write_str(" was accepted, but other bytes came back"),
            Cause::NoMemory => f.write_str(" finds no memory for them"),
        }
    }
}

impl core::error::Error for Fault {}

/// A range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extent {
    /// First byte.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
}

impl Extent {
    /// First byte behind the range, or `None` where that overflows.
    pub fn end(&self) -> Option<u64> {
        self.start.checked_add(self.len)
    }

    /// Whether no byte is in both.
    pub fn is_apart(&self, other: Extent) -> bool {
        let before = |a: &Extent, b: &Extent| a.end().is_some_and(|end| end <= b.start);
        before(self, &other) || before(&other, self)
    }
}

/// A range of a medium, by itself a medium: no access leaves it, and faults say
/// where in the window they were.
#[derive(Debug)]
pub struct Window<M> {
    whole: M,
    extent: Extent,
}

impl<M: Medium> Window<M> {
    /// The range `extent` of `whole`; accesses beyond it, or
    /// beyond the end of `whole`, fail.
    pub fn new(whole: M, extent: Extent) -> Self {
        Window { whole, extent }
    }

    fn place(&self, access: Access, offset: u64, length: usize) -> Result<u64, Fault> {
        check_range(access, offset, length, self.extent.len)?;
        self.extent.start.checked_add(offset).ok_or(Fault {
            access,
            offset,
            length: self.extent.len,
            cause: Cause::OutOfRange,
        })
    }
}

impl<M: Medium> Medium for Window<M> {
    fn len(&self) -> u64 {
        self.extent.len
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Fault> {
        let at = self.place(Access::Read, offset, buf.len())?;
        let here = |fault| Fault { offset, ..fault };
        self.whole.read_at(at, buf).map_err(here)
    }
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Fault> {
        let at = self.place(Access::Write, offset, data.len())?;
        let here = |fault| Fault { offset, ..fault };
        self.whole.write_at(at, data).map_err(here)
    }
    fn flush(&self) -> Result<(), Fault> {
        self.whole.flush()
    }
}

/// A read is tried this often before it counts as failed.
const READS: usize = 3;

/// Reads, and tries again where the device fails: it may not fail the next time.
pub fn read_again<M: Medium + ?Sized>(
    medium: &M,
    offset: u64,
    buf: &mut [u8],
) -> Result<(), Fault> {
    let mut answer = medium.read_at(offset, buf);
    for _ in 1..READS {
        match answer {
            Err(fault) if matches!(fault.cause, Cause::Device(_)) => {
                answer = medium.read_at(offset, buf);
            }
            _ => break,
        }
    }
    answer
}

/// Whether a range lies inside a medium of `len` bytes, and a write in whole
/// blocks.
pub fn check_range(access: Access, offset: u64, length: usize, len: u64) -> Result<(), Fault> {
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    let fault = |cause| Fault {
        access,
        offset,
        length,
        cause,
    };
    match offset.checked_add(length) {
        Some(end) if end <= len => {}
        _ => return Err(fault(Cause::OutOfRange)),
    }
    let aligned = offset.is_multiple_of(BLOCK) && length.is_multiple_of(BLOCK);
    if access == Access::Write && !aligned {
        return Err(fault(Cause::Unaligned));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
