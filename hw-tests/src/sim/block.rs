//! The bytes of a simulated disk, in blocks that its many states share.

use bootshim::medium::BLOCK;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, LazyLock, OnceLock};

/// Length of a block in bytes.
pub(super) const BYTES: usize = 4096;
const _: () = assert!(BLOCK == 4096, "the simulator's blocks are the medium's");

static ZERO: LazyLock<Block> = LazyLock::new(|| Block::new([0; BYTES]));

/// 4 KiB that never change.
#[derive(Clone)]
pub(super) struct Block(Arc<Data>);

struct Data {
    bytes: [u8; BYTES],
    hash: OnceLock<u64>,
}

impl Block {
    pub(super) fn new(bytes: [u8; BYTES]) -> Block {
        let hash = OnceLock::new();
        Block(Arc::new(Data { bytes, hash }))
    }

    pub(super) fn zero() -> Block {
        ZERO.clone()
    }

    pub(super) fn bytes(&self) -> &[u8; BYTES] {
        &self.0.bytes
    }

    fn hash(&self) -> u64 {
        *self.0.hash.get_or_init(|| {
            let hash = blake3::hash(&self.0.bytes);
            u64::from_le_bytes(*hash.as_bytes().first_chunk().unwrap())
        })
    }

    /// What this block at this place adds to the fingerprint of a disk: each
    /// block by itself, so that one that changes changes little.
    pub(super) fn mark(&self, place: usize) -> u64 {
        let place = u64::try_from(place).unwrap().wrapping_add(1);
        let mixed = self.hash() ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }
}

impl PartialEq for Block {
    fn eq(&self, other: &Block) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.bytes == other.0.bytes
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {:016x}", self.hash())
    }
}

/// All bytes of a disk.
#[derive(Clone, Debug)]
pub(super) struct Content(Vec<Block>);

impl Content {
    pub(super) fn of(bytes: &[u8]) -> Content {
        let block = |chunk: &[u8]| match <[u8; BYTES]>::try_from(chunk).unwrap() {
            [0, ..] if chunk.iter().all(|byte| *byte == 0) => Block::zero(),
            bytes => Block::new(bytes),
        };
        Content(bytes.chunks(BYTES).map(block).collect())
    }

    pub(super) fn blocks(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, place: usize) -> &Block {
        &self.0[place]
    }

    pub(super) fn set(&mut self, place: usize, block: Block) {
        self.0[place] = block;
    }

    /// A number that differs where the bytes of these blocks differ, wherever on
    /// the disk they lie.
    pub(super) fn fingerprint(&self, places: Range<usize>) -> u64 {
        let blocks = self.0[places].iter().enumerate();
        blocks.fold(0, |sum, (place, block)| sum ^ block.mark(place))
    }

    pub(super) fn read(&self, offset: u64, buf: &mut [u8]) {
        let mut at = usize::try_from(offset).unwrap();
        let mut rest = buf;
        while !rest.is_empty() {
            let (place, skip) = (at / BYTES, at % BYTES);
            let take = rest.len().min(BYTES - skip);
            let (here, later) = rest.split_at_mut(take);
            here.copy_from_slice(&self.0[place].bytes()[skip..skip + take]);
            rest = later;
            at += take;
        }
    }
}
