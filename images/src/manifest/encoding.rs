//! The bytes of a manifest: fixed order, one encoding.

use alloc::string::String;
use alloc::vec::Vec;

use super::check::{self, Wrong};
use super::{KeySet, Kind, MANIFEST_MAX, Manifest, Payload, Verity};
use crate::bytes::Cursor;
use crate::{FORMAT, Malformed, Part, Refused};

/// What every manifest begins with.
const MAGIC: [u8; 8] = *b"SLOTMANI";

pub(super) fn parse(bytes: &[u8]) -> Result<Manifest, Refused> {
    let refused = |malformed: Malformed| malformed.of(Part::Manifest);
    let mut cursor = Cursor::new(bytes);
    if bytes.len() as u64 > u64::from(MANIFEST_MAX) {
        return Err(refused(cursor.malformed("longer than 32 KiB")));
    }
    let not_magic = cursor.malformed("wrong magic bytes");
    if cursor.array("magic").map_err(refused)? != MAGIC {
        return Err(refused(not_magic));
    }
    let found = cursor.u32("format").map_err(refused)?;
    if found != FORMAT {
        let part = Part::Manifest;
        return Err(Refused::UnknownFormat { part, found });
    }
    fields(&mut cursor).map_err(refused)
}

fn fields(cursor: &mut Cursor<'_>) -> Result<Manifest, Malformed> {
    let mut manifest = Manifest {
        record_major: cursor.u16("boot record major")?,
        record_minor: cursor.u16("boot record minor")?,
        security_version: cursor.u64("security version")?,
        revoke_below: cursor.u64("revoke below")?,
        watchdog_seconds: cursor.u32("watchdog period")?,
        content_len: cursor.u64("content length")?,
        index_len: cursor.u64("index length")?,
        index_hash: cursor.digest("index hash")?,
        compatible: text(cursor, check::compatible)?,
        version: text(cursor, check::version)?,
        cmdline: text(cursor, check::cmdline)?,
        payloads: Vec::new(),
        verity: None,
        key_set: None,
    };
    let here = cursor.at();
    manifest.payloads = payloads(cursor)?;
    manifest.verity = option(cursor, verity)?;
    manifest.key_set = option(cursor, key_set)?;
    cursor.end("trailing bytes")?;
    whole(&manifest).map_err(|what| Malformed { what, at: here })?;
    Ok(manifest)
}

/// The rules that need more than one field.
fn whole(manifest: &Manifest) -> Result<(), Wrong> {
    check::lengths(manifest)?;
    check::payloads(manifest)
}

fn text(cursor: &mut Cursor<'_>, rule: fn(&str) -> Result<(), Wrong>) -> Result<String, Malformed> {
    let at = cursor.at();
    let len = cursor.u16("length of a text")?;
    let bytes = cursor.slice("text ends early", usize::from(len))?;
    let text = core::str::from_utf8(bytes).map_err(|_| Malformed {
        what: "text is not UTF-8",
        at,
    })?;
    rule(text).map_err(|what| Malformed { what, at })?;
    Ok(String::from(text))
}

fn payloads(cursor: &mut Cursor<'_>) -> Result<Vec<Payload>, Malformed> {
    let count = cursor.u8("number of payloads")?;
    let mut payloads = Vec::new();
    for _ in 0..count {
        let unknown = cursor.malformed("unknown kind of payload");
        let kind = Kind::from_number(cursor.u8("kind of payload")?).ok_or(unknown)?;
        payloads.push(Payload {
            kind,
            offset: cursor.u64("offset of a payload")?,
            length: cursor.u64("length of a payload")?,
            hash: cursor.digest("hash of a payload")?,
        });
    }
    Ok(payloads)
}

fn option<T>(
    cursor: &mut Cursor<'_>,
    value: fn(&mut Cursor<'_>) -> Result<T, Malformed>,
) -> Result<Option<T>, Malformed> {
    let neither = cursor.malformed("flag is neither 0 nor 1");
    match cursor.u8("flag")? {
        0 => Ok(None),
        1 => value(cursor).map(Some),
        _ => Err(neither),
    }
}

fn verity(cursor: &mut Cursor<'_>) -> Result<Verity, Malformed> {
    Ok(Verity {
        root_hash: cursor.digest("verity root hash")?,
        salt: cursor.array("verity salt")?,
    })
}

fn key_set(cursor: &mut Cursor<'_>) -> Result<KeySet, Malformed> {
    Ok(KeySet {
        epoch: cursor.u64("epoch of the key set")?,
        hash: cursor.digest("hash of the key set")?,
    })
}

pub(super) fn encode(manifest: &Manifest) -> Result<Vec<u8>, Malformed> {
    let rules = || {
        check::compatible(&manifest.compatible)?;
        check::version(&manifest.version)?;
        check::cmdline(&manifest.cmdline)?;
        whole(manifest)
    };
    rules().map_err(|what| Malformed { what, at: 0 })?;
    let mut out = Vec::new();
    out.extend(MAGIC);
    out.extend(FORMAT.to_le_bytes());
    out.extend(manifest.record_major.to_le_bytes());
    out.extend(manifest.record_minor.to_le_bytes());
    out.extend(manifest.security_version.to_le_bytes());
    out.extend(manifest.revoke_below.to_le_bytes());
    out.extend(manifest.watchdog_seconds.to_le_bytes());
    out.extend(manifest.content_len.to_le_bytes());
    out.extend(manifest.index_len.to_le_bytes());
    out.extend(manifest.index_hash);
    put_text(&mut out, &manifest.compatible)?;
    put_text(&mut out, &manifest.version)?;
    put_text(&mut out, &manifest.cmdline)?;
    put_payloads(&mut out, &manifest.payloads)?;
    put_options(&mut out, manifest);
    Ok(out)
}

fn put_text(out: &mut Vec<u8>, text: &str) -> Result<(), Malformed> {
    let len = u16::try_from(text.len()).map_err(|_| Malformed {
        what: "text is too long",
        at: out.len() as u64,
    })?;
    out.extend(len.to_le_bytes());
    out.extend(text.bytes());
    Ok(())
}

fn put_payloads(out: &mut Vec<u8>, payloads: &[Payload]) -> Result<(), Malformed> {
    let count = u8::try_from(payloads.len()).map_err(|_| Malformed {
        what: "too many payloads",
        at: out.len() as u64,
    })?;
    out.push(count);
    for payload in payloads {
        out.push(payload.kind.number());
        out.extend(payload.offset.to_le_bytes());
        out.extend(payload.length.to_le_bytes());
        out.extend(payload.hash);
    }
    Ok(())
}

fn put_options(out: &mut Vec<u8>, manifest: &Manifest) {
    out.push(u8::from(manifest.verity.is_some()));
    if let Some(verity) = &manifest.verity {
        out.extend(verity.root_hash);
        out.extend(verity.salt);
    }
    out.push(u8::from(manifest.key_set.is_some()));
    if let Some(key_set) = &manifest.key_set {
        out.extend(key_set.epoch.to_le_bytes());
        out.extend(key_set.hash);
    }
}
