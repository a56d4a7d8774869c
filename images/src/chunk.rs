//! A chunk: the packed bytes of some pieces of the slot's content.

#[cfg(feature = "unpack")]
mod unpack;

#[cfg(feature = "build")]
pub(crate) use unpack::is_dictionary;
#[cfg(feature = "unpack")]
pub use unpack::{Ground, NoGround, UnpackError, Unpacker};

use crate::index::{self, Piece};
use crate::table::Entry;
use crate::{Part, Refused, digest};

/// How much of the content before it a chunk continues at most, in bytes: what a
/// compressor learns anew for each chunk.
pub const CONTINUED_MAX: usize = 64 << 10;

/// The part of the content before a chunk that it continues.
#[cfg(feature = "unpack")]
pub(crate) fn continued(before: &[u8]) -> &[u8] {
    let skipped = before.len().saturating_sub(CONTINUED_MAX);
    before.get(skipped..).unwrap_or_default()
}

/// Pieces of the slot's content and how they travel in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Counted from 0.
    pub number: u64,
    /// Which piece of the index the first one is.
    pub first: usize,
    /// What it is when unpacked, and where it goes.
    pub pieces: &'a [Piece],
    /// How it is packed, and where it comes from.
    pub entry: Entry,
}

impl Chunk<'_> {
    /// Where its content begins in the slot, in bytes.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.pieces.first().map_or(0, |piece| piece.offset)
    }

    /// How much content it has, in bytes; at most 1 MiB.
    #[must_use]
    pub fn content_len(&self) -> u64 {
        index::length(self.pieces)
    }

    /// Whether `packed` is what the signed table says.
    ///
    /// # Errors
    /// [`Refused::Truncated`] or [`Refused::HashWrong`].
    pub fn check_packed(&self, packed: &[u8]) -> Result<(), Refused> {
        let part = Part::Chunk(self.number);
        let (expected, found) = (u64::from(self.entry.length), packed.len() as u64);
        if found != expected {
            return Err(Refused::Truncated {
                part,
                expected,
                found,
            });
        }
        if digest(packed) != self.entry.hash {
            return Err(Refused::HashWrong { part });
        }
        Ok(())
    }

    /// Whether `content` is what the signed index says, piece by piece.
    ///
    /// # Errors
    /// [`Refused::HashWrong`] with the first piece that is not.
    pub fn check_content(&self, content: &[u8]) -> Result<(), Refused> {
        let mut rest = content;
        for (number, piece) in (self.first as u64..).zip(self.pieces) {
            let wrong = Refused::HashWrong {
                part: Part::Piece(number),
            };
            let length = usize::try_from(piece.length).unwrap_or(usize::MAX);
            let (own, behind) = rest.split_at_checked(length).ok_or(wrong.clone())?;
            if !piece.is(own) {
                return Err(wrong);
            }
            rest = behind;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
