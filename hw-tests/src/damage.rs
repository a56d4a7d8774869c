//! Damage to a slot on a disk image, of the kind that dm-verity is there for.

use crate::machine::Error;
use bootshim::record::{Arming, SlotId};
use bootshim::state;
use slotctl::disk::Disk;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

fn failed(what: &'static str) -> impl Fn(slotctl::error::Error) -> Error {
    move |error| Error::host(what)(std::io::Error::other(error))
}

/// Flips a bit at this byte of a slot.
///
/// # Errors
/// When the disk is not one of a controller, or cannot be written.
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
///
/// # Errors
/// When there is no trial, or the disk cannot be written.
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
