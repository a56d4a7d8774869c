//! The tree of hashes through which Linux reads the root filesystem: dm-verity's,
//! byte for byte as `veritysetup format` writes it (Linux,
//! `Documentation/admin-guide/device-mapper/verity.rst`; cryptsetup,
//! `lib/verity/verity.c` and `verity_hash.c`): SHA-256, hash type 1, data and hash
//! blocks of 4096 bytes, with the superblock.

use std::iter::repeat_n;
use std::vec::Vec;

use sha2::{Digest as _, Sha256};

use crate::manifest::{Kind, Manifest, Verity};
use crate::{ALIGN, Digest, Refused, digest};

/// Bytes of a block, of the root and of the tree alike.
pub const BLOCK: usize = 4096;
const _: () = assert!(
    BLOCK as u64 == ALIGN,
    "a root of whole blocks fills its place"
);

/// How many hashes a block of the tree holds.
const HASHES: usize = BLOCK / 32;

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

    /// Its length, in bytes. Saturates far beyond any slot.
    #[must_use]
    pub fn length(self) -> u64 {
        self.blocks.saturating_mul(ALIGN)
    }
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

    fn hash(&self, block: &[u8]) -> Digest {
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
fn superblock(salt: [u8; 32], data_blocks: u64) -> Vec<u8> {
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

/// Whether the tree in an image is that of its root, from the hashes of the root's
/// blocks, in order.
pub(crate) struct Check {
    root_len: u64,
    salted: Salted,
    expected: (Verity, Digest),
}

impl Check {
    /// What to check in this image; nothing where it has no tree.
    pub(crate) fn of(manifest: &Manifest) -> Option<Self> {
        let verity = manifest.verity?;
        let tree = manifest.payload(Kind::Verity)?;
        Some(Self {
            root_len: manifest.payload(Kind::Rootfs)?.length,
            salted: Salted::new(verity.salt),
            expected: (verity, tree.hash),
        })
    }

    /// The hashes of what lies at `offset` in the slot, as far as it is the root.
    pub(crate) fn leaves(&self, offset: u64, content: &[u8]) -> Vec<Digest> {
        self.salted.hashes_within(self.root_len, offset, content)
    }

    /// Refuses an image whose tree or root hash are not what these leaves give.
    pub(crate) fn finish(&self, leaves: &[Digest]) -> Result<(), Refused> {
        let tree = Tree::above(&self.salted, leaves);
        if (tree.verity, digest(&tree.bytes)) == self.expected {
            Ok(())
        } else {
            Err(Refused::OtherTree)
        }
    }
}

/// Whether a tree of `length` bytes can be that of a root of `root_len` bytes.
#[must_use]
pub fn fits(root_len: u64, length: u64) -> bool {
    Shape::over(root_len).length() == length
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
