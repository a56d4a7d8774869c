//! The content: read once, group by group, hashed and packed on all cores.

use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::vec::Vec;

use super::BuildError;
use super::layout::{Layout, Placed, Source};
use super::output::Output;
use super::pack::{Group, Packed, Packer};
use super::tree::Growing;
use crate::delta::anchors::Anchors;
use crate::index::{self, Piece};
use crate::manifest::Verity;
use crate::pipeline::{self, Pool};
use crate::read::fill;
use crate::table;
use crate::{Digest, PIECE_MAX};

/// One place in two to this power of the root filesystem is an anchor: enough to
/// find whole files again in the initrd.
const RARITY: u32 = 9;

/// What packing the content gave.
pub(super) struct Content {
    pub(super) index: Vec<u8>,
    pub(super) table: Vec<u8>,
    /// One per payload, in their order.
    pub(super) hashes: Vec<Digest>,
    /// Length of all packed chunks.
    pub(super) length: u64,
    /// Of the verity tree.
    pub(super) verity: Verity,
}

pub(super) fn pack(
    layout: &Layout,
    salt: [u8; 32],
    output: &mut Output<'_>,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Content, BuildError> {
    let limit = layout.self_limit;
    let mut made = Content {
        index: Vec::new(),
        table: table::encode_start(None, limit),
        hashes: Vec::new(),
        length: 0,
        verity: Verity {
            root_hash: Digest::default(),
            salt,
        },
    };
    let tree = Growing::new(layout, salt);
    let mut groups = Groups::new(layout, &tree);
    let mut anchors = Anchors::new(limit, RARITY);
    let packers = Pool::new();
    let make = || Packer::new().map_err(BuildError::Compress);
    let mut sink = |packed: Packed| {
        for chunk in &packed.chunks {
            output.write(&chunk.bytes)?;
            made.index.extend(chunk.index);
            made.table.extend(chunk.table);
            made.length += chunk.bytes.len() as u64;
        }
        progress(packed.end, layout.content_len);
        Ok(())
    };
    // The first run ends where the tree begins, when all of the root is hashed but
    // for what lies in the tree's own group.
    let alone = if limit == 0 { u64::MAX } else { limit };
    for end in [layout.tree_group(), alone] {
        pipeline::run(
            || groups.next(|offset| offset < end),
            |group| {
                let leaves = tree.leaves(group.offset(), &group.content);
                let packed = packers.with(make, |packer| {
                    packer.pack(&group, (limit > 0).then_some(RARITY))
                })?;
                Ok((packed, leaves))
            },
            |(packed, leaves)| {
                anchors.insert(&packed.anchors);
                tree.put(leaves);
                sink(packed)
            },
        )?;
    }
    // From here on content may be made of what lies before, which is all known.
    pipeline::run(
        || groups.next(|_| true),
        |group| {
            let ground = |at, buffer: &mut [u8]| read_placed(&layout.inputs, &tree, at, buffer);
            packers.with(make, |packer| {
                packer.pack_alike(&group, &anchors, limit, &ground)
            })
        },
        &mut sink,
    )?;
    made.hashes = groups.hashes;
    made.verity = tree.get().verity;
    Ok(made)
}

/// Reads content that was laid out, whatever inputs it lies in.
fn read_placed(inputs: &[Placed], tree: &Growing, at: u64, buffer: &mut [u8]) -> io::Result<()> {
    buffer.fill(0);
    let end = at.saturating_add(buffer.len() as u64);
    for input in inputs {
        let from = at.max(input.offset);
        let until = end.min(input.offset.saturating_add(input.length));
        let Some(length) = until.checked_sub(from).filter(|length| *length > 0) else {
            continue;
        };
        let start = usize::try_from(from - at).unwrap_or(usize::MAX);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let part = buffer.get_mut(start..start.saturating_add(length));
        let part = part.ok_or(io::ErrorKind::InvalidInput)?;
        let place = from - input.offset;
        match &input.source {
            Source::File(_, file) => file.read_exact_at(part, place)?,
            Source::Tree => tree.read(place, part)?,
        }
    }
    Ok(())
}

