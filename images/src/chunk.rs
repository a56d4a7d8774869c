//! A chunk: the packed bytes of one piece of the slot's content.

#[cfg(feature = "std")]
mod unpack;

#[cfg(feature = "std")]
pub use unpack::Unpacker;

use crate::index::Piece;
use crate::table::Entry;
use crate::{Part, Refused, digest};

/// One piece of the slot's content and how it travels in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Counted from 0.
    pub number: u64,
    /// What it is when unpacked, and where it goes.
    pub piece: Piece,
    /// How it is packed, and where it comes from.
    pub entry: Entry,
}

impl Chunk {
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

    /// Whether `content` is what the signed index says.
    ///
    /// # Errors
    /// [`Refused::HashWrong`].
    pub fn check_content(&self, content: &[u8]) -> Result<(), Refused> {
        if !self.piece.is(content) {
            let part = Part::Piece(self.number);
            return Err(Refused::HashWrong { part });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
