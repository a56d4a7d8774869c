//! Whom a command trusts, and for which processor a disk is.

use crate::code::Code;
use crate::disk::Disk;
use crate::efi_program::Machine;
use crate::error::{Error, Result};
use crate::esp;
use crate::floor;
use images::key::PublicKey;
use images::trust::Trust;

/// Whom the disk's own bootshim trusts, and no key set below the floor, so that
/// nothing is installed that would not boot.
pub fn keys(disk: &Disk) -> Result<Trust> {
    let program = esp::read_program(disk.whole()?, disk.layout())?;
    let trust = program.trust().trust();
    if trust.keys().is_empty() {
        let found = format!("the bootshim of {} trusts no key", disk.path().display());
        return Err(Error::new(Code::NoTrustedKeys, found)
            .advice("make the disk with `slotctl disk create --trust`"));
    }
    Ok(trust.with_epoch_floor(floor::key_epoch(disk)))
}

/// Whom a person named, and no key set below the floor.
pub fn named(disk: &Disk, keys: Vec<PublicKey>) -> Trust {
    Trust::direct(keys).with_epoch_floor(floor::key_epoch(disk))
}

/// For which processor the disk's bootshim is, where it can be read.
pub fn machine(disk: &Disk) -> Option<Machine> {
    let program = esp::read_program(disk.whole().ok()?, disk.layout());
    program.ok().map(|program| program.machine())
}
