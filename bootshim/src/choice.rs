//! Which slot starts next.
//!
//! A pure function of the record, of the slots already passed over at this
//! start, and of whether anything can be committed. The order: the one-shot, the
//! trial, the good slots by priority, and at last whatever verifies.

use crate::record::{Arming, Reason, Record, SlotId, Stage, State};
use crate::state;
use core::fmt;

/// As what a slot starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StartKind {
    /// Once, because somebody asked for it.
    Once,
    /// On trial.
    Trial,
    /// As a good slot.
    Good,
    /// Because nothing good starts.
    LastResort,
}

impl StartKind {
    /// Its word, as in the JSON of `next-boot`.
    pub fn word(self) -> &'static str {
        match self {
            StartKind::Once => "once",
            StartKind::Trial => "trial",
            StartKind::Good => "good",
            StartKind::LastResort => "last_resort",
        }
    }

    /// How the record says so; `None` for a good slot, whose start writes
    /// nothing.
    pub fn arming(self) -> Option<Arming> {
        match self {
            StartKind::Once => Some(Arming::Once),
            StartKind::Trial => Some(Arming::Trial),
            StartKind::Good => None,
            StartKind::LastResort => Some(Arming::LastResort),
        }
    }
}

impl fmt::Display for StartKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StartKind::LastResort => "last resort",
            other => other.word(),
        })
    }
}

/// A set of slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slots(u8);

impl Slots {
    /// Adds a slot.
    pub fn insert(&mut self, slot: SlotId) {
        self.0 |= Self::bit(slot);
    }

    /// Whether a slot is in it.
    pub fn contains(self, slot: SlotId) -> bool {
        self.0 & Self::bit(slot) != 0
    }

    fn bit(slot: SlotId) -> u8 {
        1u8.checked_shl(u32::try_from(slot.index()).unwrap_or(u32::MAX))
            .unwrap_or(0)
    }
}

/// What bootshim does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Start this slot.
    Start(SlotId, StartKind),
    /// The trial has no start left: commit that it is bad, and ask again.
    EndTrial(SlotId, Reason),
    /// Nothing is left to be started.
    Nothing,
}

/// What a decision rests on besides the record.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// Slots that were tried at this start and did not come up.
    pub passed: Slots,
    /// Whether the record can be written; without that there is no trial and no
    /// one-shot.
    pub can_commit: bool,
    /// A number that differs from start to start, for where to begin when
    /// nothing can be remembered.
    pub seed: u64,
}

/// The next step.
pub fn next(record: &Record, now: &Situation) -> Step {
    let open = |slot: &SlotId| !now.passed.contains(*slot);
    if now.can_commit {
        // One that names no image is void; to arm it would be no record that can be.
        let image = |slot: &SlotId| {
            let state = record.slot(*slot).state;
            !matches!(state, State::Empty | State::Writing)
        };
        if let Some(slot) = record.once.filter(|slot| open(slot) && image(slot)) {
            return Step::Start(slot, StartKind::Once);
        }
        if let Some(slot) = record.trial().filter(open) {
            return trial(record, slot);
        }
    }
    if let Some(slot) = record.good().into_iter().find(open) {
        return Step::Start(slot, StartKind::Good);
    }
    let slot = if now.can_commit {
        last_resort(record, now.passed)
    } else {
        by_chance(record, now)
    };
    slot.map_or(Step::Nothing, |slot| {
        Step::Start(slot, StartKind::LastResort)
    })
}

/// The slot that starts if every slot verifies. A trial without a start left is over
/// on the way there, as bootshim would commit it.
pub fn first(record: &Record, now: &Situation) -> Option<(SlotId, StartKind)> {
    match next(record, now) {
        Step::Start(slot, kind) => Some((slot, kind)),
        // What is over is bad: this comes to an end.
        Step::EndTrial(slot, reason) => first(&state::fail(record, slot, reason, Stage::None), now),
        Step::Nothing => None,
    }
}

fn trial(record: &Record, slot: SlotId) -> Step {
    let trial = record.slot(slot);
    if trial.attempts >= trial.attempts_limit() {
        return Step::EndTrial(slot, Reason::Unconfirmed);
    }
    if trial.tries_left > 0 {
        return Step::Start(slot, StartKind::Trial);
    }
    // What `watch` noted before the last restart says more than the count.
    let reason = if trial.reason == Reason::None {
        Reason::Exhausted
    } else {
        trial.reason
    };
    Step::EndTrial(slot, reason)
}

/// Ready slots before bad ones, each in turn after the one that was booted last.
fn last_resort(record: &Record, passed: Slots) -> Option<SlotId> {
    let after = record
        .last_booted
        .map_or(0, |slot| slot.index().saturating_add(1));
    [State::Ready, State::Bad].into_iter().find_map(|state| {
        let fits = |slot: &SlotId| record.slot(*slot).state == state && !passed.contains(*slot);
        record
            .ids()
            .cycle()
            .skip(after)
            .take(record.ids().count())
            .find(fits)
    })
}

/// Nothing can be remembered, so chance decides where to begin.
fn by_chance(record: &Record, now: &Situation) -> Option<SlotId> {
    let count = record.ids().count();
    let first = usize::try_from(now.seed % 8).unwrap_or(0);
    let fits = |slot: &SlotId| {
        let state = record.slot(*slot).state;
        let installed = matches!(state, State::Ready | State::Trying | State::Bad);
        installed && !now.passed.contains(*slot)
    };
    record.ids().cycle().skip(first).take(count).find(fits)
}

#[cfg(test)]
mod tests;
