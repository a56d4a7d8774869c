//! What always holds, a line each, and what breaks it.

use super::cuts::Fault;
use super::firmware::Variable;
use super::image::{Judge, Verdict};
use super::start::{Ended, Started};
use bootshim::choice::StartKind;
use bootshim::record::{NO_DIGEST, Reason, Record, SlotId, State};
use std::sync::Arc;

/// A line of "What always holds".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Promise {
    /// 1.
    OneGood,
    /// 2.
    OnlyWriting,
    /// 3.
    Durable,
    /// 4.
    Verified,
    /// 5.
    Signed,
    /// 6.
    Rising,
    /// 7.
    OnceCleared,
    /// 8.
    ComesBack,
    /// 9.
    TryGivenBack,
    /// 10.
    SameEnd,
    /// 5 and 6, of the floor that the firmware keeps.
    FloorHolds,
    /// 1, whatever the floor.
    WayBack,
    /// A good slot that hangs is left for another.
    Left,
    /// So is one that never comes up, and none because the power failed.
    NeverUp,
    /// 1, of every good slot.
    StaysGood,
    /// What is said to start next starts.
    Starts,
    /// Without a good slot.
    Heals,
}

impl Promise {
    /// Every one, in order.
    pub const ALL: [Promise; 17] = [
        Promise::OneGood,
        Promise::OnlyWriting,
        Promise::Durable,
        Promise::Verified,
        Promise::Signed,
        Promise::Rising,
        Promise::OnceCleared,
        Promise::ComesBack,
        Promise::TryGivenBack,
        Promise::SameEnd,
        Promise::FloorHolds,
        Promise::WayBack,
        Promise::Left,
        Promise::NeverUp,
        Promise::StaysGood,
        Promise::Starts,
        Promise::Heals,
    ];

    /// What is promised.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Promise::OneGood => "from the first good slot on, there is one",
            Promise::OnlyWriting => "bytes of a slot change only while it is writing",
            Promise::Durable => "no trial or one-shot starts before that is durable",
            Promise::Verified => "the next boot reaches a slot that verifies",
            Promise::Signed => "nothing starts unsigned or below the floor",
            Promise::Rising => "sequence number and floor never fall",
            Promise::OnceCleared => "a one-shot is cleared in the commit that arms it",
            Promise::ComesBack => "failing trials end in the good slot in time",
            Promise::TryGivenBack => "an orderly shutdown costs no try and adds to no row",
            Promise::SameEnd => "a command twice is one; a killed one blocks nothing",
            Promise::FloorHolds => "the firmware's floor never falls, nothing is below it",
            Promise::WayBack => "a floor that rises shuts out no good slot",
            Promise::Left => "the third reset in a row leads on, no sooner",
            Promise::NeverUp => "starts that never come up lead on, power cuts never",
            Promise::StaysGood => "what was good stays good until it fails",
            Promise::Starts => "what a command says starts next, starts",
            Promise::Heals => "without a good slot what runs well becomes it, and is kept",
        }
    }
}

/// A promise that was not kept, and how.
#[derive(Clone, Debug)]
pub(super) struct Broken {
    pub(super) promise: Promise,
    pub(super) words: String,
}

/// What was on the disk before the operation that was cut.
#[derive(Debug)]
pub(super) struct Before {
    pub(super) record: Option<Record>,
}

impl Before {
    /// Whether there was a good slot to come back to.
    pub(super) fn good(&self) -> bool {
        let record = self.record.as_ref();
        record.is_some_and(|record| record.known_good().is_some())
    }
}

/// A disk after a cut, and the start of bootshim on it.
pub(super) struct After<'a> {
    pub(super) judge: &'a Judge,
    pub(super) fault: Fault,
    pub(super) verdicts: &'a [Arc<Verdict>],
    /// A slot that cannot be read.
    pub(super) unreadable: Option<usize>,
    /// Whether the newest record died with the one sector that held it.
    pub(super) lost: bool,
    /// What the firmware kept before this start.
    pub(super) variable: Variable,
    pub(super) ended: &'a Ended,
}

