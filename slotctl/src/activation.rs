//! Which slot starts next, where a person says so: activating, and going back.

use crate::disk::{Committed, Disk};
use crate::error::{Error, Exit, Result};
use crate::progress::Progress;
use crate::verify;
use bootshim::record::{Reason, SlotId, State};
use bootshim::state;
use images::trust::Trust;

/// How a slot becomes what starts next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// As the trial, with these tries or else the record's default.
    Trial(Option<u8>),
    /// For one start.
    Once,
}

/// Makes a slot what starts next. `trusted` is asked only where the slot has to
/// be verified first: one that failed before starts again only if every byte of
/// it is right.
///
/// # Errors
/// Refused for a slot without an image; what is wrong with one that failed; the
/// record's.
pub fn activate(
    disk: &Disk,
    slot: SlotId,
    how: How,
    trusted: impl FnOnce() -> Result<Trust>,
    progress: &dyn Progress,
) -> Result<Committed> {
    let (record, _) = disk.read_record()?;
    let known = record.slot(slot);
    if known.state == State::Bad || known.reason != Reason::None {
        verify::slot(disk, &record, slot, &trusted()?, progress)?;
    }
    disk.update(|now, note| {
        verify::unchanged(&record, now, slot)?;
        let next = match how {
            How::Once => state::activate_once(now, slot)?,
            How::Trial(tries) => state::activate(now, slot, tries.unwrap_or(now.default_tries))?,
        };
        Ok((next, note))
    })
}

/// Goes back to the highest good slot other than the running one; which that is.
///
/// # Errors
/// Refused where there is none; the record's.
pub fn rollback(disk: &Disk) -> Result<(SlotId, Committed)> {
    let mut target = None;
    let done = disk.update(|now, note| {
        let (to, next) = state::rollback(now, disk.running(now), now.default_tries)?;
        target = Some(to);
        Ok((next, note))
    })?;
    let none = || Error::new(Exit::Unexpected, "internal", "no slot to roll back to");
    Ok((target.ok_or_else(none)?, done))
}
