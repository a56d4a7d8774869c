//! The partition of a boot record, and the blocks of its copies.

use crate::{BYTES, Block, Content, FakeDisk};
use bootshim::copies::{COPIES, SPACING};
use bootshim::medium::BLOCK;

/// How many blocks lie from one copy to the next.
const STEP: usize = (SPACING / BLOCK) as usize;

/// The partition with these blocks, and zeros between them.
#[must_use]
pub fn copies(blocks: &[[u8; BYTES]; COPIES]) -> FakeDisk {
    let mut content = Content::zeros(COPIES as u64 * SPACING);
    for (copy, block) in blocks.iter().enumerate() {
        content.set(copy * STEP, Block::new(*block));
    }
    FakeDisk::of(content)
}

/// The blocks that lie there.
#[must_use]
pub fn blocks(partition: &FakeDisk) -> [[u8; BYTES]; COPIES] {
    let content = partition.content();
    std::array::from_fn(|copy| *content.get(copy * STEP).bytes())
}
