//! Whom a command trusts, and for which machine a disk is.

use crate::config;
use crate::disk::Disk;
use crate::error::{Error, Exit, Result};
use crate::esp;
use crate::floor;
use crate::install::Compatible;
use crate::program::Machine;
use bootshim::record::Record;
use images::key::PublicKey;
use images::trust::Trust;
use std::path::Path;

/// Whom the disk's own bootshim trusts, and no key set below the floor, so that
/// nothing is installed that would not boot.
///
/// # Errors
/// When the ESP or its program cannot be read, or trusts nobody.
pub fn keys(disk: &Disk) -> Result<Trust> {
    let program = esp::read_program(disk.whole()?, disk.layout())?;
    let trust = program.trust().trust();
    if trust.keys().is_empty() {
        let found = format!("the bootshim of {} trusts no key", disk.path().display());
        return Err(Error::new(Exit::NotAuthentic, "no-trusted-keys", found)
            .advice("make the disk with `slotctl disk create --trust`"));
    }
    Ok(trust.with_epoch_floor(floor::key_epoch(disk)))
}

/// Whom a person named, and no key set below the floor.
#[must_use]
pub fn named(disk: &Disk, keys: Vec<PublicKey>) -> Trust {
    Trust::direct(keys).with_epoch_floor(floor::key_epoch(disk))
}

/// For which processor the disk's bootshim is, where it can be read.
#[must_use]
pub fn machine(disk: &Disk) -> Option<Machine> {
    let program = esp::read_program(disk.whole().ok()?, disk.layout());
    program.ok().map(|program| program.machine())
}

/// For which machine the disk is: for the one this controller runs from, what
/// its configuration says; for any other, what its good slot says, or else what
/// it was created for.
///
/// # Errors
/// A broken configuration; an ESP that cannot be read.
pub fn compatible(
    disk: &Disk,
    record: &Record,
    configuration: Option<&Path>,
    trusted: &Trust,
) -> Result<Option<Compatible>> {
    let named = |name, from: String| Ok(Some(Compatible { name, from }));
    if disk.handover().is_some()
        && let Some(config) = config::find(configuration)?
    {
        let file = configuration.unwrap_or(Path::new(config::PATH));
        return named(config.compatible, file.display().to_string());
    }
    for slot in record.good() {
        if let Ok(installed) = disk.manifest(slot, trusted) {
            return named(
                installed.manifest.compatible,
                format!("the image in slot {slot}"),
            );
        }
    }
    match esp::read_compatible(disk.whole()?, disk.layout())? {
        Some(name) => named(name, "`disk create --compatible`".into()),
        None => Ok(None),
    }
}
