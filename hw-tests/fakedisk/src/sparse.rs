//! A disk in memory of which only what was written takes room.

use bootshim::medium::{Access, Fault, Medium, check_range};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Bytes that are held together: those of a block of today's devices.
const BLOCK: usize = 4096;

/// A disk of `len` bytes: zeros, but for the blocks that were written.
#[derive(Debug)]
pub struct Sparse {
    /// Its length in bytes.
    pub len: u64,
    /// What was written, by its first byte.
    pub blocks: RefCell<BTreeMap<u64, Vec<u8>>>,
}

impl Sparse {
    /// An empty disk of `len` bytes.
    #[must_use]
    pub fn new(len: u64) -> Sparse {
        Sparse {
            len,
            blocks: RefCell::default(),
        }
    }
}

impl Medium for Sparse {
    fn len(&self) -> u64 {
        self.len
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Fault> {
        check_range(Access::Read, offset, buf.len(), self.len)?;
        let blocks = self.blocks.borrow();
        for (place, byte) in (offset..).zip(buf) {
            let within = place % BLOCK as u64;
            let block = blocks.get(&(place - within));
            *byte = block.map_or(0, |block| block[usize::try_from(within).unwrap()]);
        }
        Ok(())
    }
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Fault> {
        check_range(Access::Write, offset, data.len(), self.len)?;
        for (place, block) in (0..).zip(data.chunks(BLOCK)) {
            self.blocks
                .borrow_mut()
                .insert(offset + place * BLOCK as u64, block.to_vec());
        }
        Ok(())
    }
    fn flush(&self) -> Result<(), Fault> {
        Ok(())
    }
}
