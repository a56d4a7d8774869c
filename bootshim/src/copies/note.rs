//! The note beside each copy of a record.

use super::BLOCK_BYTES;
use crate::record::RECORD_BYTES;
use alloc::string::String;

const NOTE_TEXT: usize = 2;
const NOTE_HASH: usize = BLOCK_BYTES - RECORD_BYTES - 32;
/// Longest note in bytes.
pub const NOTE_MAX: usize = NOTE_HASH - NOTE_TEXT;

/// Words beside a record: why the last trial failed. They never decide anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Note(String);

impl Note {
    /// A note; what is longer than [`NOTE_MAX`] bytes is cut at a character.
    pub fn new(text: &str) -> Note {
        Note(
            text.get(..text.floor_char_boundary(NOTE_MAX))
                .unwrap_or_default()
                .into(),
        )
    }

    /// Its words.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The note of a block; a damaged one is no note.
    pub(super) fn decode(area: &[u8]) -> Note {
        let read = || {
            let (hashed, hash) = area.split_at_checked(NOTE_HASH)?;
            let intact = blake3::hash(hashed).as_bytes().as_slice() == hash;
            let (length, text) = hashed.split_first_chunk().filter(|_| intact)?;
            let (text, behind) = text.split_at_checked(u16::from_le_bytes(*length).into())?;
            let unused = behind.iter().all(|byte| *byte == 0);
            core::str::from_utf8(text).ok().filter(|_| unused)
        };
        Note(read().unwrap_or_default().into())
    }

    pub(super) fn encode(&self, area: &mut [u8]) {
        let length = u16::try_from(self.0.len()).unwrap_or(0);
        if let Some((hashed, hash)) = area.split_at_mut_checked(NOTE_HASH) {
            for (to, from) in hashed
                .iter_mut()
                .zip(length.to_le_bytes().iter().chain(self.0.as_bytes()))
            {
                *to = *from;
            }
            hash.copy_from_slice(blake3::hash(hashed).as_bytes());
        }
    }
}