impl After<'_> {
    /// Holds it against every promise that a cut could break; `checked` counts.
    pub(super) fn broken(&self, before: &Before, checked: &mut dyn FnMut(Promise)) -> Vec<Broken> {
        let mut broken = self.ended.broken.clone();
        let mut hold = |promise, kept: Result<(), String>| {
            checked(promise);
            if let Err(words) = kept {
                broken.push(Broken { promise, words });
            }
        };
        // A flush that lied may have cost commits, but never what boots; so may
        // the death of the only copy that a cut left of one.
        if self.fault != Fault::Lied {
            if !self.lost {
                hold(Promise::OneGood, self.one_good(before));
            }
            hold(Promise::OnlyWriting, self.only_writing());
            if self.fault != Fault::Dying {
                hold(Promise::Rising, self.rising(before));
            }
        }
        hold(Promise::Verified, self.verified(before));
        if self.variable != Variable::Nowhere {
            hold(Promise::FloorHolds, self.floor_holds());
            hold(Promise::WayBack, self.way_back());
        }
        match &self.ended.started {
            Some(started) => {
                hold(Promise::Signed, self.signed(started));
                if started.kind != StartKind::Good {
                    checked(Promise::Durable);
                }
                if started.kind == StartKind::Once {
                    checked(Promise::OnceCleared);
                }
            }
            None => checked(Promise::Signed),
        }
        broken
    }

    fn one_good(&self, before: &Before) -> Result<(), String> {
        if !before.good() {
            return Ok(());
        }
        let found = self.ended.found.as_ref().ok_or("the record is lost")?;
        let whole = |slot: &SlotId| self.holds(*slot, found);
        if found.good().iter().any(whole) {
            return Ok(());
        }
        Err("no slot is good and whole any more".into())
    }

    /// Whether the slot holds, byte for byte, what the record says.
    fn holds(&self, slot: SlotId, record: &Record) -> bool {
        let whole = self.verdicts[slot.index()].whole;
        whole.is_some_and(|image| self.judge.images[image].digest == record.slot(slot).manifest)
    }

    fn only_writing(&self) -> Result<(), String> {
        let Some(found) = &self.ended.found else {
            return Ok(());
        };
        for (slot, known) in found.slots() {
            let promised = !matches!(known.state, State::Empty | State::Writing);
            if promised && known.manifest != NO_DIGEST && !self.holds(slot, found) {
                return Err(format!(
                    "slot {slot} is {}, and its bytes are not what was installed",
                    known.state
                ));
            }
        }
        Ok(())
    }

    fn rising(&self, before: &Before) -> Result<(), String> {
        let Some(was) = &before.record else {
            return Ok(());
        };
        let now = self.ended.found.as_ref().ok_or("the record is lost")?;
        let after = self.ended.record.as_ref().unwrap_or(now);
        if now.sequence < was.sequence || after.sequence < now.sequence {
            return Err(format!(
                "sequence number {}, then {}, then {}",
                was.sequence, now.sequence, after.sequence
            ));
        }
        // The hint is one only where the firmware keeps nothing.
        let hint = self.variable.is_hint() && self.ended.variable.is_hint();
        if hint && (now.floor < was.floor || after.floor < now.floor) {
            return Err(format!(
                "floor {}, then {}, then {}",
                was.floor, now.floor, after.floor
            ));
        }
        Ok(())
    }

    /// What starts is whole; and something starts, where anything can.
    fn verified(&self, before: &Before) -> Result<(), String> {
        let Some(started) = &self.ended.started else {
            let any = (0..self.verdicts.len()).any(|slot| self.could_start(slot));
            return if any && (before.good() || self.fault != Fault::Lied) {
                Err("nothing starts, although a slot is whole".into())
            } else if before.good() && self.unreadable.is_none() {
                Err("no slot is whole any more".into())
            } else {
                Ok(())
            };
        };
        let verdict = &self.verdicts[started.slot.index()];
        match verdict.whole {
            Some(_) => Ok(()),
            // After a flush that lied the root of a trial may be damaged; what
            // bootshim starts of it is still what was signed.
            None if self.fault == Fault::Lied && verdict.boots.is_some() => Ok(()),
            None => Err(format!("slot {} starts and is not whole", started.slot)),
        }
    }

    /// Whether a slot is whole, readable, not being written, and not below the
    /// floor.
    fn could_start(&self, slot: usize) -> bool {
        let Some(image) = self.verdicts[slot].whole else {
            return false;
        };
        let may = |record: &Record| {
            let id = SlotId::new(slot).unwrap();
            let state = record.slot(id).state;
            !matches!(state, State::Empty | State::Writing)
                && self.reaches(image, self.variable, record)
        };
        self.unreadable != Some(slot) && self.ended.found.as_ref().is_none_or(may)
    }

    /// Whether an image is not below the floor that counts.
    fn reaches(&self, image: usize, variable: Variable, record: &Record) -> bool {
        let image = &self.judge.images[image];
        let floor = variable.floor(record.floor);
        image.security_version >= floor.security_version && image.key_epoch >= floor.key_epoch
    }

    /// What the firmware keeps rises or stays, and rises for a good slot alone;
    /// what starts is not below it.
    fn floor_holds(&self) -> Result<(), String> {
        let (was, now) = (self.variable, self.ended.variable);
        let rose = match (was, now) {
            (Variable::Holds(was), Variable::Holds(now)) => {
                now.security_version >= was.security_version && now.key_epoch >= was.key_epoch
            }
            (Variable::Holds(_), _) => false,
            _ => true,
        };
        if !rose {
            return Err(format!("the firmware kept {was:?}, and keeps {now:?}"));
        }
        let Some(started) = &self.ended.started else {
            return Ok(());
        };
        if matches!(started.kind, StartKind::Trial | StartKind::Once) && was != now {
            return Err(format!("{now:?} after {was:?}, for a {}", started.kind));
        }
        let image = self.verdicts[started.slot.index()].boots;
        if image.is_some_and(|image| !self.reaches(image, now, &started.record)) {
            return Err(format!("slot {} starts below {now:?}", started.slot));
        }
        Ok(())
    }

    /// A good slot that could start before the floor rose still can.
    fn way_back(&self) -> Result<(), String> {
        let Some(record) = &self.ended.record else {
            return Ok(());
        };
        for slot in record.good() {
            let image = self.verdicts[slot.index()].whole;
            let reaches =
                |variable| image.is_some_and(|image| self.reaches(image, variable, record));
            if self.holds(slot, record) && reaches(self.variable) && !reaches(self.ended.variable) {
                return Err(format!(
                    "good slot {slot} is below {:?}, and was not below {:?}",
                    self.ended.variable, self.variable
                ));
            }
        }
        Ok(())
    }

    /// The good slots that could start, and are not known to fail by themselves.
    pub(super) fn startable(&self, record: &Record) -> usize {
        let reaches = |slot: &SlotId| {
            let image = self.verdicts[slot.index()].whole;
            let reason = record.slot(*slot).reason;
            (reason == Reason::None || reason.is_left())
                && self.holds(*slot, record)
                && image.is_some_and(|image| self.reaches(image, self.ended.variable, record))
        };
        record.good().iter().filter(|slot| reaches(slot)).count()
    }

    fn signed(&self, started: &Started) -> Result<(), String> {
        let Started { slot, record, .. } = started;
        let digest = record.slot(*slot).manifest;
        let image = self
            .judge
            .images
            .iter()
            .find(|image| image.digest == digest);
        let image = image.ok_or_else(|| format!("slot {slot} starts an image nobody signed"))?;
        let floor = self.variable.floor(record.floor).security_version;
        if image.security_version < floor {
            return Err(format!(
                "slot {slot} starts with security version {}, the floor is {floor}",
                image.security_version
            ));
        }
        Ok(())
    }
}

