//! Making a tree.

use std::iter::repeat_n;
use std::vec::Vec;

use sha2::{Digest as _, Sha256};

use super::BLOCK;
use crate::Digest;
use crate::manifest::Verity;

/// What the salts of our trees are derived under.
const SALT_CONTEXT: &str = "slotctl 2026 verity tree salt";

/// The salt of the trees of all images for one kind of machine.
///
/// A salt keeps a table of hashes that was computed once from serving against
/// every tree; nothing else rests on it, and it is public. It is the same for
/// every version, so that a block which did not change has the same hash in the
/// next tree, and a delta carries what changed instead of the whole tree. It is
/// known before the root is read, so that one pass is enough.
#[must_use]
pub fn salt(compatible: &str) -> [u8; 32] {
    blake3::derive_key(SALT_CONTEXT, compatible.as_bytes())
}

/// Hashes blocks behind a salt, which is hashed once.
#[derive(Debug, Clone)]
pub struct Salted {
    salt: [u8; 32],
    begun: Sha256,
}

impl Salted {
    /// With this salt.
    #[must_use]
    pub fn new(salt: [u8; 32]) -> Self {
        Self {
            salt,
            begun: Sha256::new_with_prefix(salt),
        }
    }

    pub(super) fn hash(&self, block: &[u8]) -> Digest {
        self.begun.clone().chain_update(block).finalize().into()
    }

    /// The hash of each block of `content`, of which the last is filled up with
    /// zeros.
    #[must_use]
    pub fn hashes(&self, content: &[u8]) -> Vec<Digest> {
        let hash = |block: &[u8]| match block.len() {
            BLOCK => self.hash(block),
            _ => self.hash(&filled(block)),
        };
        content.chunks(BLOCK).map(hash).collect()
    }

    /// The hashes of that part of `content`, which lies at `offset` in the slot,
    /// that belongs to a root of `root_len` bytes at 0.
    pub(crate) fn hashes_within(&self, root_len: u64, offset: u64, content: &[u8]) -> Vec<Digest> {
        let left = root_len.saturating_sub(offset);
        let own = usize::try_from(left).unwrap_or(usize::MAX);
        self.hashes(content.get(..own).unwrap_or(content))
    }
}

fn filled(block: &[u8]) -> Vec<u8> {
    let zeros = BLOCK.saturating_sub(block.len());
    block.iter().copied().chain(repeat_n(0, zeros)).collect()
}

/// A whole tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Superblock, then the levels, the topmost first.
    pub bytes: Vec<u8>,
    /// What the manifest binds.
    pub verity: Verity,
}

impl Tree {
    /// The tree above the hashes of all blocks of a root.
    #[must_use]
    pub fn above(salted: &Salted, leaves: &[Digest]) -> Self {
        let mut levels: Vec<Vec<u8>> = Vec::new();
        let mut hashes = leaves.to_vec();
        while hashes.len() > 1 {
            let mut level = hashes.concat();
            level.resize(level.len().next_multiple_of(BLOCK), 0);
            hashes = salted.hashes(&level);
            levels.push(level);
        }
        levels.push(superblock(salted.salt, leaves.len() as u64));
        levels.reverse();
        Self {
            bytes: levels.concat(),
            verity: Verity {
                root_hash: hashes.first().copied().unwrap_or_default(),
                salt: salted.salt,
            },
        }
    }
}

/// The block that the tree begins with (cryptsetup, `struct verity_sb`). Linux
/// does not read it: what it says comes from the manifest. It is for
/// `veritysetup`. The UUID is zero: the tree never lies where somebody looks
/// for one.
pub(super) fn superblock(salt: [u8; 32], data_blocks: u64) -> Vec<u8> {
    let mut block = Vec::with_capacity(BLOCK);
    block.extend(b"verity\0\0");
    // Version, hash type.
    block.extend([1, 0, 0, 0, 1, 0, 0, 0]);
    // UUID, then the name of the hash in 32 bytes.
    block.extend([0; 16]);
    block.extend(b"sha256");
    block.extend([0; 26]);
    // Bytes of a data block and of a hash block.
    block.extend([0, 16, 0, 0, 0, 16, 0, 0]);
    block.extend(data_blocks.to_le_bytes());
    // Bytes of the salt, then 6 unused.
    block.extend([32, 0, 0, 0, 0, 0, 0, 0]);
    block.extend(salt);
    block.resize(BLOCK, 0);
    block
}

#[cfg(test)]
mod tests {
    use super::super::{ALIGN, Shape};
    use super::*;

    #[test]
    fn the_tree_has_the_shape_that_was_foretold() {
        let salted = Salted::new([7; 32]);
        for blocks in [1, 2, 127, 128, 129, 16384, 16385] {
            let tree = Tree::above(&salted, &vec![[1; 32]; blocks]);
            let shape = Shape::over(blocks as u64 * ALIGN);
            assert_eq!(tree.bytes.len() as u64, shape.length(), "{blocks}");
        }
    }

    #[test]
    fn a_root_that_ends_within_a_block_counts_as_filled_up_with_zeros() {
        let salted = Salted::new([7; 32]);
        let mut whole = vec![1; 5000];
        let part = salted.hashes(&whole);
        whole.resize(8192, 0);
        assert_eq!(part, salted.hashes(&whole));
        // What lies behind the root in its group is not the root.
        let content = [whole.as_slice(), &[9; 4096]].concat();
        assert_eq!(part, salted.hashes_within(5000, 0, &content));
        assert_eq!(
            part[1..],
            salted.hashes_within(5000, 4096, &content[4096..])
        );
        assert!(salted.hashes_within(5000, 8192, &[9; 4096]).is_empty());
    }
}
