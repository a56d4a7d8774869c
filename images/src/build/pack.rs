//! Packing the pieces of a group, each as a chunk of its own, so that one which
//! a controller has already need not be fetched.

use std::io;
use std::vec::Vec;

use zstd::zstd_safe::{self, CCtx};

use super::BuildError;
use crate::chunk::{continued, is_dictionary};
use crate::delta::anchors::{self, Anchor, Anchors};
use crate::index::{self, Piece};
use crate::patch::{Excerpt, Maker};
use crate::table::{self, Packing};
use crate::{Digest, digest};

/// A good part of what higher levels save, at a speed that keeps up with a disk.
const ZSTD_LEVEL: i32 = 3;

/// For what is made of files of the root filesystem: nearly nothing is left to
/// compress.
const PATCH_LEVEL: i32 = 6;

/// Some pieces with their content.
pub(super) struct Group<'a> {
    pub(super) pieces: &'a [Piece],
    pub(super) content: Vec<u8>,
}

impl Group<'_> {
    pub(super) fn offset(&self) -> u64 {
        self.pieces.first().map_or(0, |piece| piece.offset)
    }
}

/// A group, packed.
pub(super) struct Packed {
    pub(super) chunks: Vec<Chunk>,
    /// Where its content ends in the slot.
    pub(super) end: u64,
    /// Where what lies in it.
    pub(super) anchors: Vec<Anchor>,
}

/// One chunk, ready to be written, and what index and table say of it.
pub(super) struct Chunk {
    pub(super) bytes: Vec<u8>,
    pub(super) index: [u8; crate::INDEX_ENTRY_LEN],
    pub(super) table: [u8; table::ENTRY_LEN],
}

/// Packs groups. Holds the compressor's memory: have one per thread.
pub(super) struct Packer {
    zstd: CCtx<'static>,
    maker: Option<Maker>,
    buffer: Vec<u8>,
}

impl Packer {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            zstd: CCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?,
            maker: None,
            buffer: Vec::new(),
        })
    }

    /// Packs a group by itself, and notes anchors of this rarity in it.
    pub(super) fn pack(
        &mut self,
        group: &Group<'_>,
        rarity: Option<u32>,
    ) -> Result<Packed, BuildError> {
        let offset = group.offset();
        let anchors = rarity.map(|rarity| anchors::at_starts(&group.content, offset, rarity));
        let pack = |packer: &mut Self, before: &[u8], own: &[u8]| packer.compress(before, own);
        let chunks = self.each(group, pack)?;
        Ok(Packed {
            chunks,
            end: offset.saturating_add(group.content.len() as u64),
            anchors: anchors.unwrap_or_default(),
        })
    }

    /// Packs a group that may be made of content of which the anchors are known
    /// and `read` gives the bytes.
    pub(super) fn pack_alike(
        &mut self,
        group: &Group<'_>,
        known: &Anchors,
        ground_len: u64,
        read: &(dyn Fn(u64, &mut [u8]) -> io::Result<()> + Sync),
    ) -> Result<Packed, BuildError> {
        let stretches = anchors::likely(&[known], &group.content, 0, ground_len);
        let ground = Excerpt::read(stretches, read).map_err(BuildError::Compress)?;
        let pack = |packer: &mut Self, before: &[u8], own: &[u8]| {
            let (packing, bytes) = packer.compress(before, own)?;
            if ground.bytes.is_empty() {
                return Ok((packing, bytes));
            }
            let patch = packer.patch(&ground, own)?;
            Ok(if patch.len() < bytes.len() {
                (Packing::Patch, patch)
            } else {
                (packing, bytes)
            })
        };
        Ok(Packed {
            chunks: self.each(group, pack)?,
            end: group.offset().saturating_add(group.content.len() as u64),
            anchors: Vec::new(),
        })
    }

    /// Packs each piece, given the content of the group before it and its own.
    fn each(
        &mut self,
        group: &Group<'_>,
        pack: impl Fn(&mut Self, &[u8], &[u8]) -> io::Result<(Packing, Vec<u8>)>,
    ) -> Result<Vec<Chunk>, BuildError> {
        let mut chunks = Vec::with_capacity(group.pieces.len());
        let mut at = 0_usize;
        for piece in group.pieces {
            let length = usize::try_from(piece.length).unwrap_or(usize::MAX);
            let (before, rest) = group.content.split_at_checked(at).unwrap_or_default();
            let own = rest.get(..length).unwrap_or_default();
            let (packing, bytes) = pack(self, before, own).map_err(BuildError::Compress)?;
            chunks.push(chunk(piece, &digest(own), packing, bytes));
            at = at.saturating_add(length);
        }
        Ok(chunks)
    }

    fn compress(&mut self, before: &[u8], own: &[u8]) -> io::Result<(Packing, Vec<u8>)> {
        self.buffer.clear();
        self.buffer.reserve(zstd_safe::compress_bound(own.len()));
        let before = continued(before);
        let continues = !before.is_empty() && !is_dictionary(before);
        let (packing, done) = if continues {
            let zstd = &mut self.zstd;
            let done = zstd.compress_using_dict(&mut self.buffer, own, before, ZSTD_LEVEL);
            (Packing::Continued, done)
        } else {
            let done = self.zstd.compress(&mut self.buffer, own, ZSTD_LEVEL);
            (Packing::Zstd, done)
        };
        done.map_err(|code| io::Error::other(zstd_safe::get_error_name(code)))?;
        Ok(if self.buffer.len() < own.len() {
            (packing, self.buffer.clone())
        } else {
            (Packing::Stored, own.to_vec())
        })
    }

    fn patch(&mut self, ground: &Excerpt, own: &[u8]) -> io::Result<Vec<u8>> {
        let mut maker = match self.maker.take() {
            Some(maker) => maker,
            None => Maker::new(PATCH_LEVEL)?,
        };
        let patch = maker.make(ground, own);
        self.maker = Some(maker);
        patch
    }
}

fn chunk(piece: &Piece, hash: &Digest, packing: Packing, bytes: Vec<u8>) -> Chunk {
    // At most 1 MiB.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    Chunk {
        index: index::encode_entry(piece.length, hash),
        table: table::encode_entry(packing, 1, length, &digest(&bytes)),
        bytes,
    }
}
