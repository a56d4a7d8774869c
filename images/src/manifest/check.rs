//! What a manifest may say: the same rules for reading and for writing.

use super::{Kind, Manifest};
use crate::INDEX_ENTRY_LEN;
use crate::bytes::round_up;
use crate::verity::Shape;
use crate::{ALIGN, PIECE_MAX, version};

/// The most bytes of `compatible` and of `version`.
pub const NAME_MAX: usize = 128;

/// The most bytes of a command line: Linux keeps 2048, and bootshim adds its own.
pub const CMDLINE_MAX: usize = 1536;

/// What is wrong, in words.
pub(super) type Wrong = &'static str;

fn that(holds: bool, wrong: Wrong) -> Result<(), Wrong> {
    if holds { Ok(()) } else { Err(wrong) }
}

/// Text for people and programs: never empty, no control characters.
pub(super) fn compatible(text: &str) -> Result<(), Wrong> {
    that(
        (1..=NAME_MAX).contains(&text.len()),
        "compatible is not 1 to 128 bytes long",
    )?;
    that(
        !text.contains(char::is_control),
        "compatible has a control character",
    )
}

pub(super) fn version(text: &str) -> Result<(), Wrong> {
    that(
        (1..=NAME_MAX).contains(&text.len()),
        "version is not 1 to 128 bytes long",
    )?;
    that(
        version::is_valid(text),
        "version is not one that dpkg would take",
    )
}

/// Firmware takes the command line as UCS-2, Linux as bytes: ASCII is what
/// arrives as it was signed.
pub(super) fn cmdline(text: &str) -> Result<(), Wrong> {
    that(
        text.len() <= CMDLINE_MAX,
        "command line is longer than 1536 bytes",
    )?;
    that(
        text.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
        "command line has a character that is not printable ASCII",
    )
}

/// Content and index lengths, and that a slot for them can exist.
pub(super) fn lengths(manifest: &Manifest) -> Result<(), Wrong> {
    let content = manifest.content_len;
    that(
        content.is_multiple_of(ALIGN) && content > 0,
        "content length is not a multiple of 4096",
    )?;
    let entry = INDEX_ENTRY_LEN as u64;
    let pieces = manifest.index_len / entry;
    that(
        manifest.index_len.is_multiple_of(entry)
            && pieces >= content.div_ceil(u64::from(PIECE_MAX))
            && pieces <= content / ALIGN,
        "index length does not fit the content length",
    )?;
    that(
        manifest.slot_bytes_needed().is_some(),
        "content and index would end past 2^64 bytes",
    )
}

/// Order, borders and kinds of the payloads.
pub(super) fn payloads(manifest: &Manifest) -> Result<(), Wrong> {
    let mut free_from = 0;
    for (number, payload) in manifest.payloads.iter().enumerate() {
        that(
            payload.offset.is_multiple_of(ALIGN),
            "payload does not begin at a multiple of 4096",
        )?;
        that(payload.length > 0, "payload is empty")?;
        that(
            payload.offset >= free_from,
            "payloads overlap or are not in order",
        )?;
        let end = payload.end().ok_or("payload ends past 2^64 bytes")?;
        free_from = round_up(end).ok_or("payload ends past 2^64 bytes")?;
        that(
            end <= manifest.content_len,
            "payload ends behind the content",
        )?;
        let earlier = manifest.payloads.get(..number).unwrap_or_default();
        that(
            earlier.iter().all(|other| other.kind != payload.kind),
            "kind of payload occurs twice",
        )?;
    }
    kinds(manifest)?;
    root_and_tree(manifest)
}

/// The root is mounted from the first byte of the slot on, with a tree or without.
fn root_and_tree(manifest: &Manifest) -> Result<(), Wrong> {
    let Some(root) = manifest.payload(Kind::Rootfs) else {
        return Ok(());
    };
    that(root.offset == 0, "root filesystem does not begin at 0")?;
    let tree = manifest.payload(Kind::Verity);
    that(
        tree.is_none_or(|tree| tree.length == Shape::over(root.length).length()),
        "verity tree is not as long as that of its root",
    )
}

fn kinds(manifest: &Manifest) -> Result<(), Wrong> {
    let has = |kind| manifest.payload(kind).is_some();
    that(has(Kind::Rootfs), "no root filesystem among the payloads")?;
    that(
        has(Kind::Kernel) != has(Kind::Uki),
        "payloads have neither kernel nor unified kernel image, or both",
    )?;
    that(
        has(Kind::Kernel) || !has(Kind::Initrd),
        "initrd beside a unified kernel image",
    )?;
    that(
        has(Kind::Verity) == manifest.verity.is_some(),
        "verity tree without root hash, or root hash without tree",
    )
}
