//! Reading a slot back and checking every byte against its signed manifest.

use crate::content;
use crate::disk::Disk;
use crate::error::{Error, Exit, Result};
use crate::medium::Mode;
use crate::progress::{Phase, Progress};
use bootshim::boot::Defect;
use bootshim::medium::Medium;
use bootshim::record::{NO_DIGEST, Record, SlotId};
use images::index::Index;
use images::key::PublicKey;
use images::manifest::Manifest;

/// Checks a slot whole: signature, index, every byte, and that it is the image
/// which the record says was installed there.
///
/// # Errors
/// The first thing that is wrong.
pub fn slot(
    disk: &Disk,
    record: &Record,
    slot: SlotId,
    trusted: &[PublicKey],
    progress: &dyn Progress,
) -> Result<Manifest> {
    let failed = |error: Error| Error {
        found: format!("slot {slot}: {}", error.found),
        ..error
    };
    let expected = record.slot(slot).manifest;
    if expected == NO_DIGEST {
        let found = format!("slot {slot} is {}", record.slot(slot).state);
        return Err(Error::new(Exit::Refused, "not-installed", found).expected("it holds no image"));
    }
    let medium = disk.slot(slot, Mode::Read)?;
    let installed = bootshim::slot::manifest(&medium, trusted).map_err(|d| failed(defect(d)))?;
    if installed.digest != expected {
        let found = format!("slot {slot} holds another image than the one installed there");
        return Err(Error::new(Exit::NotAuthentic, "not-intact", found));
    }
    let index = read_index(&medium, &installed.manifest).map_err(failed)?;
    content::check(&medium, &index, Phase::Verifying, progress).map_err(failed)?;
    content::check_boot_payloads(&medium, &installed.manifest).map_err(failed)?;
    Ok(installed.manifest)
}

fn read_index<M: Medium>(medium: &M, manifest: &Manifest) -> Result<Index> {
    let length = usize::try_from(manifest.index_len)
        .map_err(|_| Error::new(Exit::NotAuthentic, "not-intact", "an index beyond memory"))?;
    let mut bytes = vec![0; length];
    medium
        .read_at(manifest.index_offset(), &mut bytes)
        .map_err(|fault| Error::fault("reading the index", fault))?;
    Ok(Index::parse(&bytes, manifest)?)
}

fn defect(defect: Defect) -> Error {
    match defect {
        Defect::Unreadable(fault) => Error::fault("reading the manifest", fault),
        bad @ Defect::Bad(..) => Error::new(Exit::NotAuthentic, "not-intact", bad.to_string()),
    }
}
