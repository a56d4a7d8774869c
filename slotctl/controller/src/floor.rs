//! Refuses what is below the floor, before anything is written: the floor that bootshim
//! told this controller, or the one in the record where nobody told.

use crate::code::Code;
use crate::disk::Disk;
use crate::efi_variable;
use crate::error::{Error, Result};
use crate::found::Found;
use bootshim::floor::{FloorInForce, Keeper, Kept};
use bootshim::handover::FLOOR_VARIABLE;
use bootshim::record::SlotId;
use images::manifest::Manifest;

/// The lowest epoch of a key set that counts on a disk; 0 where only the record
/// has a floor, which knows of no epochs.
pub fn key_epoch(disk: &Disk) -> u64 {
    FloorInForce::of(&kept(disk), 0).floor.key_epoch
}

/// What the firmware keeps, as far as this disk can know: of the disk that this
/// controller runs from, what bootshim told at the start.
pub fn kept(disk: &Disk) -> Kept {
    if disk.handover().is_none() {
        return Kept::Nowhere("this controller does not run from this disk".into());
    }
    let told = efi_variable::from_bootshim(FLOOR_VARIABLE);
    match told.map(|content| content.and_then(|bytes| FloorInForce::parse(&bytes))) {
        Ok(Some(told)) if told.keeper == Keeper::Firmware => Kept::Here(told.floor),
        Ok(Some(_)) => Kept::Nowhere("the firmware keeps none".into()),
        Ok(None) => Kept::Nowhere(format!("{FLOOR_VARIABLE} is not what bootshim writes")),
        Err(error) => Kept::Nowhere(format!("{FLOOR_VARIABLE}: {error}")),
    }
}

/// Whether bootshim would start this image: what is below the floor, or what a good
/// slot has revoked, would be bad at once. `what` names it in the refusal.
pub fn check(found: &Found<'_>, image: &Manifest, what: &str) -> Result<()> {
    let below = |why: String| {
        let found = format!("{what} has security version {}", image.security_version);
        Err(Error::new(Code::BelowFloor, found).expected(why))
    };
    let floor = found.floor().floor.security_version;
    if image.security_version < floor {
        return below(format!("the floor of this controller is {floor}"));
    }
    match revoked(found) {
        Some((revoked, slot)) if image.security_version < revoked => below(format!(
            "the good slot {slot} revokes what is below {revoked}"
        )),
        _ => Ok(()),
    }
}

/// The highest security version below which a good slot revokes everything, one that
/// was good before its trial among them; no image revokes itself.
fn revoked(found: &Found<'_>) -> Option<(u64, SlotId)> {
    let record = &found.record;
    let again = record.trial().filter(|trial| record.was_good(*trial));
    let good = record.good().into_iter().chain(again);
    let revoked = good.filter_map(|slot| {
        let installed = &found.slot(slot).ok()?.manifest;
        let revoked = installed.revoke_below.min(installed.security_version);
        Some((revoked, slot))
    });
    revoked.max_by_key(|(revoked, _)| *revoked)
}
