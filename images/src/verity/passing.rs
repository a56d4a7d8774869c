//! Whether a tree is that of its root, found out while both go by: of each level only
//! the block that is being filled is kept, whatever the size of the root.

use std::vec::Vec;

use super::tree::superblock;
use super::{BLOCK, Salted, Shape};
use crate::content::Run;
use crate::manifest::{Kind, Manifest, Verity};
use crate::{ALIGN, Digest};

/// A tree that is made of the root's blocks, and the one that lies behind the root.
pub(crate) struct Passing {
    verity: Verity,
    salted: Salted,
    superblock: (Run, Digest),
    /// From the one above the root's blocks to the topmost.
    levels: Vec<Level>,
    /// The hash of what has no level above it.
    top: Option<Digest>,
}

/// A level: as it is made, and as it lies in the slot.
struct Level {
    block: Vec<u8>,
    made: blake3::Hasher,
    found: Run,
}

impl Passing {
    /// Of this image, if it has a tree.
    pub(crate) fn of(manifest: &Manifest) -> Option<Self> {
        let verity = manifest.verity?;
        let shape = Shape::over(manifest.payload(Kind::Rootfs)?.length);
        let mut at = manifest.payload(Kind::Verity)?.offset;
        // The parts of a tree that a manifest allows lie within its payload.
        let mut next = |blocks: u64| {
            let length = blocks.saturating_mul(ALIGN);
            let run = Run::new(at, length);
            at = at.saturating_add(length);
            run
        };
        let first = superblock(verity.salt, shape.data_blocks);
        let superblock = (next(1), crate::digest(&first));
        let mut levels: Vec<Level> = Vec::new();
        for blocks in shape.levels() {
            levels.push(Level {
                block: Vec::with_capacity(BLOCK),
                made: blake3::Hasher::new(),
                found: next(blocks),
            });
        }
        levels.reverse();
        Some(Self {
            verity,
            salted: Salted::new(verity.salt),
            superblock,
            levels,
            top: None,
        })
    }

    /// Takes the next content of the slot, and the hashes of the root's blocks in it.
    pub(crate) fn update(&mut self, at: u64, content: &[u8], root_blocks: &[Digest]) {
        self.superblock.0.update(at, content);
        for level in &mut self.levels {
            level.found.update(at, content);
        }
        for hash in root_blocks {
            self.put(*hash);
        }
    }

    fn put(&mut self, mut hash: Digest) {
        for level in &mut self.levels {
            level.block.extend(hash);
            if level.block.len() < BLOCK {
                return;
            }
            hash = level.close(&self.salted);
        }
        self.top = Some(hash);
    }

    /// Whether what lay there is what was made, and its root hash the one that the
    /// manifest binds.
    pub(crate) fn agrees(mut self) -> bool {
        let mut below = None;
        for level in &mut self.levels {
            level.block.extend(below.iter().flatten());
            // One whose last block was filled has none that is open.
            below = (!level.block.is_empty()).then(|| level.close(&self.salted));
        }
        let (found, expected) = self.superblock;
        let same = |level: &Level| level.found.finish() == *level.made.finalize().as_bytes();
        below.or(self.top) == Some(self.verity.root_hash)
            && found.finish() == expected
            && self.levels.iter().all(same)
    }
}

impl Level {
    /// Ends the block that is being filled; its hash.
    fn close(&mut self, salted: &Salted) -> Digest {
        self.block.resize(BLOCK, 0);
        self.made.update(&self.block);
        let hash = salted.hash(&self.block);
        self.block.clear();
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verity::Tree;

    /// A slot with a root of so many blocks, of which no two are alike, and its tree.
    fn slot(blocks: usize) -> (Manifest, Vec<u8>, Vec<u8>) {
        let salted = Salted::new([7; 32]);
        let root: Vec<u8> = (0..blocks as u64)
            .flat_map(|number| number.to_le_bytes().repeat(BLOCK / 8))
            .collect();
        let tree = Tree::above(&salted, &salted.hashes(&root));
        let payload = |kind, offset: usize, length: usize| crate::manifest::Payload {
            kind,
            offset: offset as u64,
            length: length as u64,
            hash: [0; 32],
        };
        let manifest = Manifest {
            compatible: "x".into(),
            version: "1".into(),
            security_version: 0,
            revoke_below: 0,
            record_major: 1,
            record_minor: 0,
            watchdog_seconds: 0,
            cmdline: "".into(),
            content_len: 0,
            index_len: 0,
            index_hash: [0; 32],
            payloads: std::vec![
                payload(Kind::Rootfs, 0, root.len()),
                payload(Kind::Verity, root.len(), tree.bytes.len()),
            ],
            verity: Some(tree.verity),
            key_set: None,
        };
        (manifest, root, tree.bytes)
    }

    fn agrees(manifest: &Manifest, content: &[u8]) -> bool {
        let mut passing = Passing::of(manifest).unwrap();
        let blocks = crate::content::RootBlocks::of(manifest);
        for (number, part) in content.chunks(3 * BLOCK).enumerate() {
            let at = (number * 3 * BLOCK) as u64;
            passing.update(at, part, &blocks.hashes(at, part));
        }
        passing.agrees()
    }

    #[test]
    fn the_tree_that_is_made_in_passing_is_the_whole_tree() {
        for blocks in [1, 2, 127, 128, 129, 255, 256, 257, 16384, 16385] {
            let (manifest, root, tree) = slot(blocks);
            let content = [root, tree].concat();
            assert!(agrees(&manifest, &content), "{blocks} blocks");
        }
    }

    #[test]
    fn a_changed_byte_of_root_or_tree_is_seen_wherever_it_is() {
        for blocks in [1, 2, 129, 16385] {
            let (manifest, root, tree) = slot(blocks);
            let content = [root.as_slice(), &tree].concat();
            // Each block of the tree once, and the ends of the root.
            let places = (root.len()..content.len()).step_by(BLOCK);
            for at in places.chain([0, root.len() - 1, content.len() - 1]) {
                // The whole root is hashed each time.
                if blocks > 1000 && at % 29 != 0 {
                    continue;
                }
                let mut changed = content.clone();
                changed[at] ^= 1;
                assert!(!agrees(&manifest, &changed), "{blocks} blocks, byte {at}");
            }
        }
    }
}
