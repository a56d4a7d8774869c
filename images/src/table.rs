//! The transport table: how each chunk is packed in this file, in order. It is
//! signed with the manifest, and not installed.
//!
//! Two layouts are read. In that of format 1 each piece is a chunk of its own.
//! In that of format 2, which is written today, a chunk may cover several pieces
//! of one group, continue what lies before it in its group, or be a patch
//! against content that is on the controller already.

use alloc::string::String;
use alloc::vec::Vec;

use crate::bytes::Cursor;
use crate::index::{self, Index, Piece};
use crate::{ALIGN, Digest, Malformed, Part, Refused};

/// The length of one entry of a table of format 1, in bytes.
pub const ENTRY_LEN_1: usize = 37;

/// The length of one entry of a table of format 2, in bytes.
pub const ENTRY_LEN: usize = 39;

/// The longest version that a base may have, in bytes.
const VERSION_MAX: usize = 128;

/// How a chunk's bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// As they are.
    Stored,
    /// One zstd frame.
    Zstd,
    /// One zstd frame whose prefix is the content of the group before the chunk;
    /// never the first of its group.
    Continued,
    /// A patch: see [`crate::patch`].
    Patch,
}

impl Packing {
    /// Every packing; its place is its number.
    const ALL: [Self; 4] = [Self::Stored, Self::Zstd, Self::Continued, Self::Patch];

    /// The number in the table.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Stored => 0,
            Self::Zstd => 1,
            Self::Continued => 2,
            Self::Patch => 3,
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|packing| packing.number() == number)
    }
}

/// How one chunk travels in this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// How it is packed.
    pub packing: Packing,
    /// How many pieces it covers, at least 1.
    pub pieces: u16,
    /// Where its packed bytes begin in the payload, in bytes: the sum of the
    /// lengths before it, so that overlap and disorder cannot be expressed.
    pub offset: u64,
    /// Length of its packed bytes.
    pub length: u32,
    /// BLAKE3 of its packed bytes.
    pub hash: Digest,
}

/// The image whose content a delta needs on the controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// BLAKE3 of its manifest.
    pub manifest: Digest,
    /// Its version, for people.
    pub version: String,
    /// How long its content is, in bytes.
    pub content_len: u64,
    /// How long the full image would be, in bytes; for people.
    pub full_len: u64,
}

/// How all chunks travel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    base: Option<Base>,
    self_limit: u64,
    entries: Vec<Entry>,
}

impl Table {
    /// Reads a table of format 1 whose BLAKE3 has been found signed.
    ///
    /// # Errors
    /// [`Refused::Malformed`] if it does not have one entry per piece, a
    /// length is not allowed, or the sum is not `payload_len`.
    pub fn parse_1(bytes: &[u8], index: &Index, payload_len: u64) -> Result<Self, Refused> {
        let read = || {
            let mut cursor = Cursor::new(bytes);
            let mut entries = Entries::new(index, bytes.len() / ENTRY_LEN_1);
            for _ in index.pieces() {
                let unknown = cursor.malformed("unknown packing");
                let packing = Packing::from_number(cursor.u8("packing")?)
                    .filter(|packing| matches!(packing, Packing::Stored | Packing::Zstd))
                    .ok_or(unknown)?;
                entries.read(&mut cursor, packing, 1)?;
            }
            cursor.end("more entries than the index has pieces")?;
            Ok(Self {
                base: None,
                self_limit: 0,
                entries: entries.finish(&cursor, payload_len)?,
            })
        };
        read().map_err(|malformed: Malformed| malformed.of(Part::Table))
    }

    /// Reads a table whose BLAKE3 has been found signed.
    ///
    /// # Errors
    /// [`Refused::Malformed`] if its chunks are not the pieces of the index, a
    /// length or a packing is not allowed, or the sum is not `payload_len`.
    pub fn parse(bytes: &[u8], index: &Index, payload_len: u64) -> Result<Self, Refused> {
        Self::read(bytes, index, payload_len).map_err(|malformed| malformed.of(Part::Table))
    }

    fn read(bytes: &[u8], index: &Index, payload_len: u64) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(bytes);
        let base = read_base(&mut cursor)?;
        let wrong = cursor.malformed("a chunk may only be made of content in groups before it");
        let self_limit = cursor.u64("limit of the content that chunks are made of")?;
        if self_limit != 0 && !index::starts_group(index.pieces(), self_limit) {
            return Err(wrong);
        }
        let mut entries = Entries::new(index, bytes.len() / ENTRY_LEN);
        while entries.left() {
            let unknown = cursor.malformed("unknown packing");
            let packing = Packing::from_number(cursor.u8("packing")?).ok_or(unknown)?;
            let groundless = base.is_none() && (self_limit == 0 || entries.place() < self_limit);
            // Nothing lies before the first chunk of a group: it is written as a frame
            // of its own.
            let prefixless = packing == Packing::Continued && entries.begins_group();
            if prefixless || packing == Packing::Patch && groundless {
                return Err(unknown);
            }
            let count = cursor.u16("number of pieces")?;
            entries.read(&mut cursor, packing, count)?;
        }
        cursor.end("more entries than the index has pieces")?;
        Ok(Self {
            base,
            self_limit,
            entries: entries.finish(&cursor, payload_len)?,
        })
    }

    /// The image whose content has to be on the controller, for a delta.
    #[must_use]
    pub fn base(&self) -> Option<&Base> {
        self.base.as_ref()
    }

    /// Patches of chunks from here on may be made of the image's own content
    /// before here, in bytes of the slot; 0 where none is.
    #[must_use]
    pub fn self_limit(&self) -> u64 {
        self.self_limit
    }

    /// The entries, in the order of the index.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

