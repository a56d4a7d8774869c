//! The content: read once, group by group, hashed and packed on all cores.

use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::vec::Vec;

use super::BuildError;
use super::layout::{Layout, Placed};
use super::output::Output;
use super::pack::{Packed, Packer};
use crate::delta::anchors::Anchors;
use crate::group;
use crate::index::Piece;
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
    /// One per input, in their order.
    pub(super) hashes: Vec<Digest>,
    /// Length of all packed chunks.
    pub(super) length: u64,
}

pub(super) fn pack(
    layout: &Layout,
    output: &mut Output<'_>,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Content, BuildError> {
    let limit = layout.self_limit;
    let mut made = Content {
        index: Vec::new(),
        table: table::encode_start(None, limit),
        hashes: Vec::new(),
        length: 0,
    };
    let mut groups = Groups::new(layout);
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
    pipeline::run(
        || groups.next(|offset| limit == 0 || offset < limit),
        |group| {
            packers.with(make, |packer| {
                packer.pack(&group, (limit > 0).then_some(RARITY))
            })
        },
        |packed| {
            anchors.insert(&packed.anchors);
            sink(packed)
        },
    )?;
    // From here on content may be made of what lies before, which is all known.
    pipeline::run(
        || groups.next(|_| true),
        |group| {
            let ground = |at, buffer: &mut [u8]| read_placed(&layout.inputs, at, buffer);
            packers.with(make, |packer| {
                packer.pack_alike(&group, &anchors, limit, &ground)
            })
        },
        &mut sink,
    )?;
    made.hashes = groups.hashes;
    Ok(made)
}

/// Reads content that was laid out, whatever inputs it lies in.
fn read_placed(inputs: &[Placed], at: u64, buffer: &mut [u8]) -> io::Result<()> {
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
        input.file.read_exact_at(part, from - input.offset)?;
    }
    Ok(())
}

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

/// The content of the slot, group by group; the hash of each input when it ends.
struct Groups<'a> {
    pieces: &'a [Piece],
    next: usize,
    inputs: std::slice::Iter<'a, Placed>,
    current: Option<Current<'a>>,
    hashes: Vec<Digest>,
}

/// The input that is being read.
struct Current<'a> {
    input: &'a Placed,
    hasher: blake3::Hasher,
    left: u64,
}

impl<'a> Groups<'a> {
    fn new(layout: &'a Layout) -> Self {
        Self {
            pieces: &layout.pieces,
            next: 0,
            inputs: layout.inputs.iter(),
            current: None,
            hashes: Vec::new(),
        }
    }

    /// The next group, if it begins where it is wanted.
    fn next(&mut self, wanted: impl Fn(u64) -> bool) -> Result<Option<Group<'a>>, BuildError> {
        let end = group::end(self.pieces, self.next);
        let pieces = self.pieces.get(self.next..end).unwrap_or_default();
        if !pieces.first().is_some_and(|first| wanted(first.offset)) {
            return Ok(None);
        }
        self.next = end;
        let mut content = Vec::with_capacity(usize::try_from(PIECE_MAX).unwrap_or(0));
        for piece in pieces {
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
        current.read(piece.length, content)?;
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
    fn read(&mut self, length: u32, content: &mut Vec<u8>) -> Result<(), BuildError> {
        let take = self.left.min(u64::from(length));
        let start = content.len();
        // At most 1 MiB.
        let room = usize::try_from(length).unwrap_or(0);
        content.resize(start.saturating_add(room), 0);
        let own = usize::try_from(take).unwrap_or(0);
        let path = &self.input.path;
        let piece = content.get_mut(start..start.saturating_add(own));
        let piece = piece.unwrap_or_default();
        let read = fill(&mut &self.input.file, piece).map_err(BuildError::input(path))?;
        if read < own {
            return Err(BuildError::Changed(path.clone()));
        }
        self.hasher.update(piece);
        self.left -= take;
        Ok(())
    }

    fn end(self) -> Result<Digest, BuildError> {
        let path = &self.input.path;
        let more = (&self.input.file).read(&mut [0]);
        if more.map_err(BuildError::input(path))? > 0 {
            return Err(BuildError::Changed(path.clone()));
        }
        Ok(*self.hasher.finalize().as_bytes())
    }
}
