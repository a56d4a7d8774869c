//! The index: the BLAKE3 of each piece of the slot's content, in order.

use alloc::vec::Vec;

use crate::bytes::Cursor;
use crate::manifest::Manifest;
use crate::{ALIGN, Digest, INDEX_ENTRY_LEN, Malformed, PIECE_MAX, Part, Refused, digest};

/// A run of the slot's content with a hash of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins in the slot, in bytes.
    pub offset: u64,
    /// Its length, in bytes: a multiple of [`ALIGN`], at most [`PIECE_MAX`].
    pub length: u32,
    /// BLAKE3 of its bytes.
    pub hash: Digest,
}

impl Piece {
    /// Whether `content` is this piece, byte for byte.
    #[must_use]
    pub fn is(&self, content: &[u8]) -> bool {
        content.len() as u64 == u64::from(self.length) && digest(content) == self.hash
    }
}

/// All pieces of a slot's content. They follow each other without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    pieces: Vec<Piece>,
}

impl Index {
    #[cfg(test)]
    pub(crate) fn of(pieces: Vec<Piece>) -> Self {
        Self { pieces }
    }

    /// Reads the index that `manifest` binds: first its hash, then its fields.
    ///
    /// # Errors
    /// [`Refused::HashWrong`] if it is another, [`Refused::Malformed`] if a
    /// length is not allowed or the pieces are not as long as the content.
    pub fn parse(bytes: &[u8], manifest: &Manifest) -> Result<Self, Refused> {
        let part = Part::Index;
        if bytes.len() as u64 != manifest.index_len || digest(bytes) != manifest.index_hash {
            return Err(Refused::HashWrong { part });
        }
        Self::read(bytes, manifest.content_len).map_err(|malformed| malformed.of(part))
    }

    fn read(bytes: &[u8], content_len: u64) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(bytes);
        let mut pieces = Vec::with_capacity(bytes.len() / INDEX_ENTRY_LEN);
        let mut offset = 0_u64;
        while cursor.left() > 0 {
            let wrong = cursor.malformed("length of a piece is not allowed");
            let length = cursor.u32("length of a piece")?;
            let aligned = u64::from(length).is_multiple_of(ALIGN);
            if length == 0 || length > PIECE_MAX || !aligned {
                return Err(wrong);
            }
            let hash = cursor.digest("hash of a piece")?;
            pieces.push(Piece {
                offset,
                length,
                hash,
            });
            offset = offset.checked_add(u64::from(length)).ok_or(wrong)?;
        }
        if offset != content_len {
            return Err(cursor.malformed("pieces are not as long as the content"));
        }
        Ok(Self { pieces })
    }

    /// The pieces, in the order of the slot.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }
}

/// The bytes of an index entry.
#[must_use]
pub fn encode_entry(length: u32, hash: &Digest) -> [u8; INDEX_ENTRY_LEN] {
    let mut entry = [0; INDEX_ENTRY_LEN];
    let fields = length.to_le_bytes().into_iter().chain(*hash);
    for (to, from) in entry.iter_mut().zip(fields) {
        *to = from;
    }
    entry
}

/// Where the group that begins with piece `first` ends, in pieces.
#[must_use]
pub fn group_end(pieces: &[Piece], first: usize) -> usize {
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
pub(crate) fn starts_group(pieces: &[Piece], offset: u64) -> bool {
    let mut first = 0;
    while let Some(piece) = pieces.get(first) {
        if piece.offset >= offset {
            return piece.offset == offset;
        }
        first = group_end(pieces, first);
    }
    false
}

/// How long pieces are together, in bytes.
pub(crate) fn length(pieces: &[Piece]) -> u64 {
    pieces.iter().map(|piece| u64::from(piece.length)).sum()
}

#[cfg(test)]
mod tests;
