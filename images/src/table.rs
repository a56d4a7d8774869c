//! The transport table: how each chunk is packed in this file, in order. It is
//! signed with the manifest, and not installed.

use alloc::vec::Vec;

use crate::bytes::Cursor;
use crate::index::Index;
use crate::{Digest, Malformed, Part, Refused};

/// The length of one entry of the table, in bytes.
pub const ENTRY_LEN: usize = 37;

/// How a chunk's bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// As they are.
    Stored,
    /// One zstd frame.
    Zstd,
}

impl Packing {
    /// The number in the table.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Stored => 0,
            Self::Zstd => 1,
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        [Self::Stored, Self::Zstd]
            .into_iter()
            .find(|packing| packing.number() == number)
    }
}

/// How one chunk travels in this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// How it is packed.
    pub packing: Packing,
    /// Where its packed bytes begin in the payload, in bytes: the sum of the
    /// lengths before it, so that overlap and disorder cannot be expressed.
    pub offset: u64,
    /// Length of its packed bytes.
    pub length: u32,
    /// BLAKE3 of its packed bytes.
    pub hash: Digest,
}

/// How all chunks travel: one entry per piece of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    entries: Vec<Entry>,
}

impl Table {
    /// Reads a table whose BLAKE3 has been found signed.
    ///
    /// # Errors
    /// [`Refused::Malformed`] if it does not have one entry per piece, a
    /// length is not allowed, or the sum is not `payload_len`.
    pub fn parse(bytes: &[u8], index: &Index, payload_len: u64) -> Result<Self, Refused> {
        Self::read(bytes, index, payload_len).map_err(|malformed| malformed.of(Part::Table))
    }

    fn read(bytes: &[u8], index: &Index, payload_len: u64) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(bytes);
        let mut entries = Vec::with_capacity(bytes.len() / ENTRY_LEN);
        let mut offset = 0_u64;
        for piece in index.pieces() {
            let unknown = cursor.malformed("unknown packing");
            let packing = Packing::from_number(cursor.u8("packing")?).ok_or(unknown)?;
            let wrong = cursor.malformed("packed length is not allowed");
            let length = cursor.u32("packed length")?;
            let allowed = match packing {
                Packing::Stored => length == piece.length,
                Packing::Zstd => length > 0 && length < piece.length,
            };
            if !allowed {
                return Err(wrong);
            }
            let hash = cursor.digest("hash of a chunk")?;
            entries.push(Entry {
                packing,
                offset,
                length,
                hash,
            });
            offset = offset.checked_add(u64::from(length)).ok_or(wrong)?;
        }
        cursor.end("more entries than the index has pieces")?;
        if offset != payload_len {
            return Err(cursor.malformed("chunks are not as long as the payload"));
        }
        Ok(Self { entries })
    }

    /// The entries, in the order of the index.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// The bytes of a table entry.
#[must_use]
pub fn encode_entry(packing: Packing, length: u32, hash: &Digest) -> [u8; ENTRY_LEN] {
    let mut entry = [0; ENTRY_LEN];
    let fields = core::iter::once(packing.number())
        .chain(length.to_le_bytes())
        .chain(*hash);
    for (to, from) in entry.iter_mut().zip(fields) {
        *to = from;
    }
    entry
}

#[cfg(test)]
mod tests;
