//! The first 64 bytes of an image file: what it is, and how long each part is.

use crate::bytes::Cursor;
use crate::key_set::KEY_SET_LEN;
use crate::manifest::MANIFEST_MAX;
use crate::signature::SIGNATURES_LEN;
use crate::{FILE_FORMAT_KEY_SET, Part, Refused};

/// The length of the header, in bytes.
pub const HEADER_LEN: usize = 64;

/// The most that header, signatures, manifest, index and table may need
/// together, in bytes: enough for a slot of 200 GiB.
pub const HEAD_MAX: u64 = 16 << 20;

/// What every image begins with. The first byte is no text in any encoding.
pub const MAGIC: [u8; 8] = *b"\x89SLOTIMG";

/// [`SIGNATURES_LEN`], as the header says it.
const SIGNATURES_FIELD: u32 = 4096;
const _: () = assert!(SIGNATURES_FIELD as usize == SIGNATURES_LEN);

/// How long each part of the file is. Nothing here is signed: each length is
/// checked against signed data before it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Which layout the transport table has, 1 or 2; 3 is 2 with a key set.
    pub format: u32,
    /// Length of the key set, in bytes; 0 exactly in formats 1 and 2.
    pub key_set_len: u32,
    /// Length of the manifest, in bytes.
    pub manifest_len: u32,
    /// Length of the index, in bytes.
    pub index_len: u64,
    /// Length of the transport table, in bytes.
    pub table_len: u64,
    /// Length of all packed chunks, in bytes.
    pub payload_len: u64,
}

impl Header {
    /// Reads the header at the start of `bytes`; what follows is not looked at.
    ///
    /// # Errors
    /// [`Refused`] if it is no image, one of a later format, malformed, or
    /// claims more than [`HEAD_MAX`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        let begins = bytes
            .iter()
            .zip(MAGIC)
            .all(|(found, magic)| *found == magic);
        if bytes.is_empty() || !begins {
            return Err(Refused::NotAnImage);
        }
        let Some(bytes) = bytes.get(..HEADER_LEN) else {
            return Err(Refused::Truncated {
                part: Part::Header,
                expected: HEADER_LEN as u64,
                found: bytes.len() as u64,
            });
        };
        let malformed = |m: crate::Malformed| m.of(Part::Header);
        let mut cursor = Cursor::new(bytes);
        cursor.slice("magic", MAGIC.len()).map_err(malformed)?;
        let found = cursor.u32("format").map_err(malformed)?;
        if found == 0 || found > FILE_FORMAT_KEY_SET {
            let part = Part::Header;
            return Err(Refused::UnknownFormat { part, found });
        }
        let header = Self::fields(&mut cursor, found).map_err(malformed)?;
        header.check()?;
        Ok(header)
    }

    fn fields(cursor: &mut Cursor<'_>, format: u32) -> Result<Self, crate::Malformed> {
        let manifest_len = cursor.u32("manifest length")?;
        let index_len = cursor.u64("index length")?;
        let table_len = cursor.u64("table length")?;
        let at_payload = cursor.malformed("the payload would end past 2^64 bytes");
        let payload_len = cursor.u64("payload length")?;
        if payload_len > u64::MAX - HEAD_MAX {
            return Err(at_payload);
        }
        let at_signatures = cursor.malformed("length of the signature area is not 4096");
        if cursor.u32("length of the signature area")? != SIGNATURES_FIELD {
            return Err(at_signatures);
        }
        let mut key_set_len = 0;
        if format == FILE_FORMAT_KEY_SET {
            let wrong = cursor.malformed("length is not that of a key set");
            key_set_len = cursor.u32("length of the key set")?;
            if !usize::try_from(key_set_len).is_ok_and(|length| KEY_SET_LEN.contains(&length)) {
                return Err(wrong);
            }
        }
        let left = cursor.left();
        cursor.zeros("unused bytes are not zero", left)?;
        Ok(Self {
            format,
            key_set_len,
            manifest_len,
            index_len,
            table_len,
            payload_len,
        })
    }

    /// Whether manifest and head are within their limits.
    pub(crate) fn check(&self) -> Result<(), Refused> {
        let limit = u64::from(MANIFEST_MAX);
        let found = u64::from(self.manifest_len);
        if found > limit {
            let part = Part::Manifest;
            return Err(Refused::TooLarge { part, found, limit });
        }
        let head = self.checked_head_len().unwrap_or(u64::MAX);
        if head > HEAD_MAX {
            return Err(Refused::TooLarge {
                part: Part::Head,
                found: head,
                limit: HEAD_MAX,
            });
        }
        Ok(())
    }

    fn checked_head_len(&self) -> Option<u64> {
        (HEADER_LEN as u64 + SIGNATURES_LEN as u64)
            .checked_add(u64::from(self.key_set_len))?
            .checked_add(u64::from(self.manifest_len))?
            .checked_add(self.index_len)?
            .checked_add(self.table_len)
    }

    /// How many bytes follow the header before the payload, at most [`HEAD_MAX`].
    #[must_use]
    pub fn rest_length(&self) -> usize {
        let rest = self.payload_offset().saturating_sub(HEADER_LEN as u64);
        usize::try_from(rest).unwrap_or(usize::MAX)
    }

    /// Where the payload begins in the file, in bytes.
    #[must_use]
    pub fn payload_offset(&self) -> u64 {
        self.checked_head_len().unwrap_or(u64::MAX)
    }

    /// The length of the whole file, in bytes. What follows is to be refused.
    #[must_use]
    pub fn file_length(&self) -> u64 {
        self.payload_offset().saturating_add(self.payload_len)
    }

    /// The 64 bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        let fields = MAGIC
            .into_iter()
            .chain(self.format.to_le_bytes())
            .chain(self.manifest_len.to_le_bytes())
            .chain(self.index_len.to_le_bytes())
            .chain(self.table_len.to_le_bytes())
            .chain(self.payload_len.to_le_bytes())
            .chain(SIGNATURES_FIELD.to_le_bytes())
            .chain(self.key_set_len.to_le_bytes());
        for (to, from) in out.iter_mut().zip(fields) {
            *to = from;
        }
        out
    }
}
