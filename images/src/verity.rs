//! The tree of hashes through which Linux reads the root filesystem: dm-verity's,
//! byte for byte as `veritysetup format` writes it (Linux,
//! `Documentation/admin-guide/device-mapper/verity.rst`; cryptsetup,
//! `lib/verity/verity.c` and `verity_hash.c`): SHA-256, hash type 1, data and hash
//! blocks of 4096 bytes, with the superblock.

#[cfg(feature = "std")]
mod passing;
#[cfg(feature = "std")]
mod tree;

#[cfg(feature = "std")]
pub(crate) use passing::Passing;
#[cfg(feature = "std")]
pub use tree::{Salted, Tree, salt};

#[cfg(feature = "std")]
use alloc::vec::Vec;

use crate::ALIGN;

/// Bytes of a block, of the root and of the tree alike.
pub const BLOCK: usize = 4096;
const _: () = assert!(
    BLOCK as u64 == ALIGN,
    "a root of whole blocks fills its place"
);

/// How many hashes a block of the tree holds.
const HASHES: usize = BLOCK / 32;

/// How large a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// How many blocks it covers.
    pub data_blocks: u64,
    /// How many blocks it has, that of the superblock included.
    pub blocks: u64,
}

impl Shape {
    /// The shape of the tree over a root of so many bytes.
    #[must_use]
    pub fn over(root_len: u64) -> Self {
        let data_blocks = root_len.div_ceil(ALIGN);
        let (mut level, mut blocks) = (data_blocks, 1);
        while level > 1 {
            level = level.div_ceil(HASHES as u64);
            // The levels add up to less than the blocks that they cover.
            blocks += level;
        }
        Self {
            data_blocks,
            blocks,
        }
    }

    /// How many blocks each level has, the topmost first: none for a root of one
    /// block.
    #[cfg(feature = "std")]
    pub(crate) fn levels(self) -> Vec<u64> {
        let mut levels = Vec::new();
        let mut level = self.data_blocks;
        while level > 1 {
            level = level.div_ceil(HASHES as u64);
            levels.push(level);
        }
        levels.reverse();
        levels
    }

    /// Its length, in bytes. Saturates far beyond any slot.
    #[must_use]
    pub fn length(self) -> u64 {
        self.blocks.saturating_mul(ALIGN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_has_a_level_for_each_power_of_128_blocks() {
        let blocks = |data: u64| Shape::over(data * ALIGN).blocks;
        assert_eq!(blocks(1), 1);
        assert_eq!(blocks(2), 1 + 1);
        assert_eq!(blocks(128), 1 + 1);
        assert_eq!(blocks(129), 1 + 1 + 2);
        assert_eq!(blocks(128 * 128), 1 + 1 + 128);
        assert_eq!(blocks(128 * 128 + 1), 1 + 1 + 2 + 129);
        assert_eq!(Shape::over(1).data_blocks, 1);
        assert_eq!(Shape::over(4097).data_blocks, 2);
        assert!(Shape::over(u64::MAX).length() < u64::MAX / 100);
    }
}
