//! The floor that counts on a disk: what bootshim told this controller, or the
//! hint in the record.

use crate::disk::Disk;
use crate::variable;
use bootshim::floor::{Counts, Kept, Source};
use bootshim::handover::FLOOR_VARIABLE;
use bootshim::record::Record;

/// The floor that counts.
#[must_use]
pub fn counts(disk: &Disk, record: &Record) -> Counts {
    Counts::of(&kept(disk), record.floor)
}

/// The lowest epoch of a key set that counts on a disk; 0 where only the record
/// has a floor, which knows of no epochs.
#[must_use]
pub fn key_epoch(disk: &Disk) -> u64 {
    Counts::of(&kept(disk), 0).floor.key_epoch
}

/// What the firmware keeps, as far as this disk can know: of the disk that this
/// controller runs from, what bootshim told at the start.
#[must_use]
pub fn kept(disk: &Disk) -> Kept {
    if disk.handover().is_none() {
        return Kept::Nowhere("this controller does not run from this disk".into());
    }
    let told = variable::told(FLOOR_VARIABLE);
    match told.map(|content| content.and_then(|bytes| Counts::parse(&bytes))) {
        Ok(Some(told)) if told.source == Source::Firmware => Kept::Here(told.floor),
        Ok(Some(_)) => Kept::Nowhere("the firmware keeps none".into()),
        Ok(None) => Kept::Nowhere(format!("{FLOOR_VARIABLE} is not what bootshim writes")),
        Err(error) => Kept::Nowhere(format!("{FLOOR_VARIABLE}: {error}")),
    }
}
