//! What a disk holds: blocks that are shared until they are written, since a
//! case begins with a copy of it and changes little.

use std::ops::Range;
use std::sync::Arc;

const BLOCK: usize = 4096;

/// The bytes of a disk.
#[derive(Clone, PartialEq)]
pub struct Content(Vec<Arc<[u8; BLOCK]>>);

impl Content {
    pub fn new(bytes: &[u8]) -> Content {
        let blocks = bytes.chunks(BLOCK).map(|block| block.try_into().unwrap());
        Content(blocks.map(Arc::new).collect())
    }

    pub fn len(&self) -> usize {
        self.0.len() * BLOCK
    }

    pub fn read(&self, offset: usize, buf: &mut [u8]) {
        let mut done = 0;
        while done < buf.len() {
            let at = offset + done;
            let part = (BLOCK - at % BLOCK).min(buf.len() - done);
            let block = &self.0[at / BLOCK];
            buf[done..done + part].copy_from_slice(&block[at % BLOCK..][..part]);
            done += part;
        }
    }

    /// Writes from the start of a block on.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        for (block, bytes) in self.0[offset / BLOCK..].iter_mut().zip(bytes.chunks(BLOCK)) {
            Arc::make_mut(block)[..bytes.len()].copy_from_slice(bytes);
        }
    }

    pub fn flip(&mut self, offset: usize) {
        Arc::make_mut(&mut self.0[offset / BLOCK])[offset % BLOCK] ^= 1;
    }

    /// Makes a range of whole blocks what it is in another disk.
    pub fn take(&mut self, place: Range<usize>, from: &Content) {
        let blocks = place.start / BLOCK..place.end / BLOCK;
        self.0[blocks.clone()].clone_from_slice(&from.0[blocks]);
    }

    /// Where the blocks lie that differ.
    pub fn differs<'a>(&'a self, other: &'a Content) -> impl Iterator<Item = u64> + 'a {
        let blocks = (0..).step_by(BLOCK).zip(self.0.iter().zip(&other.0));
        blocks.filter(|(_, (a, b))| a != b).map(|(at, _)| at)
    }
}
