//! Groups: how pieces are worked on. From the first piece on, a group is as many
//! pieces as fit into 1 MiB, so the index alone says where each begins. A chunk
//! lies in one group, and what is in memory of a slot is a group at a time.

use alloc::vec::Vec;

use crate::PIECE_MAX;
use crate::chunk::Chunk;
use crate::head::Head;
use crate::index::{self, Piece};

/// The most content that a group has, in bytes.
pub const GROUP_MAX: usize = 1 << 20;
const _: () = assert!(
    GROUP_MAX == PIECE_MAX as usize,
    "the longest piece is a group"
);

/// Pieces that are worked on together, and the chunks they come in.
#[derive(Debug, Clone)]
pub struct Group<'a> {
    /// Which piece of the index the first one is.
    pub first: usize,
    /// Its pieces, at least one.
    pub pieces: &'a [Piece],
    /// Its chunks, in order; together they cover the pieces.
    pub chunks: Vec<Chunk<'a>>,
}

impl Group<'_> {
    /// Where its content begins in the slot, in bytes.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.pieces.first().map_or(0, |piece| piece.offset)
    }

    /// How much content it has, at most [`GROUP_MAX`] bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(index::length(self.pieces))
            .map_or(GROUP_MAX, |length| length.min(GROUP_MAX))
    }

    /// Never: a group has at least one piece.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}

/// The groups of an image, in the order of the slot.
pub fn of(head: &Head) -> impl Iterator<Item = Group<'_>> {
    let pieces = head.index.pieces();
    let mut chunks = head.chunks().peekable();
    let mut first = 0;
    core::iter::from_fn(move || {
        let end = index::group_end(pieces, first);
        let own = pieces.get(first..end).filter(|own| !own.is_empty())?;
        let mut inside = Vec::new();
        while let Some(chunk) = chunks.next_if(|chunk| chunk.first < end) {
            inside.push(chunk);
        }
        let group = Group {
            first,
            pieces: own,
            chunks: inside,
        };
        first = end;
        Some(group)
    })
}
