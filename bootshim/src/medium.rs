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
    /// from the device, not from a cache of the operating system.
    ///
    /// # Errors
    /// A [`Fault`] when the range leaves the medium or the device fails; `buf`
    /// is then undefined.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Fault>;

    /// Writes `data` at `offset`; both offset and length are multiples of
    /// [`BLOCK`]. Nothing is promised to be durable before [`Medium::flush`].
    ///
    /// # Errors
    /// A [`Fault`] when range or alignment are wrong (nothing was written) or
    /// the device fails (the range is then undefined).
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Fault>;

    /// Makes all that was written before durable.
    ///
    /// # Errors
    /// A [`Fault`]: any write since the last flush may be lost.
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
    #[must_use]
    pub fn end(&self) -> Option<u64> {
        self.start.checked_add(self.len)
    }
}

/// A part of a medium, by itself a medium: no access leaves it.
#[derive(Debug)]
pub struct Part<M> {
    whole: M,
    extent: Extent,
}

impl<M: Medium> Part<M> {
    /// The part of `whole` that `extent` describes; accesses beyond it, or
    /// beyond the end of `whole`, fail.
    #[must_use]
    pub fn new(whole: M, extent: Extent) -> Self {
        Part { whole, extent }
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

impl<M: Medium> Medium for Part<M> {
    fn len(&self) -> u64 {
        self.extent.len
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Fault> {
        let at = self.place(Access::Read, offset, buf.len())?;
        self.whole.read_at(at, buf)
    }
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Fault> {
        let at = self.place(Access::Write, offset, data.len())?;
        self.whole.write_at(at, data)
    }
    fn flush(&self) -> Result<(), Fault> {
        self.whole.flush()
    }
}

/// Whether a range lies inside a medium of `len` bytes, and a write in whole
/// blocks.
///
/// # Errors
/// The [`Fault`] that an access with this range is answered with.
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
pub(crate) mod memory {
    //! A medium in memory, for the tests of this crate.
    use super::*;
    use alloc::vec::Vec;
    use core::cell::RefCell;

    pub(crate) struct Memory(pub RefCell<Vec<u8>>);

    impl Memory {
        pub(crate) fn new(len: usize) -> Memory {
            Memory(RefCell::new(alloc::vec![0; len]))
        }
    }

    impl Medium for Memory {
        fn len(&self) -> u64 {
            self.0.borrow().len() as u64
        }
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Fault> {
            check_range(Access::Read, offset, buf.len(), self.len())?;
            let at = usize::try_from(offset).unwrap();
            buf.copy_from_slice(&self.0.borrow()[at..at + buf.len()]);
            Ok(())
        }
        fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Fault> {
            check_range(Access::Write, offset, data.len(), self.len())?;
            let at = usize::try_from(offset).unwrap();
            self.0.borrow_mut()[at..at + data.len()].copy_from_slice(data);
            Ok(())
        }
        fn flush(&self) -> Result<(), Fault> {
            Ok(())
        }
    }

    /// What was asked of a medium, with the offset.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Op {
        Read(u64),
        Write(u64),
        Flush,
    }

    /// A medium that keeps the order of everything asked of it, and refuses what
    /// the test says.
    pub(crate) struct Recording<'a> {
        inner: &'a Memory,
        log: RefCell<Vec<Op>>,
        refused: RefCell<Vec<Op>>,
    }

    impl<'a> Recording<'a> {
        pub(crate) fn over(inner: &'a Memory, refused: &[Op]) -> Recording<'a> {
            Recording {
                inner,
                log: RefCell::default(),
                refused: RefCell::new(refused.to_vec()),
            }
        }

        /// Refuses these from now on.
        pub(crate) fn refuse(&self, refused: &[Op]) {
            self.refused.replace(refused.to_vec());
        }

        /// What was asked since the last time.
        pub(crate) fn asked(&self) -> Vec<Op> {
            self.log.take()
        }

        fn ask(&self, op: Op, access: Access, length: usize) -> Result<(), Fault> {
            self.log.borrow_mut().push(op);
            if !self.refused.borrow().contains(&op) {
                return Ok(());
            }
            let offset = match op {
                Op::Read(offset) | Op::Write(offset) => offset,
                Op::Flush => 0,
            };
            Err(Fault {
                access,
                offset,
                length: length as u64,
                cause: Cause::Device(5),
            })
        }
    }

    impl Medium for Recording<'_> {
        fn len(&self) -> u64 {
            self.inner.len()
        }
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Fault> {
            self.ask(Op::Read(offset), Access::Read, buf.len())?;
            self.inner.read_at(offset, buf)
        }
        fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Fault> {
            self.ask(Op::Write(offset), Access::Write, data.len())?;
            self.inner.write_at(offset, data)
        }
        fn flush(&self) -> Result<(), Fault> {
            self.ask(Op::Flush, Access::Flush, 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::memory::Memory;
    use super::*;

    #[test]
    fn no_access_leaves_a_part() {
        let whole = Memory::new(4 * 4096);
        let part = Part::new(
            &whole,
            Extent {
                start: 4096,
                len: 8192,
            },
        );
        part.write_at(4096, &[7; 4096]).unwrap();
        assert_eq!(whole.0.borrow()[8192], 7);
        for (offset, len) in [
            (8192, 4096),
            (4096, 8192),
            (u64::MAX, 4096),
            (u64::MAX - 4095, 4096),
        ] {
            let fault = part.write_at(offset, &alloc::vec![1; len]).unwrap_err();
            assert_eq!(fault.cause, Cause::OutOfRange);
        }
        assert_eq!(
            part.read_at(8191, &mut [0; 2]).unwrap_err().cause,
            Cause::OutOfRange
        );
    }

    #[test]
    fn a_write_that_is_not_whole_blocks_is_refused() {
        let whole = Memory::new(8192);
        assert_eq!(
            whole.write_at(512, &[0; 4096]).unwrap_err().cause,
            Cause::Unaligned
        );
        assert_eq!(
            whole.write_at(0, &[0; 512]).unwrap_err().cause,
            Cause::Unaligned
        );
    }

    #[test]
    fn a_part_at_the_end_of_the_number_range_fails_instead_of_wrapping() {
        let whole = Memory::new(8192);
        let part = Part::new(
            &whole,
            Extent {
                start: u64::MAX - 10,
                len: u64::MAX,
            },
        );
        assert!(part.read_at(100, &mut [0; 16]).is_err());
    }
}
