//! The head of an image: everything before the payload.

use alloc::vec::Vec;

use crate::chunk::Chunk;
use crate::header::Header;
use crate::index::Index;
use crate::key::KeyId;
use crate::key_set::SignedKeySet;
use crate::manifest::Manifest;
use crate::signature::{SIGNATURES_LEN, SignatureArea};
use crate::table::Table;
use crate::trust::{Claim, Trust};
use crate::{Digest, Part, Refused, digest, slot_area};

/// Everything before the payload, whole and consistent. [`Head::open`] gives
/// one only if a trusted key signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// How long each part of the file is.
    pub header: Header,
    /// The signatures, all of them.
    pub signatures: SignatureArea,
    /// The key set under which they were made, if the image has one.
    pub key_set: Option<SignedKeySet>,
    /// What the manifest says.
    pub manifest: Manifest,
    /// The bytes of the manifest.
    pub manifest_bytes: Vec<u8>,
    /// BLAKE3 of those bytes: the digest of the image.
    pub digest: Digest,
    /// The bytes of the index, as they go into the slot at
    /// [`Manifest::index_offset`].
    pub index_bytes: Vec<u8>,
    /// The pieces of the slot's content.
    pub index: Index,
    /// How the chunks are packed.
    pub table: Table,
    /// BLAKE3 of the transport table.
    pub table_digest: Digest,
    /// Which of the keys that count signed.
    pub signed_by: Vec<KeyId>,
}

/// A head that nobody vouches for: to be shown or signed, never to be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unverified(pub Head);

/// The bytes behind the header, cut where the header says.
struct Parts<'a> {
    signatures: &'a [u8],
    key_set: Option<&'a [u8]>,
    manifest: &'a [u8],
    index: &'a [u8],
    table: &'a [u8],
}

impl Head {
    /// Verifies and reads what follows the header: `rest` is exactly
    /// [`Header::rest_length`] bytes. Manifest, index and table are parsed
    /// only after those who are trusted were found to have signed.
    ///
    /// # Errors
    /// [`Refused`], at the first thing that is not as it was signed.
    pub fn open(header: &Header, rest: &[u8], trusted: &Trust) -> Result<Self, Refused> {
        Self::read(header, rest, Some(trusted))
    }

    /// Like [`Head::open`], but no key is asked for.
    ///
    /// # Errors
    /// [`Refused`] if the parts do not fit each other.
    pub fn open_untrusted(header: &Header, rest: &[u8]) -> Result<Unverified, Refused> {
        Self::read(header, rest, None).map(Unverified)
    }

    fn read(header: &Header, rest: &[u8], trust: Option<&Trust>) -> Result<Self, Refused> {
        let parts = Parts::cut(header, rest)?;
        let table_digest = digest(parts.table);
        let claim = Claim {
            signatures: parts.signatures,
            key_set: parts.key_set,
            manifest: parts.manifest,
            table_digest,
        };
        let opened = claim.open(trust)?;
        let index = Index::parse(parts.index, &opened.manifest)?;
        let table = match header.format {
            1 => Table::parse_1(parts.table, &index, header.payload_len)?,
            _ => Table::parse(parts.table, &index, header.payload_len)?,
        };
        Ok(Self {
            header: *header,
            signatures: opened.signatures,
            key_set: opened.key_set,
            manifest: opened.manifest,
            manifest_bytes: parts.manifest.to_vec(),
            digest: opened.digest,
            index_bytes: parts.index.to_vec(),
            index,
            table,
            table_digest,
            signed_by: opened.signed_by,
        })
    }

    /// The chunks, in the order of the payload.
    pub fn chunks(&self) -> impl ExactSizeIterator<Item = Chunk<'_>> + '_ {
        let mut first = 0_usize;
        let entries = self.table.entries().iter().enumerate();
        entries.map(move |(number, entry)| {
            let end = first.saturating_add(usize::from(entry.pieces));
            let pieces = self.index.pieces().get(first..end).unwrap_or_default();
            let chunk = Chunk {
                number: number as u64,
                first,
                pieces,
                entry: *entry,
            };
            first = end;
            chunk
        })
    }

    /// The manifest area that a slot gets when this image is installed.
    ///
    /// # Errors
    /// [`Refused::TooLarge`], never for a head that was read.
    pub fn slot_area(&self) -> Result<Vec<u8>, Refused> {
        slot_area::build(
            &self.manifest_bytes,
            &self.signatures,
            &self.table_digest,
            self.key_set.as_ref(),
        )
    }
}

impl<'a> Parts<'a> {
    fn cut(header: &Header, rest: &'a [u8]) -> Result<Self, Refused> {
        let expected = header.rest_length();
        let wrong = Refused::Truncated {
            part: Part::Head,
            expected: expected as u64,
            found: rest.len() as u64,
        };
        if rest.len() != expected {
            return Err(wrong);
        }
        let cut = |bytes: &'a [u8], length: u64| {
            let length = usize::try_from(length).map_err(|_| wrong.clone())?;
            bytes.split_at_checked(length).ok_or(wrong.clone())
        };
        let (signatures, rest) = cut(rest, SIGNATURES_LEN as u64)?;
        let (key_set, rest) = cut(rest, u64::from(header.key_set_len))?;
        let (manifest, rest) = cut(rest, u64::from(header.manifest_len))?;
        let (index, table) = cut(rest, header.index_len)?;
        Ok(Self {
            signatures,
            // A header says no other length than that of a set, or none.
            key_set: (!key_set.is_empty()).then_some(key_set),
            manifest,
            index,
            table,
        })
    }
}
