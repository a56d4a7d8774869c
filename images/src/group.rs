//! Groups: how pieces are worked on. From the first piece on, a group is as many
//! pieces as fit into 1 MiB, so the index alone says where each begins. A chunk
//! lies in one group, and what is in memory of a slot is a group at a time.

use alloc::vec::Vec;

use crate::PIECE_MAX;
use crate::chunk::Chunk;
use crate::head::Head;
use crate::index::Piece;

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
        usize::try_from(length(self.pieces)).map_or(GROUP_MAX, |length| length.min(GROUP_MAX))
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
        let end = end(pieces, first);
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

/// Where the group that begins with piece `first` ends, in pieces.
#[must_use]
pub fn end(pieces: &[Piece], first: usize) -> usize {
    let mut room = u64::from(PIECE_MAX);
    let fits = |piece: &&Piece| match room.checked_sub(u64::from(piece.length)) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    };
    let count = pieces.iter().skip(first).take_while(fits).count();
    first.saturating_add(count)
}

/// Whether a group begins at this place of the slot.
pub(crate) fn starts_at(pieces: &[Piece], offset: u64) -> bool {
    let mut first = 0;
    while let Some(piece) = pieces.get(first) {
        if piece.offset >= offset {
            return piece.offset == offset;
        }
        first = end(pieces, first);
    }
    false
}

/// How long pieces are together, in bytes.
pub(crate) fn length(pieces: &[Piece]) -> u64 {
    pieces.iter().map(|piece| u64::from(piece.length)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(lengths: &[u32]) -> Vec<Piece> {
        let mut offset = 0;
        let piece = |length: &u32| {
            let piece = Piece {
                offset,
                length: *length,
                hash: [0; 32],
            };
            offset += u64::from(*length);
            piece
        };
        lengths.iter().map(piece).collect()
    }

    #[test]
    fn a_group_is_as_many_pieces_as_fit_into_one_mebibyte() {
        let pieces = pieces(&[4096, PIECE_MAX - 4096, 4096, PIECE_MAX, PIECE_MAX / 2, 4096]);
        let mut ends = Vec::new();
        while ends.last() != Some(&pieces.len()) {
            ends.push(end(&pieces, ends.last().copied().unwrap_or(0)));
        }
        assert_eq!(ends, [2, 3, 4, 6]);
        let starts = |offset| starts_at(&pieces, offset);
        assert!(starts(0) && starts(1 << 20) && !starts(4096));
        assert!(!starts(u64::from(PIECE_MAX) * 9));
    }
}
