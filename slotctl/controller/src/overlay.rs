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
        let length = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        let blocks = offset - offset % BLOCK..offset.saturating_add(length);
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        for (start, block) in written.range(blocks) {
            lay(block, *start, buf, offset);
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

/// Puts what a block at `start` holds of the range at `offset` into `buf`.
fn lay(block: &[u8], start: u64, buf: &mut [u8], offset: u64) {
    let distance = |from: u64, to: u64| usize::try_from(to.saturating_sub(from)).ok();
    let into = distance(offset, start).and_then(|skip| buf.get_mut(skip..));
    let from = distance(start, offset).and_then(|skip| block.get(skip..));
    for (byte, new) in into.into_iter().flatten().zip(from.into_iter().flatten()) {
        *byte = *new;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bootshim::medium::Cause;
    use fakedisk::{Content, FakeDisk};

    #[test]
    fn any_range_is_read_with_what_was_written_on_top() {
        let below = FakeDisk::of(Content::of(&[1; 5 * 4096]));
        let overlay = Overlay::new(&below);
        let written: Vec<u8> = [vec![2; 4096], vec![3; 4096]].concat();
        overlay.write_at(4096, &written).unwrap();
        let byte = |at: usize| match at {
            4096..8192 => 2,
            8192..12288 => 3,
            _ => 1,
        };
        for (offset, length) in [(0, 20480), (4000, 200), (5000, 10), (8191, 2), (12287, 100)] {
            let mut buf = vec![0; length];
            overlay
                .read_at(u64::try_from(offset).unwrap(), &mut buf)
                .unwrap();
            let expected: Vec<u8> = (offset..offset + length).map(byte).collect();
            assert_eq!(buf, expected);
        }
        assert!(below.epochs().is_empty(), "what lies below is only read");
    }

    #[test]
    fn a_write_beyond_the_end_is_refused() {
        let overlay = Overlay::new(FakeDisk::new(5 * BLOCK));
        let fault = overlay.write_at(5 * BLOCK, &[0; 4096]).unwrap_err();
        assert_eq!(fault.cause, Cause::OutOfRange);
    }
}
