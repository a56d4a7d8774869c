//! A medium whose writes stay in memory: to ask what a commit would lead to
//! without making it.

use bootshim::medium::{Access, BLOCK, Fault, Medium, check_range};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

type Block = Vec<u8>;

/// What lies below, with the blocks on top that were written meanwhile.
#[derive(Debug)]
pub struct Overlay<M> {
    below: M,
    written: Mutex<BTreeMap<u64, Block>>,
}

impl<M: Medium> Overlay<M> {
    /// Over `below`, which is only ever read.
    pub fn new(below: M) -> Overlay<M> {
        Overlay {
            below,
            written: Mutex::default(),
        }
    }
}

impl<M: Medium> Medium for Overlay<M> {
    fn len(&self) -> u64 {
        self.below.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Fault> {
        self.below.read_at(offset, buf)?;
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        for (byte, at) in buf.iter_mut().zip(offset..) {
            let above = written.get(&(at - at % BLOCK));
            let inside = usize::try_from(at % BLOCK).ok();
            if let Some(new) = above.zip(inside).and_then(|(block, at)| block.get(at)) {
                *byte = *new;
            }
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Fault> {
        check_range(Access::Write, offset, data.len(), self.len())?;
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let mut at = offset;
        for block in data.chunks(usize::try_from(BLOCK).unwrap_or(4096)) {
            written.insert(at, block.to_vec());
            at = at.saturating_add(BLOCK);
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), Fault> {
        Ok(())
    }
}
