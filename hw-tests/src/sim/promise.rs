//! What always holds, a line each, and what breaks it.

use super::cuts::Fault;
use super::image::{Judge, Verdict};
use super::start::{Ended, Started};
use bootshim::choice::Kind;
use bootshim::record::{NO_DIGEST, Record, SlotId, State};
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
}

impl Promise {
    /// Every one, in order.
    pub const ALL: [Promise; 10] = [
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
            Promise::TryGivenBack => "an orderly shutdown costs a trial no try",
            Promise::SameEnd => "a command twice is one; a killed one blocks nothing",
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
        match &self.ended.started {
            Some(started) => {
                hold(Promise::Signed, self.signed(started));
                if started.kind != Kind::Good {
                    checked(Promise::Durable);
                }
                if started.kind == Kind::Once {
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
        if now.floor < was.floor || after.floor < now.floor {
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
        let version = self.judge.images[image].security_version;
        let may = |record: &Record| {
            let id = SlotId::new(slot).unwrap();
            let state = record.slot(id).state;
            !matches!(state, State::Empty | State::Writing) && version >= record.floor
        };
        self.unreadable != Some(slot) && self.ended.found.as_ref().is_none_or(may)
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
        if image.security_version < record.floor {
            return Err(format!(
                "slot {slot} starts with security version {}, the floor is {}",
                image.security_version, record.floor
            ));
        }
        Ok(())
    }
}

/// What an orderly shutdown during a trial leaves.
pub(super) fn try_given_back(before: &Record, slot: SlotId, after: &Record) -> Result<(), String> {
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