/// What an orderly shutdown leaves, however it ends: a trial has its try back, and no
/// row of resets or of starts grows by it.
pub(super) fn in_order(before: &Record, slot: SlotId, after: &Record) -> Result<(), String> {
    if before.armed.is_some_and(|armed| armed.slot == slot) && before.trial() == Some(slot) {
        return try_given_back(before, slot, after);
    }
    let row = after.watchdog_resets().filter(|(of, _)| *of == slot);
    let starts = |record: &Record| {
        let row = record.starts().filter(|(of, _)| *of == slot);
        row.map_or(0, |(_, starts)| starts)
    };
    let less = starts(before).saturating_sub(1);
    if row.is_none() && starts(after) == less && after.slots().eq(before.slots()) {
        return Ok(());
    }
    Err(format!(
        "after a shutdown in order of slot {slot}: {after:?}"
    ))
}

fn try_given_back(before: &Record, slot: SlotId, after: &Record) -> Result<(), String> {
    let (was, now) = (before.slot(slot), after.slot(slot));
    let expected = if was.attempts >= was.attempts_limit() {
        (State::Bad, was.tries_left)
    } else {
        (State::Trying, was.tries.min(was.tries_left + 1))
    };
    if (now.state, now.tries_left) == expected {
        return Ok(());
    }
    Err(format!(
        "slot {slot} had {} of {} tries left, and has {} and is {}",
        was.tries_left, was.tries, now.tries_left, now.state
    ))
}

/// The slots that are good, or were before their trial.
pub(super) fn good(record: &Record) -> Vec<SlotId> {
    let good = |slot: &SlotId| record.slot(*slot).state == State::Good || record.was_good(*slot);
    record.ids().filter(good).collect()
}