/// The content of the slot, group by group; the hash of each input when it ends.
struct Groups<'a> {
    pieces: &'a [Piece],
    next: usize,
    inputs: std::slice::Iter<'a, Placed>,
    current: Option<Current<'a>>,
    tree: &'a Growing,
    hashes: Vec<Digest>,
}

/// The payload that is being read.
struct Current<'a> {
    input: &'a Placed,
    hasher: blake3::Hasher,
    left: u64,
}

impl<'a> Groups<'a> {
    fn new(layout: &'a Layout, tree: &'a Growing) -> Self {
        Self {
            pieces: &layout.pieces,
            next: 0,
            inputs: layout.inputs.iter(),
            current: None,
            tree,
            hashes: Vec::new(),
        }
    }

    /// The next group, if it begins where it is wanted.
    fn next(&mut self, wanted: impl Fn(u64) -> bool) -> Result<Option<Group<'a>>, BuildError> {
        let end = index::group_end(self.pieces, self.next);
        let pieces = self.pieces.get(self.next..end).unwrap_or_default();
        if !pieces.first().is_some_and(|first| wanted(first.offset)) {
            return Ok(None);
        }
        self.next = end;
        let mut content = Vec::with_capacity(usize::try_from(PIECE_MAX).unwrap_or(0));
        for piece in pieces {
            if self.tree.begins_at(piece.offset) {
                // Of the root there is nothing before this group that is not hashed.
                let offset = pieces.first().map_or(0, |first| first.offset);
                self.tree.grow(offset, &content);
            }
            self.read(piece, &mut content)?;
        }
        Ok(Some(Group { pieces, content }))
    }

    fn read(&mut self, piece: &Piece, content: &mut Vec<u8>) -> Result<(), BuildError> {
        let open = |input: &'a Placed| Current {
            input,
            hasher: blake3::Hasher::new(),
            left: input.length,
        };
        let current = self.current.take().or_else(|| self.inputs.next().map(open));
        let Some(mut current) = current else {
            return Ok(());
        };
        current.read(piece.length, content, self.tree)?;
        if current.left > 0 {
            self.current = Some(current);
        } else {
            self.hashes.push(current.end()?);
        }
        Ok(())
    }
}

impl Current<'_> {
    /// The next piece, with zeros up to the next multiple of 4096.
    fn read(
        &mut self,
        length: u32,
        content: &mut Vec<u8>,
        tree: &Growing,
    ) -> Result<(), BuildError> {
        let take = self.left.min(u64::from(length));
        let start = content.len();
        // At most 1 MiB.
        let room = usize::try_from(length).unwrap_or(0);
        content.resize(start.saturating_add(room), 0);
        let own = usize::try_from(take).unwrap_or(0);
        let piece = content.get_mut(start..start.saturating_add(own));
        let piece = piece.unwrap_or_default();
        match &self.input.source {
            Source::File(path, file) => {
                let read = fill(&mut &*file, piece).map_err(BuildError::input(path))?;
                if read < own {
                    return Err(BuildError::Changed(path.clone()));
                }
            }
            Source::Tree => {
                let place = self.input.length - self.left;
                tree.read(place, piece).map_err(BuildError::Compress)?;
            }
        }
        self.hasher.update(piece);
        self.left -= take;
        Ok(())
    }

    fn end(self) -> Result<Digest, BuildError> {
        if let Source::File(path, file) = &self.input.source {
            let more = (&*file).read(&mut [0]);
            if more.map_err(BuildError::input(path))? > 0 {
                return Err(BuildError::Changed(path.clone()));
            }
        }
        Ok(*self.hasher.finalize().as_bytes())
    }
}
