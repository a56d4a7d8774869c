//! Which failure a start belongs to that has ended: by the boot record, and by the
//! failures that are kept. Pure.
//!
//! A start of a trial is known by its slot, its image and its number among the starts
//! of that trial, which the record counts. A failure in the record is known by its
//! number, and by that start until the number is noted in the failure's file.

#[cfg(test)]
mod tests;

use crate::failure::Failure;
use bootshim::record::{Digest, Failure as Noted, NO_DIGEST, Reason, Record, SlotId, State};
use images::hex;

/// A start that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Its slot.
    pub slot: SlotId,
    /// What was installed there.
    pub manifest: Digest,
    /// Which one of its trial; `None` where it was none, or that is not known.
    pub attempt: Option<u16>,
}

/// Where it is kept what is known of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the failure with this number.
    In(u64),
    /// In none yet.
    New(Start),
}

/// The failures that are kept, with their numbers, newest first.
pub type Kept<'a> = &'a [(u64, Failure)];

/// The place of the last failure in the record, where that does not yet have its
/// number.
pub fn of_record(record: &Record, kept: Kept<'_>) -> Option<Place> {
    let noted = record.last_failure?;
    if kept.iter().any(|(_, failure)| is_numbered(failure, &noted)) {
        return None;
    }
    let place = match kept.first() {
        Some((number, last)) if is_about(last, record, &noted) => Place::In(*number),
        _ => Place::New(start(record, &noted)),
    };
    Some(place)
}

/// The place of what the kernel of the start before this one left. `of_record` is what
/// that says at this start, `running` the slot and the image that run now.
pub fn of_report(
    record: &Record,
    running: (SlotId, Digest),
    of_record: Option<Place>,
    kept: Kept<'_>,
) -> Place {
    if let Some(place) = of_record {
        return place;
    }
    let before = start_before(record, running);
    match kept.first() {
        Some((number, last)) if last.given_up && is_of(last, &before) => Place::In(*number),
        _ => Place::New(before),
    }
}

/// The failure that is about the last one in the record, and its place among all.
pub fn find<'a>(record: &Record, kept: Kept<'a>) -> Option<(usize, &'a Failure)> {
    let noted = record.last_failure?;
    let mut all = kept.iter().map(|(_, failure)| failure).enumerate();
    let numbered = all
        .clone()
        .find(|(_, failure)| is_numbered(failure, &noted));
    numbered.or_else(|| {
        all.next()
            .filter(|(_, last)| is_about(last, record, &noted))
    })
}

/// Whether the last failure in the record led back to another slot, so that a person
/// should know: not where its trial goes on, or was good at the next try. `failure` is
/// what is kept of it.
pub fn fell_back(record: &Record, failure: Option<&Failure>) -> bool {
    let Some(noted) = record.last_failure else {
        return false;
    };
    let slot = record.slot(noted.slot);
    let same = failure.is_none_or(|failure| failure.manifest == name(&slot.manifest));
    match slot.state {
        State::Trying => !same,
        State::Good => slot.reason != Reason::None || !same,
        State::Empty | State::Writing | State::Ready | State::Bad => true,
    }
}

/// A manifest as a failure names it: nothing where nothing is installed.
pub fn name(manifest: &Digest) -> String {
    match *manifest {
        NO_DIGEST => String::new(),
        _ => hex(manifest),
    }
}

fn is_numbered(failure: &Failure, noted: &Noted) -> bool {
    failure.sequence == Some(noted.sequence)
}

fn is_of(failure: &Failure, start: &Start) -> bool {
    failure.slot == start.slot.to_string()
        && failure.manifest == name(&start.manifest)
        && start.attempt.is_some()
        && failure.attempt == start.attempt
}

/// A start that was given up has that as its reason in the record, and no other has.
/// What the next start finds has its number from the beginning.
fn is_about(failure: &Failure, record: &Record, noted: &Noted) -> bool {
    let given_up = failure.given_up && noted.reason == Reason::Deadline;
    given_up && is_of(failure, &start(record, noted))
}

/// The start that is meant: the last one of that slot, unless it was started again since.
/// One that failed is not armed any more.
fn start(record: &Record, noted: &Noted) -> Start {
    let slot = record.slot(noted.slot);
    let again = record.armed.is_some_and(|armed| armed.slot == noted.slot);
    let attempts = slot.attempts.saturating_sub(u16::from(again));
    Start {
        slot: noted.slot,
        manifest: slot.manifest,
        attempt: (attempts > 0).then_some(attempts),
    }
}

/// The start before this one, where none was found to have failed: the try before in a
/// trial, since that goes before everything else; else most likely of the slot that runs.
fn start_before(record: &Record, (running, manifest): (SlotId, Digest)) -> Start {
    let slot = record.slot(running);
    let on_trial = slot.state == State::Trying && slot.manifest == manifest;
    let (slot, manifest, attempt) = match slot.attempts.checked_sub(1) {
        Some(attempt @ 1..) if on_trial => (running, manifest, Some(attempt)),
        Some(_) if on_trial => match record.known_good() {
            Some(good) => (good, record.slot(good).manifest, None),
            None => (running, manifest, None),
        },
        _ => (running, manifest, None),
    };
    Start {
        slot,
        manifest,
        attempt,
    }
}
