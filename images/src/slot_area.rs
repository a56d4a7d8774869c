//! The manifest area: the last 64 KiB of a slot, with the manifest and its
//! signatures. Enough to verify the slot without the file it came from.

use alloc::vec::Vec;

use crate::bytes::Cursor;
use crate::key::{KeyId, PublicKey};
use crate::manifest::{MANIFEST_MAX, Manifest};
use crate::signature::{SIGNATURES_LEN, SignatureArea, tbs};
use crate::{Digest, FORMAT, Malformed, Part, Refused, SLOT_AREA_LEN, digest};

/// What a manifest area begins with.
const MAGIC: [u8; 8] = *b"SLOTAREA";

/// Bytes between the table hash and the signatures, zero.
const RESERVED: usize = 16;

/// What is installed in a slot, signed by a trusted key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// What the manifest says.
    pub manifest: Manifest,
    /// BLAKE3 of the manifest's bytes: the digest of the image.
    pub digest: Digest,
    /// BLAKE3 of the transport table that the image came with.
    pub table_digest: Digest,
    /// Which of the trusted keys signed.
    pub signed_by: Vec<KeyId>,
}

/// Reads the manifest of an area of [`SLOT_AREA_LEN`] bytes whose digest is known
/// from somebody who verified it. It is parsed only after it was found to be that
/// one.
///
/// # Errors
/// [`Refused`]: no manifest there, another format, malformed, or another one.
pub fn open_known(area: &[u8], known: &Digest) -> Result<Manifest, Refused> {
    let parts = split(area)?;
    if digest(parts.manifest) != *known {
        let part = Part::Manifest;
        return Err(Refused::HashWrong { part });
    }
    Manifest::parse(parts.manifest)
}

/// The parts of an area, not yet verified.
struct Parts<'a> {
    manifest: &'a [u8],
    table_digest: Digest,
    signatures: &'a [u8],
}

/// Reads and verifies a manifest area of [`SLOT_AREA_LEN`] bytes. The manifest
/// is parsed only after a signature by a trusted key was found right.
///
/// # Errors
/// [`Refused`]: no manifest there, another format, malformed, unsigned, or not
/// signed by a trusted key.
pub fn open(area: &[u8], trusted: &[PublicKey]) -> Result<Installed, Refused> {
    let parts = split(area)?;
    let signatures = SignatureArea::parse(parts.signatures)?;
    let manifest_digest = digest(parts.manifest);
    let message = tbs(&manifest_digest, &parts.table_digest);
    let signed_by = signatures.verify(&message, trusted)?;
    Ok(Installed {
        manifest: Manifest::parse(parts.manifest)?,
        digest: manifest_digest,
        table_digest: parts.table_digest,
        signed_by,
    })
}

fn split(area: &[u8]) -> Result<Parts<'_>, Refused> {
    if area.len() != SLOT_AREA_LEN {
        return Err(Refused::Truncated {
            part: Part::SlotArea,
            expected: SLOT_AREA_LEN as u64,
            found: area.len() as u64,
        });
    }
    let refused = |malformed: Malformed| malformed.of(Part::SlotArea);
    let mut cursor = Cursor::new(area);
    if cursor.array("magic").map_err(refused)? != MAGIC {
        return Err(Refused::NoManifest);
    }
    let found = cursor.u32("format").map_err(refused)?;
    if found != FORMAT {
        let part = Part::SlotArea;
        return Err(Refused::UnknownFormat { part, found });
    }
    fields(&mut cursor).map_err(refused)
}

fn fields<'a>(cursor: &mut Cursor<'a>) -> Result<Parts<'a>, Malformed> {
    let too_long = cursor.malformed("manifest is longer than 32 KiB");
    let manifest_len = cursor.u32("manifest length")?;
    if manifest_len > MANIFEST_MAX {
        return Err(too_long);
    }
    let manifest_len = usize::try_from(manifest_len).map_err(|_| too_long)?;
    let table_digest = cursor.digest("hash of the transport table")?;
    cursor.zeros("unused bytes are not zero", RESERVED)?;
    let signatures = cursor.slice("signatures", SIGNATURES_LEN)?;
    let manifest = cursor.slice("manifest", manifest_len)?;
    let left = cursor.left();
    cursor.zeros("unused bytes are not zero", left)?;
    Ok(Parts {
        manifest,
        table_digest,
        signatures,
    })
}

/// The [`SLOT_AREA_LEN`] bytes for the end of a slot.
///
/// # Errors
/// [`Refused::TooLarge`] if `manifest` has more bytes than a manifest may have.
pub fn build(
    manifest: &[u8],
    signatures: &SignatureArea,
    table_digest: &Digest,
) -> Result<Vec<u8>, Refused> {
    let found = manifest.len() as u64;
    let limit = u64::from(MANIFEST_MAX);
    let manifest_len = u32::try_from(found)
        .ok()
        .filter(|length| *length <= MANIFEST_MAX)
        .ok_or(Refused::TooLarge {
            part: Part::Manifest,
            found,
            limit,
        })?;
    let mut area = Vec::with_capacity(SLOT_AREA_LEN);
    area.extend(MAGIC);
    area.extend(FORMAT.to_le_bytes());
    area.extend(manifest_len.to_le_bytes());
    area.extend(table_digest);
    area.extend([0; RESERVED]);
    area.extend(signatures.encode());
    area.extend(manifest);
    area.resize(SLOT_AREA_LEN, 0);
    Ok(area)
}