fn read_base(cursor: &mut Cursor<'_>) -> Result<Option<Base>, Malformed> {
    let manifest = cursor.digest("manifest of the base")?;
    let wrong = cursor.malformed("version of the base is not allowed");
    let length = usize::from(cursor.u16("length of the version of the base")?);
    let version = core::str::from_utf8(cursor.slice("version of the base", length)?);
    let printable = |text: &&str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let version = version.ok().filter(printable).ok_or(wrong)?;
    let wrong_len = cursor.malformed("length of the base is not allowed");
    let content_len = cursor.u64("length of the content of the base")?;
    let full_len = cursor.u64("length of the full image")?;
    let none = manifest == Digest::default();
    let nothing = version.is_empty() && content_len == 0 && full_len == 0;
    if none && nothing {
        return Ok(None);
    }
    if none || version.is_empty() || length > VERSION_MAX {
        return Err(wrong);
    }
    // What a patch is made of has one address, so both contents fit 64 bits.
    if content_len == 0 || !content_len.is_multiple_of(ALIGN) || content_len > u64::MAX / 4 {
        return Err(wrong_len);
    }
    Ok(Some(Base {
        manifest,
        version: version.into(),
        content_len,
        full_len,
    }))
}

/// Entries while they are read, against the pieces that they cover.
struct Entries<'a> {
    pieces: &'a [Piece],
    next: usize,
    /// How far the group of the next piece goes, in pieces.
    group_end: usize,
    offset: u64,
    entries: Vec<Entry>,
}

impl<'a> Entries<'a> {
    /// `room` is how many the bytes that are there can hold.
    fn new(index: &'a Index, room: usize) -> Self {
        let pieces = index.pieces();
        Self {
            pieces,
            next: 0,
            group_end: 0,
            offset: 0,
            entries: Vec::with_capacity(room.min(pieces.len())),
        }
    }

    fn left(&self) -> bool {
        self.next < self.pieces.len()
    }

    /// Whether the next chunk is the first of its group.
    fn begins_group(&self) -> bool {
        self.next == self.group_end
    }

    /// Where the next chunk goes in the slot.
    fn place(&self) -> u64 {
        self.pieces.get(self.next).map_or(0, |piece| piece.offset)
    }

    /// Reads packed length and hash of the next chunk.
    fn read(
        &mut self,
        cursor: &mut Cursor<'_>,
        packing: Packing,
        count: u16,
    ) -> Result<(), Malformed> {
        let crosses = cursor.malformed("a chunk is not of whole pieces of one group");
        if self.begins_group() {
            self.group_end = index::group_end(self.pieces, self.next);
        }
        let end = self.next.saturating_add(usize::from(count));
        if count == 0 || end > self.group_end {
            return Err(crosses);
        }
        let covered = self.pieces.get(self.next..end).ok_or(crosses)?;
        let content = index::length(covered);
        let wrong = cursor.malformed("packed length is not allowed");
        let length = cursor.u32("packed length")?;
        let allowed = match packing {
            Packing::Stored => u64::from(length) == content,
            _ => length > 0 && u64::from(length) < content,
        };
        if !allowed {
            return Err(wrong);
        }
        self.entries.push(Entry {
            packing,
            pieces: count,
            offset: self.offset,
            length,
            hash: cursor.digest("hash of a chunk")?,
        });
        self.offset = self.offset.checked_add(u64::from(length)).ok_or(wrong)?;
        self.next = end;
        Ok(())
    }

    fn finish(self, cursor: &Cursor<'_>, payload_len: u64) -> Result<Vec<Entry>, Malformed> {
        if self.offset != payload_len {
            return Err(cursor.malformed("chunks are not as long as the payload"));
        }
        Ok(self.entries)
    }
}

/// The bytes of a table before its entries.
#[must_use]
pub fn encode_start(base: Option<&Base>, self_limit: u64) -> Vec<u8> {
    let version = base.map_or("", |base| base.version.as_str());
    let length = u16::try_from(version.len()).unwrap_or(u16::MAX);
    let mut start = base
        .map_or(Digest::default(), |base| base.manifest)
        .to_vec();
    start.extend(length.to_le_bytes());
    start.extend(version.bytes());
    start.extend(base.map_or(0, |base| base.content_len).to_le_bytes());
    start.extend(base.map_or(0, |base| base.full_len).to_le_bytes());
    start.extend(self_limit.to_le_bytes());
    start
}

/// The bytes of a table entry.
#[must_use]
pub fn encode_entry(packing: Packing, pieces: u16, length: u32, hash: &Digest) -> [u8; ENTRY_LEN] {
    let mut entry = [0; ENTRY_LEN];
    let fields = core::iter::once(packing.number())
        .chain(pieces.to_le_bytes())
        .chain(length.to_le_bytes())
        .chain(*hash);
    for (to, from) in entry.iter_mut().zip(fields) {
        *to = from;
    }
    entry
}

#[cfg(test)]
mod tests;
