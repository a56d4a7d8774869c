//! A boot record partition in memory.

use bootshim::copies::{COPIES, SPACING};
use bootshim::medium::{Access, Cause, Fault, Medium, check_range};
use std::cell::RefCell;

/// Length of the block of one copy in bytes.
pub const BLOCK: usize = 4096;
/// Length of the partition in bytes.
const LEN: u64 = 1024 * 1024;

/// The block of one copy.
pub type Block = [u8; BLOCK];

/// The partition: the blocks of the copies, and zeros between them.
pub struct Memory {
    blocks: RefCell<[Block; COPIES]>,
    /// How many reads of each copy still fail.
    failing: RefCell<[u32; COPIES]>,
}

impl Memory {
    /// A partition with these blocks, of which so many reads fail first.
    pub fn new(blocks: &[Block; COPIES], failing: [u32; COPIES]) -> Memory {
        Memory {
            blocks: RefCell::new(*blocks),
            failing: RefCell::new(failing),
        }
    }

    /// The blocks as they are now.
    pub fn blocks(&self) -> [Block; COPIES] {
        *self.blocks.borrow()
    }
}

/// The copy whose whole block is accessed; nothing else ever is.
fn copy(access: Access, offset: u64, length: usize) -> Result<usize, Fault> {
    check_range(access, offset, length, LEN)?;
    let whole = offset.is_multiple_of(SPACING) && length == BLOCK;
    let copy = usize::try_from(offset / SPACING).ok().filter(|_| whole);
    copy.ok_or_else(|| fault(access, offset))
}

fn fault(access: Access, offset: u64) -> Fault {
    Fault {
        access,
        offset,
        length: 4096,
        cause: Cause::Device(5),
    }
}

impl Medium for Memory {
    fn len(&self) -> u64 {
        LEN
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Fault> {
        let copy = copy(Access::Read, offset, buf.len())?;
        if let Some(left) = self.failing.borrow_mut().get_mut(copy).filter(|n| **n > 0) {
            *left -= 1;
            return Err(fault(Access::Read, offset));
        }
        if let Some(block) = self.blocks.borrow().get(copy) {
            buf.copy_from_slice(block);
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Fault> {
        let copy = copy(Access::Write, offset, data.len())?;
        if let Some(block) = self.blocks.borrow_mut().get_mut(copy) {
            block.copy_from_slice(data);
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), Fault> {
        Ok(())
    }
}
