//! A medium in memory, for the tests of this crate.
use super::*;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

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
    /// Refused so often, and then no more.
    times: Cell<usize>,
}

impl<'a> Recording<'a> {
    pub(crate) fn over(inner: &'a Memory, refused: &[Op]) -> Recording<'a> {
        Recording {
            inner,
            log: RefCell::default(),
            refused: RefCell::new(refused.to_vec()),
            times: Cell::new(usize::MAX),
        }
    }

    /// The same, that thinks better of it after so many times.
    pub(crate) fn moody(inner: &'a Memory, refused: &[Op], times: usize) -> Recording<'a> {
        Recording {
            times: Cell::new(times),
            ..Recording::over(inner, refused)
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
        if !self.refused.borrow().contains(&op) || self.times.get() == 0 {
            return Ok(());
        }
        self.times.update(|left| left.saturating_sub(1));
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
