//! What must hold of a slot's content beside its index: every payload is the one that
//! the manifest binds, what lies between them is zero, and the verity tree is that of
//! the root. It is looked at while the content goes by, in little memory.

use std::vec::Vec;

use crate::manifest::{Kind, Manifest, Payload};
use crate::verity::{Passing, Salted};
use crate::{Digest, Part, Refused};

/// Hashes the blocks of a root, as its verity tree has them. That is most of the work
/// of a check, and any core can do it, in any order.
#[derive(Debug, Clone)]
pub struct RootBlocks {
    root_len: u64,
    salted: Option<Salted>,
}

impl RootBlocks {
    /// Those of this image; of one without a tree nothing is hashed.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Self {
        let root = manifest.payload(Kind::Rootfs);
        Self {
            root_len: root.map_or(0, |root| root.length),
            salted: manifest.verity.map(|verity| Salted::new(verity.salt)),
        }
    }

    /// The hashes of what lies at `offset` in the slot, as far as it is the root.
    #[must_use]
    pub fn hashes(&self, offset: u64, content: &[u8]) -> Vec<Digest> {
        self.salted.as_ref().map_or_else(Vec::new, |salted| {
            salted.hashes_within(self.root_len, offset, content)
        })
    }
}

/// Takes the content of a slot, from its first byte to its last, and says at the end
/// whether it is as the manifest says.
pub struct Check {
    at: u64,
    payloads: Vec<(Payload, Run)>,
    gaps: Vec<(u64, u64)>,
    /// The first byte of a gap that is not zero.
    dirt: Option<u64>,
    tree: Option<Passing>,
}

impl Check {
    /// Nothing has gone by yet. Of the payloads those are hashed that are `wanted`.
    #[must_use]
    pub fn new(manifest: &Manifest, wanted: impl Fn(Kind) -> bool) -> Self {
        let payloads = manifest.payloads.iter();
        let ends = payloads.clone().map(|payload| payload.end());
        let starts = payloads.clone().skip(1).map(|payload| payload.offset);
        let starts = starts.chain([manifest.content_len]);
        let gaps = ends.zip(starts);
        Self {
            at: 0,
            gaps: gaps
                .map(|(end, start)| (end.unwrap_or(start), start))
                .collect(),
            payloads: payloads
                .filter(|payload| wanted(payload.kind))
                .map(|payload| (*payload, Run::new(payload.offset, payload.length)))
                .collect(),
            dirt: None,
            tree: Passing::of(manifest),
        }
    }

    /// Takes the next bytes of the content, and what [`RootBlocks`] says of them.
    pub fn update(&mut self, content: &[u8], root_blocks: &[Digest]) {
        for (_, run) in &mut self.payloads {
            run.update(self.at, content);
        }
        for (from, end) in &self.gaps {
            let gap = within((*from, *end), self.at, content);
            if let Some(place) = gap.iter().position(|byte| *byte != 0) {
                let start = self.at.max(*from);
                self.dirt.get_or_insert(start.saturating_add(place as u64));
            }
        }
        if let Some(tree) = &mut self.tree {
            tree.update(self.at, content, root_blocks);
        }
        self.at = self.at.saturating_add(content.len() as u64);
    }

    /// Whether all of it went by and is right.
    ///
    /// # Errors
    /// [`Refused`] with the first thing that is not as the manifest says.
    pub fn finish(self) -> Result<(), Refused> {
        for (payload, run) in self.payloads {
            if run.finish() != payload.hash {
                let part = Part::Payload(payload.kind);
                return Err(Refused::HashWrong { part });
            }
        }
        if let Some(at) = self.dirt {
            return Err(Refused::NotZero { at });
        }
        if self.tree.is_none_or(Passing::agrees) {
            Ok(())
        } else {
            Err(Refused::OtherTree)
        }
    }
}

/// A run of the content, hashed while it goes by.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    from: u64,
    end: u64,
    hasher: blake3::Hasher,
}

impl Run {
    pub(crate) fn new(from: u64, length: u64) -> Self {
        Self {
            from,
            end: from.saturating_add(length),
            hasher: blake3::Hasher::new(),
        }
    }

    /// Takes content that lies `at` a place of the slot.
    pub(crate) fn update(&mut self, at: u64, content: &[u8]) {
        self.hasher
            .update(within((self.from, self.end), at, content));
    }

    pub(crate) fn finish(&self) -> Digest {
        *self.hasher.finalize().as_bytes()
    }
}

/// That part of the content `at` a place of the slot that lies in a range of it.
fn within((from, end): (u64, u64), at: u64, content: &[u8]) -> &[u8] {
    let inside = |place: u64| {
        let skipped = usize::try_from(place.saturating_sub(at)).unwrap_or(usize::MAX);
        skipped.min(content.len())
    };
    content.get(inside(from)..inside(end)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
