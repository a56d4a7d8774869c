//! The manifest area: the last 64 KiB of a slot, with the manifest and its
//! signatures. Enough to verify the slot without the file it came from.

use alloc::vec::Vec;

use crate::bytes::Cursor;
use crate::key::KeyId;
use crate::key_set::{KEY_SET_LEN, SignedKeySet};
use crate::manifest::{MANIFEST_MAX, Manifest};
use crate::signature::{SIGNATURES_LEN, SignatureArea};
use crate::trust::{Claim, Trust};
use crate::{Digest, FORMAT, Malformed, Part, Refused, SLOT_AREA_LEN, digest};

/// What a manifest area begins with.
const MAGIC: [u8; 8] = *b"SLOTAREA";

/// The format of an area with a key set.
const FORMAT_KEY_SET: u32 = 2;

/// Bytes between the length of the key set and the signatures, zero.
const RESERVED: usize = 12;

/// What is installed in a slot, signed as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// What the manifest says.
    pub manifest: Manifest,
    /// BLAKE3 of the manifest's bytes: the digest of the image.
    pub digest: Digest,
    /// BLAKE3 of the transport table that the image came with.
    pub table_digest: Digest,
    /// Which of the keys that count signed.
    pub signed_by: Vec<KeyId>,
    /// The epoch of the key set under which it was accepted; `None` where epochs
    /// decide nothing.
    pub key_epoch: Option<u64>,
}

/// Reads the manifest of an area of [`SLOT_AREA_LEN`] bytes whose digest is known
/// from somebody who verified it. It is parsed only after it was found to be that
/// one.
///
/// # Errors
/// [`Refused`]: no manifest there, another format, malformed, or another one.
pub fn open_known(area: &[u8], known: &Digest) -> Result<Manifest, Refused> {
    let claim = split(area)?;
    if digest(claim.manifest) != *known {
        let part = Part::Manifest;
        return Err(Refused::HashWrong { part });
    }
    Manifest::parse(claim.manifest)
}

/// Reads and verifies a manifest area of [`SLOT_AREA_LEN`] bytes. The manifest
/// is parsed only after those who are trusted were found to have signed.
///
/// # Errors
/// [`Refused`]: no manifest there, another format, malformed, unsigned, or not
/// signed by those who are trusted.
pub fn open(area: &[u8], trusted: &Trust) -> Result<Installed, Refused> {
    let claim = split(area)?;
    let opened = claim.open(Some(trusted))?;
    Ok(Installed {
        key_epoch: trusted.epoch(&opened.manifest),
        manifest: opened.manifest,
        digest: opened.digest,
        table_digest: claim.table_digest,
        signed_by: opened.signed_by,
    })
}

fn split(area: &[u8]) -> Result<Claim<'_>, Refused> {
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
    if found != FORMAT && found != FORMAT_KEY_SET {
        let part = Part::SlotArea;
        return Err(Refused::UnknownFormat { part, found });
    }
    fields(&mut cursor, found == FORMAT_KEY_SET).map_err(refused)
}

fn fields<'a>(cursor: &mut Cursor<'a>, with_key_set: bool) -> Result<Claim<'a>, Malformed> {
    let too_long = cursor.malformed("manifest is longer than 32 KiB");
    let manifest_len = cursor.u32("manifest length")?;
    if manifest_len > MANIFEST_MAX {
        return Err(too_long);
    }
    let manifest_len = usize::try_from(manifest_len).map_err(|_| too_long)?;
    let table_digest = cursor.digest("hash of the transport table")?;
    let wrong = cursor.malformed("length is not that of a key set");
    let key_set_len = usize::try_from(cursor.u32("length of the key set")?).map_err(|_| wrong)?;
    let allowed = match with_key_set {
        true => KEY_SET_LEN.contains(&key_set_len),
        false => key_set_len == 0,
    };
    if !allowed {
        return Err(wrong);
    }
    cursor.zeros("unused bytes are not zero", RESERVED)?;
    let signatures = cursor.slice("signatures", SIGNATURES_LEN)?;
    let key_set = cursor.slice("key set", key_set_len)?;
    let manifest = cursor.slice("manifest", manifest_len)?;
    let left = cursor.left();
    cursor.zeros("unused bytes are not zero", left)?;
    Ok(Claim {
        signatures,
        key_set: with_key_set.then_some(key_set),
        manifest,
        table_digest,
    })
}

/// The [`SLOT_AREA_LEN`] bytes for the end of a slot.
///
/// # Errors
/// [`Refused::TooLarge`] if `manifest` has more bytes than a manifest may have;
/// [`Refused::Malformed`], never for a key set that was read.
pub fn build(
    manifest: &[u8],
    signatures: &SignatureArea,
    table_digest: &Digest,
    key_set: Option<&SignedKeySet>,
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
    let format = key_set.map_or(FORMAT, |_| FORMAT_KEY_SET);
    let key_set = key_set.map_or(Ok(Vec::new()), SignedKeySet::encode);
    let key_set = key_set.map_err(|malformed| malformed.of(Part::KeySet))?;
    let key_set_len = u32::try_from(key_set.len()).unwrap_or(u32::MAX);
    let mut area = Vec::with_capacity(SLOT_AREA_LEN);
    area.extend(MAGIC);
    area.extend(format.to_le_bytes());
    area.extend(manifest_len.to_le_bytes());
    area.extend(table_digest);
    area.extend(key_set_len.to_le_bytes());
    area.extend([0; RESERVED]);
    area.extend(signatures.encode());
    area.extend(key_set);
    area.extend(manifest);
    area.resize(SLOT_AREA_LEN, 0);
    Ok(area)
}
