//! Packing the groups of the new image, each as one chunk.

use std::vec;
use std::vec::Vec;

use super::{DeltaError, Side, anchors};
use crate::group::{self, Group};
use crate::patch::{Excerpt, Maker};
use crate::pipeline::{self, Pool};
use crate::table::Packing;

/// A delta is made once and travels often: the slowest level that still gains is
/// worth its time.
const ZSTD_LEVEL: i32 = 18;

/// A group, packed as one chunk.
pub(super) struct Packed {
    pub(super) packing: Packing,
    pub(super) pieces: u16,
    pub(super) bytes: Vec<u8>,
    /// Where its content begins in the slot, and ends.
    pub(super) offset: u64,
    pub(super) end: u64,
}

/// Both images, and how the ground is put together of them: all of the old one,
/// and behind it the new one's own content before `limit`.
pub(super) struct Packer<'a> {
    pub(super) from: &'a Side,
    pub(super) to: &'a Side,
    pub(super) was_len: u64,
    pub(super) limit: u64,
}

/// What packing needs again and again.
struct Worker {
    maker: Maker,
    zstd: zstd::bulk::Compressor<'static>,
}

impl Packer<'_> {
    /// Packs all groups, on all cores, and gives them to `sink` in their order.
    pub(super) fn run(
        &self,
        mut sink: impl FnMut(Packed) -> Result<(), DeltaError> + Send,
    ) -> Result<(), DeltaError> {
        let mut groups = group::of(&self.to.head);
        let workers = Pool::new();
        let make = || {
            Ok(Worker {
                maker: Maker::new(ZSTD_LEVEL)?,
                zstd: zstd::bulk::Compressor::new(ZSTD_LEVEL)?,
            })
        };
        pipeline::run(
            || Ok(groups.next()),
            |group| workers.with(make, |worker| self.pack(worker, &group)),
            &mut sink,
        )
    }

    fn pack(&self, worker: &mut Worker, group: &Group<'_>) -> Result<Packed, DeltaError> {
        let mut content = vec![0; group.len()];
        self.to.content.read(group.offset(), &mut content)?;
        let (packing, bytes) = self.smallest(worker, group.offset(), content)?;
        Ok(Packed {
            packing,
            // A group has at most 256 pieces.
            pieces: u16::try_from(group.pieces.len()).unwrap_or(u16::MAX),
            bytes,
            offset: group.offset(),
            end: group.offset() + group.len() as u64,
        })
    }

    fn smallest(
        &self,
        worker: &mut Worker,
        offset: u64,
        content: Vec<u8>,
    ) -> Result<(Packing, Vec<u8>), DeltaError> {
        let ground = self.ground(offset, &content)?;
        let mut best = (Packing::Stored, content);
        if !ground.bytes.is_empty() {
            let patch = worker.maker.make(&ground, &best.1)?;
            if patch.len() < best.1.len() / 4 {
                // The content is nearly all in the ground.
                return Ok((Packing::Patch, patch));
            }
            let zstd = worker.zstd.compress(&best.1)?;
            for (packing, bytes) in [(Packing::Patch, patch), (Packing::Zstd, zstd)] {
                if bytes.len() < best.1.len() {
                    best = (packing, bytes);
                }
            }
            return Ok(best);
        }
        let zstd = worker.zstd.compress(&best.1)?;
        if zstd.len() < best.1.len() {
            best = (Packing::Zstd, zstd);
        }
        Ok(best)
    }

    /// What this content is likely to be made of. What the image itself has is
    /// looked at first: it is more likely to be the same.
    fn ground(&self, offset: u64, content: &[u8]) -> Result<Excerpt, DeltaError> {
        let known = [&self.to.anchors, &self.from.anchors];
        let own = self.limit > 0 && offset >= self.limit;
        let (tables, ground_len) = if own {
            (&known[..], self.was_len + self.limit)
        } else {
            (&known[1..], self.was_len)
        };
        let stretches = anchors::likely(tables, content, offset, ground_len);
        Ok(Excerpt::read(stretches, |at, buffer| {
            self.read(at, buffer)
        })?)
    }

    /// Reads the ground; a stretch may go over the end of the old content.
    fn read(&self, at: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        let before = self.was_len.saturating_sub(at);
        let before = usize::try_from(before)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let (old, own) = buffer.split_at_mut_checked(before).unwrap_or_default();
        if !old.is_empty() {
            self.from.content.read(at, old)?;
        }
        if !own.is_empty() {
            let behind = at
                .saturating_add(before as u64)
                .saturating_sub(self.was_len);
            self.to.content.read(behind, own)?;
        }
        Ok(())
    }
}
