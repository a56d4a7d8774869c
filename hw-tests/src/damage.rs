//! Damage to a slot on a disk image.

use crate::machine::Error;
use bootshim::record::{Arming, Record, Slot, SlotId};
use bootshim::slot::area_offset;
use bootshim::state::{self, Next};
use controller::disk::Disk;
use controller::medium::Mode;
use images::key::SecretKey;
use images::manifest::{Kind, Manifest, Payload};
use images::signature::{Signature, SignatureArea, tbs};
use images::trust::Trust;
use images::{Part, Refused, slot_area};
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

fn failed(what: &'static str) -> impl Fn(controller::error::Error) -> Error {
    move |error| Error::host(what)(std::io::Error::other(error))
}

/// Flips a bit at this byte of a slot.
pub fn flip(disk: &Path, slot: SlotId, at: u64) -> Result<(), Error> {
    let layout = Disk::open(disk).map_err(failed("the disk"))?;
    let start = layout.layout().slot(slot).map(|slot| slot.extent.start);
    let at = start.unwrap_or(0).saturating_add(at);
    let flip = || {
        let file = OpenOptions::new().read(true).write(true).open(disk)?;
        let mut byte = [0];
        file.read_exact_at(&mut byte, at)?;
        file.write_all_at(&[byte[0] ^ 1], at)
    };
    flip().map_err(Error::host(disk.display().to_string()))
}

/// The trial of a disk image is good, as if its system had confirmed it.
pub fn confirm(disk: &Path, slot: SlotId) -> Result<(), Error> {
    let failed = failed("confirming the trial");
    let disk = Disk::open(disk).map_err(&failed)?;
    let confirm = |record: &bootshim::record::Record, note| {
        let armed = state::arm(record, slot, Arming::Trial);
        let manifest = armed.slot(slot).manifest;
        Ok((state::confirm(&armed, slot, &manifest)?, note))
    };
    disk.update(confirm).map(drop).map_err(failed)
}

/// Changes the kernel in a slot, and signs the slot's manifest anew with `key`: what
/// an image would leave there that another tool than ours made.
pub fn change_kernel(
    path: &Path,
    slot: SlotId,
    key: &SecretKey,
    change: impl FnOnce(&mut [u8]),
) -> Result<(), Error> {
    let missing =
        || Error::host("a signed kernel in the slot")(std::io::ErrorKind::NotFound.into());
    let disk = Disk::open(path).map_err(failed("the disk"))?;
    let medium = disk.slot(slot, Mode::Read).map_err(|_| missing())?;
    let installed =
        bootshim::slot::manifest(&medium, &Trust::direct([key.public()])).map_err(|_| missing())?;
    let place = disk.layout().slot(slot).ok_or_else(missing)?.extent;
    let mut manifest = installed.manifest;
    let is_kernel = |payload: &&mut Payload| payload.kind == Kind::Kernel;
    let kernel = manifest.payloads.iter_mut().find(is_kernel);
    let kernel = kernel.ok_or_else(missing)?;

    let file = OpenOptions::new().read(true).write(true).open(path);
    let file = file.map_err(Error::host(path.display().to_string()))?;
    let written = || Error::host("a changed kernel");
    let mut bytes = vec![0; usize::try_from(kernel.length).map_err(|_| missing())?];
    let at = place.start + kernel.offset;
    file.read_exact_at(&mut bytes, at).map_err(written())?;
    change(&mut bytes);
    file.write_all_at(&bytes, at).map_err(written())?;
    kernel.hash = images::digest(&bytes);

    let area = signed(&manifest, &installed.table_digest, key);
    let (area, digest) = area.map_err(|error| written()(std::io::Error::other(error)))?;
    let at = area_offset(place.len).ok_or_else(missing)?;
    file.write_all_at(&area, place.start + at)
        .map_err(written())?;
    let name = |record: &Record, note| {
        let mut named = record.clone();
        let manifest = digest;
        let changed = Slot {
            manifest,
            ..*record.slot(slot)
        };
        named.set_slot(slot, changed);
        Ok((Next::by_hand(named), note))
    };
    disk.update(name)
        .map(drop)
        .map_err(failed("the changed slot"))
}

/// The area of a slot with this manifest, and the digest that names it.
fn signed(
    manifest: &Manifest,
    table: &images::Digest,
    key: &SecretKey,
) -> Result<(Vec<u8>, images::Digest), Refused> {
    let bytes = manifest
        .encode()
        .map_err(|wrong| wrong.of(Part::Manifest))?;
    let digest = images::digest(&bytes);
    let mut signatures = SignatureArea::default();
    let signature = Signature {
        key: key.public().id(),
        bytes: key.sign(&tbs(&digest, table)),
    };
    // The first of an empty area has room.
    let _ = signatures.insert(signature);
    Ok((slot_area::build(&bytes, &signatures, table, None)?, digest))
}
