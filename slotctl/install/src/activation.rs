//! Which slot starts next, where a person says so: activating, and going back.

use crate::ready::Ready;
use bootshim::record::{Reason, Record, SlotId, State};
use bootshim::state::{self, Next};
use controller::code::Code;
use controller::disk::{Committed, Disk};
use controller::error::{Error, Result};
use controller::floor;
use controller::found::Found;
use controller::progress::Progress;
use controller::verify;
use images::trust::Trust;

/// How a slot becomes what starts next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// As the trial, with these tries or else the record's default.
    Trial(Option<u8>),
    /// For one start.
    Once,
}

/// Makes a slot what starts next. One that failed before starts again only if every
/// byte of it is right; none that bootshim would not start, because it is below the
/// floor or a good slot has revoked it. Ending a trial asks for no keys: that `trusted` is
/// an error matters only where they are asked for.
///
/// # Errors
/// Refused for a slot without an image, or below the floor; what is wrong with one
/// that failed; the record's.
pub fn activate(
    disk: &Disk,
    slot: SlotId,
    how: How,
    trusted: Result<Trust>,
    progress: &dyn Progress,
) -> Result<Committed> {
    let (record, _) = disk.read_record()?;
    let known = *record.slot(slot);
    let mut found = trusted.map(|trusted| Found::new(disk, record.clone(), &trusted));
    if known.state == State::Bad || known.reason != Reason::None {
        verify::slot(found.as_ref().map_err(Clone::clone)?, slot, progress)?;
    }
    let flip = |now: &Record| match how {
        How::Once => state::activate_once(now, slot),
        How::Trial(tries) => state::activate(now, slot, tries.unwrap_or(now.default_tries)),
    };
    let next = flip(&record)?;
    check(&mut found, &record, &next, slot)?;
    let ready = ready(disk, &mut found, (&record, &next), slot, progress)?;
    disk.update(|now, note| {
        verify::unchanged(&record, now, slot)?;
        let next = flip(now)?;
        check(&mut found, now, &next, slot)?;
        Ok((ready.number(now, next), note))
    })
}

/// Goes back to the highest good slot other than the running one; which that is.
///
/// # Errors
/// Refused where there is none, or where bootshim would not start it, because it is
/// below the floor or a good slot has revoked it; the record's.
pub fn rollback(
    disk: &Disk,
    trusted: Result<Trust>,
    progress: &dyn Progress,
) -> Result<(SlotId, Committed)> {
    let record = disk.record_to_change()?;
    let mut found = trusted.map(|trusted| Found::new(disk, record.clone(), &trusted));
    let flip = |now: &Record| state::rollback(now, disk.running(now), now.default_tries);
    let (target, next) = flip(&record)?;
    check(&mut found, &record, &next, target)?;
    let ready = ready(disk, &mut found, (&record, &next), target, progress)?;
    let done = disk.update(|now, note| {
        let (to, next) = flip(now)?;
        if to != target {
            let found = format!("slot {target} was to start next, and now it would be {to}");
            return Err(Error::new(Code::Busy, found)
                .advice("another command changed the record; try again")
                .changed("nothing was written"));
        }
        verify::unchanged(&record, now, to)?;
        check(&mut found, now, &next, to)?;
        Ok((ready.number(now, next), note))
    })?;
    Ok((target, done))
}

fn ready(
    disk: &Disk,
    found: &mut Result<Found<'_>>,
    flip: (&Record, &Next),
    slot: SlotId,
    progress: &dyn Progress,
) -> Result<Ready> {
    let manifest = || {
        let found = found.as_mut().map_err(|error| error.clone())?;
        found.manifest(slot).cloned()
    };
    let ready = Ready::make(disk, flip, slot, manifest, progress);
    ready.map_err(|refused| refused.changed("nothing was written"))
}

/// What becomes the trial or the one-shot is what bootshim would start: else the next
/// start would stop production for nothing.
fn check(found: &mut Result<Found<'_>>, now: &Record, next: &Record, slot: SlotId) -> Result<()> {
    let on_trial = |record: &Record| record.trial() == Some(slot);
    let becomes_trial = on_trial(next) && !on_trial(now);
    if !becomes_trial && next.once != Some(slot) {
        return Ok(());
    }
    let found = found.as_mut().map_err(|error| error.clone())?;
    // The slots are as they were found, the record as it is under its lock.
    found.record = now.clone();
    let image = found.manifest(slot)?;
    floor::check(found, image, &format!("slot {slot}")).map_err(|refused| {
        refused
            .advice("it would not start; install a newer image")
            .changed("nothing was written")
    })
}
