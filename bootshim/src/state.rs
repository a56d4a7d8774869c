//! The states of a slot, and every transition between them that is allowed.
//!
//! ```text
//! empty → writing → ready → trying(n) → good
//!                             ↓
//!                         bad(reason)
//! ```
//!
//! Each transition is a pure function from the record before to the [`Next`] one,
//! which is all that [`crate::copies`] commits.

use crate::record::{
    Armed, Arming, Digest, Failure, MINOR_ACTIVATIONS, Reason, Record, Slot, SlotId, Stage, State,
};
use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;

/// A record that may be committed: what a transition made of the one before.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next(pub(crate) Record);

impl Next {
    /// Nothing changes.
    pub fn unchanged(record: &Record) -> Next {
        Next(record.clone())
    }

    /// A record that no transition made: the first one of a new disk, and what tests
    /// begin with.
    pub fn by_hand(record: Record) -> Next {
        Next(record)
    }
}

impl Deref for Next {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.0
    }
}

impl PartialEq<Record> for Next {
    fn eq(&self, other: &Record) -> bool {
        self.0 == *other
    }
}

impl From<Next> for Record {
    fn from(next: Next) -> Record {
        next.0
    }
}

/// Why a transition is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// This disk has no such slot.
    #[error("this disk has no slot {0}")]
    NoSuchSlot(SlotId),
    /// The slot has a state from which this is not possible.
    #[error("slot {0} is {1}")]
    WrongState(SlotId, State),
    /// No slot may be written; why, for each.
    #[error(fmt = no_target)]
    NoTarget(Vec<(SlotId, Protection)>),
    /// This slot may not be written.
    #[error("slot {0} {1}")]
    Protected(SlotId, Protection),
    /// Only a slot that was armed can be confirmed or rejected.
    #[error("slot {0} is not the one that was armed")]
    NotArmed(SlotId),
    /// Another image lies in the slot than the one that runs.
    #[error("slot {0} holds another image than the one that runs")]
    OtherImage(SlotId),
    /// There is no other good slot to go back to.
    #[error("there is no other good slot to go back to")]
    NoOtherGood,
    /// A person rejected the slot: checks do not take that back.
    #[error("slot {0} was rejected: only a person confirms it")]
    Rejected(SlotId),
}

fn no_target(why: &[(SlotId, Protection)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("no slot is free")?;
    why.iter()
        .try_for_each(|(slot, protection)| write!(f, "; {slot} {protection}"))
}

/// Why a slot must not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// It runs.
    Running,
    /// It boots when a trial fails.
    KnownGood,
    /// It is on trial.
    OnTrial,
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protection::Running => "is running",
            Protection::KnownGood => "is the known-good one",
            Protection::OnTrial => "is on trial",
        })
    }
}

/// Why `slot` must not be written now, where there is a reason.
pub fn protection(record: &Record, slot: SlotId, running: Option<SlotId>) -> Option<Protection> {
    if running == Some(slot) {
        Some(Protection::Running)
    } else if record.known_good() == Some(slot) {
        Some(Protection::KnownGood)
    } else if record.slot(slot).state == State::Trying {
        Some(Protection::OnTrial)
    } else {
        None
    }
}

/// The slot that the next image goes into: `wanted`, or else in this order one
/// that is writing, bad, empty, ready, or the oldest good one. Without a good slot
/// what may start is all there is: then what cannot start goes first.
///
/// # Errors
/// [`Refusal::NoTarget`] with the reason for each slot, or
/// [`Refusal::Protected`] for the one that was wanted.
pub fn write_target(
    record: &Record,
    running: Option<SlotId>,
    wanted: Option<SlotId>,
) -> Result<SlotId, Refusal> {
    if let Some(slot) = wanted {
        require(record, slot)?;
        return match protection(record, slot, running) {
            Some(why) => Err(Refusal::Protected(slot, why)),
            None => Ok(slot),
        };
    }
    let preference = |slot: SlotId| match record.slot(slot).state {
        State::Writing => (0, 0),
        State::Bad => (1, 0),
        State::Empty => (2, 0),
        State::Ready => (3, 0),
        State::Good => (4, record.slot(slot).priority),
        State::Trying => (5, 0),
    };
    let no_good = record.known_good().is_none();
    // What was started last may be what runs, seen from a rescue system.
    let needed =
        |slot: SlotId| no_good && may_start(record.slot(slot)) && record.last_booted == Some(slot);
    let starts = |slot: SlotId| no_good && may_start(record.slot(slot));
    let free = record
        .ids()
        .filter(|slot| protection(record, *slot, running).is_none());
    let order = |slot: &SlotId| (starts(*slot), needed(*slot), preference(*slot));
    free.min_by_key(order).ok_or_else(|| {
        let why = |slot| protection(record, slot, running).map(|why| (slot, why));
        Refusal::NoTarget(record.ids().filter_map(why).collect())
    })
}

/// Whether bootshim may start the slot as a last resort: an image lies in it, and
/// nothing that is known says that its bytes are wrong or too old.
fn may_start(slot: &Slot) -> bool {
    let proven = matches!(
        slot.reason,
        Reason::NotAuthentic | Reason::Damaged | Reason::WrongManifest | Reason::BelowFloor
    );
    match slot.state {
        State::Empty | State::Writing => false,
        State::Ready | State::Trying | State::Good => true,
        State::Bad => slot.manifest != crate::record::NO_DIGEST && !proven,
    }
}

/// `→ writing`, before anything in the slot changes. The digest goes, so that whatever
/// still lies there is never taken for an image. Never the running, the known-good or
/// the trying slot.
pub fn begin_writing(
    record: &Record,
    slot: SlotId,
    running: Option<SlotId>,
) -> Result<Next, Refusal> {
    write_target(record, running, Some(slot))?;
    let mut next = Next::unchanged(record);
    next.0.set_slot(
        slot,
        Slot {
            state: State::Writing,
            activation: record.slot(slot).activation,
            ..Slot::EMPTY
        },
    );
    next.0.once = record.once.filter(|once| *once != slot);
    next.0.armed = record.armed.filter(|armed| armed.slot != slot);
    Ok(next)
}

/// `writing → ready`, after every byte was read back.
pub fn finish_writing(
    record: &Record,
    slot: SlotId,
    manifest: Digest,
    security_version: u64,
) -> Result<Next, Refusal> {
    expect(record, slot, &[State::Writing])?;
    Ok(with(record, slot, |s| {
        s.state = State::Ready;
        s.manifest = manifest;
        s.security_version = security_version;
    }))
}

/// `ready → good` on a disk that has no good slot yet and never ran: the
/// factory's own image.
pub fn provision(record: &Record, slot: SlotId) -> Result<Next, Refusal> {
    expect(record, slot, &[State::Ready])?;
    if let Some(good) = record.known_good() {
        return Err(Refusal::WrongState(good, State::Good));
    }
    Ok(make_good(record, slot))
}

/// `ready | good | bad → trying(n)`: the flip. The slot that was trying becomes
/// what it was before. The slot that is known-good then needs no trial: activating
/// it ends the one there is. Of a bad slot the caller has verified every byte.
pub fn activate(record: &Record, slot: SlotId, tries: u8) -> Result<Next, Refusal> {
    expect(
        record,
        slot,
        &[State::Ready, State::Trying, State::Good, State::Bad],
    )?;
    if record.slot(slot).state == State::Trying {
        return Ok(Next::unchanged(record));
    }
    if record.slot(slot).manifest == crate::record::NO_DIGEST {
        return Err(Refusal::WrongState(slot, record.slot(slot).state));
    }
    let next = end_trial(record);
    if next.known_good() == Some(slot) {
        return Ok(next);
    }
    Ok(with(&next, slot, |s| {
        // A good slot keeps its place among the good ones, to which it comes back.
        s.priority = match s.state {
            State::Good => s.priority.max(1),
            _ => 0,
        };
        s.state = State::Trying;
        s.reason = Reason::None;
        s.tries = tries;
        s.tries_left = tries;
        s.attempts = 0;
    }))
}

/// Whether `flip` begins a trial of the slot. Where it was on trial before, or is good after
/// it, it keeps the state that it has.
pub fn begins(before: &Record, flip: &Record, slot: SlotId) -> bool {
    flip.trial() == Some(slot) && before.trial() != Some(slot)
}

/// The trial that `flip` begins has this number, under which its state was made ready; any
/// other flip stays as it is.
pub fn number(before: &Record, flip: Next, slot: SlotId, activation: u8) -> Next {
    if !begins(before, &flip, slot) {
        return flip;
    }
    let mut next = with(&flip, slot, |s| s.activation = activation);
    next.0.minor = next.minor.max(MINOR_ACTIVATIONS);
    next
}

/// An order with this counter was accepted: no earlier one counts here any more, whatever
/// else is lost. A counter of more than 48 bits changes nothing; no order has one.
pub fn accept_order(record: &Record, counter: u64) -> Next {
    let mut next = Next::unchanged(record);
    next.0.raise_order_floor(counter);
    next
}

/// The slot starts next, once; its state does not change. It is ready, trying or good.
pub fn activate_once(record: &Record, slot: SlotId) -> Result<Next, Refusal> {
    expect(record, slot, &[State::Ready, State::Trying, State::Good])?;
    let mut next = Next::unchanged(record);
    next.0.once = Some(slot);
    Ok(next)
}

/// Goes back to the highest good slot other than the running one. Where that
/// one boots anyway once the trial has ended, it stays good; where a better one
/// would, it becomes the trial.
pub fn rollback(
    record: &Record,
    running: Option<SlotId>,
    tries: u8,
) -> Result<(SlotId, Next), Refusal> {
    let before = end_trial(record);
    // Where nothing runs it is what started before the trial: a slot that was good
    // already is on trial because somebody went back to it.
    let from = running
        .or_else(|| record.trial().filter(|trial| !record.was_good(*trial)))
        .or_else(|| before.known_good());
    let target = before.good().into_iter().find(|slot| Some(*slot) != from);
    let target = target.ok_or(Refusal::NoOtherGood)?;
    let mut next = activate(record, target, tries)?;
    next.0.once = None;
    Ok((target, next))
}

/// What bootshim commits before it starts a slot that is not simply good:
/// a one-shot is cleared, a trial loses a try, and every start is counted.
pub fn arm(record: &Record, slot: SlotId, as_what: Arming) -> Next {
    let mut next = with(record, slot, |s| {
        s.attempts = s.attempts.saturating_add(1);
        if as_what == Arming::Trial || s.state == State::Trying {
            s.tries_left = s.tries_left.saturating_sub(1);
        }
    });
    if as_what == Arming::Once {
        next.0.once = None;
    }
    next.0.armed = Some(Armed { slot, as_what });
    next.0.last_booted = Some(slot);
    // Other starts come between those of a good slot: they are no row.
    next.0.set_starts(None);
    next
}

/// A slot failed. A good one keeps its state, and the reason is noted beside
/// it; any other becomes bad.
pub fn fail(record: &Record, slot: SlotId, reason: Reason, stage: Stage) -> Next {
    let mut next = with(record, slot, |s| {
        s.reason = reason;
        if s.state != State::Good {
            s.state = State::Bad;
        }
    });
    next.0.once = record.once.filter(|once| *once != slot);
    next.0.armed = record.armed.filter(|armed| armed.slot != slot);
    noting_failure(next, slot, reason, stage)
}

/// The start that runs now, a trial's or a last resort's, is given up; the trial
/// keeps the tries it has left.
pub fn give_up_start(record: &Record, slot: SlotId, reason: Reason) -> Result<Next, Refusal> {
    expect_armed(record, slot)?;
    expect(record, slot, &[State::Trying, State::Ready])?;
    let mut next = with(record, slot, |s| s.reason = reason);
    // Disarmed: a start that was given up is neither confirmed nor given back.
    next.0.armed = None;
    Ok(noting_failure(next, slot, reason, Stage::Watch))
}

/// `→ good`: production has run well for long enough. The slot is the armed trial, or
/// was armed as last resort, and `running` is its manifest.
pub fn confirm(record: &Record, slot: SlotId, running: &Digest) -> Result<Next, Refusal> {
    require(record, slot)?;
    if record.slot(slot).manifest != *running {
        return Err(Refusal::OtherImage(slot));
    }
    expect_armed(record, slot)?;
    let last_resort = record
        .armed
        .is_some_and(|armed| armed.as_what == Arming::LastResort);
    match record.slot(slot).state {
        State::Trying => {}
        State::Ready if last_resort => {}
        state => return Err(Refusal::WrongState(slot, state)),
    }
    Ok(make_good(record, slot))
}

/// Who says that a slot is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// `slotctl watch`, by its checks.
    Checks,
    /// A person.
    Person,
}

/// `bad → good` where the slot runs as last resort, and the caller has verified
/// every byte of it and its security version: what runs well is better than nothing
/// good. What a person rejected only a person takes back. `running` is the digest of the
/// manifest that runs.
pub fn confirm_last_resort(
    record: &Record,
    slot: SlotId,
    running: &Digest,
    judge: Judge,
) -> Result<Next, Refusal> {
    let known = expect(record, slot, &[State::Bad])?;
    if known.manifest != *running {
        return Err(Refusal::OtherImage(slot));
    }
    let as_what = Arming::LastResort;
    if record.armed != Some(Armed { slot, as_what }) {
        return Err(Refusal::NotArmed(slot));
    }
    if known.reason == Reason::Rejected && judge == Judge::Checks {
        return Err(Refusal::Rejected(slot));
    }
    Ok(make_good(record, slot))
}

/// Somebody says that a good slot runs well: what its starts before ended in counts
/// no longer.
pub fn ran_well(record: &Record, slot: SlotId) -> Next {
    let mut next = Next::unchanged(record);
    if record.watchdog_resets().is_some_and(|(of, _)| of == slot) {
        next.0.set_watchdog_resets(None);
    }
    if record.starts().is_some_and(|(of, _)| of == slot) {
        next.0.set_starts(None);
    }
    next
}

/// The system in a good slot says that it is up: its starts before that are no row
/// any more. That it says so at all is noted with it, so that a start which does not
/// counts from now on. Where no other good slot is, nobody could take over and
/// nothing is noted. `running` is the digest of the manifest that runs.
pub fn came_up(record: &Record, slot: SlotId, running: &Digest) -> Result<Next, Refusal> {
    let known = expect(record, slot, &[State::Good])?;
    if known.manifest != *running {
        return Err(Refusal::OtherImage(slot));
    }
    let mut next = Next::unchanged(record);
    if record.starts().is_some_and(|(of, _)| of == slot) {
        next.0.set_starts(None);
    }
    if record.good().len() > 1 && !record.says_when_up(slot) {
        next.0.set_says_when_up(slot);
    }
    Ok(next)
}

/// The system in `slot` goes down in order, however that ends. The start of a trial
/// costs no try. That of a good slot which did not say yet that it is up counts for
/// nothing, and its row of resets ends here: a shutdown that takes longer than the
/// watchdog waits is no reason to leave a slot that works.
pub fn went_down_in_order(record: &Record, slot: SlotId) -> Next {
    if let Ok(next) = give_back(record, slot) {
        return next;
    }
    let mut next = Next::unchanged(record);
    if record.watchdog_resets().is_some_and(|(of, _)| of == slot) {
        next.0.set_watchdog_resets(None);
    }
    if let Some((of, starts)) = record.starts().filter(|(of, _)| *of == slot) {
        next.0
            .set_starts(starts.checked_sub(1).map(|before| (of, before)));
    }
    next
}

/// A good slot is left for the next one: its starts ended too soon again and again.
/// Good slots that were left so before get their turn again, so that no machine
/// stays with the one of highest priority. Only good slots have such a reason.
pub fn leave(record: &Record, slot: SlotId, reason: Reason) -> Next {
    let mut next = fail(record, slot, reason, Stage::Started);
    for (other, known) in record.slots() {
        if other != slot && known.reason.is_left() {
            next = with(&next, other, |s| s.reason = Reason::None);
        }
    }
    next.0.set_watchdog_resets(None);
    next.0.set_starts(None);
    next
}

/// `trying → bad(rejected)`, at once. The slot is on trial, and `running` is the digest
/// of the manifest that runs.
pub fn reject(record: &Record, slot: SlotId, running: &Digest) -> Result<Next, Refusal> {
    expect(record, slot, &[State::Trying])?;
    if record.slot(slot).manifest != *running {
        return Err(Refusal::OtherImage(slot));
    }
    Ok(fail(record, slot, Reason::Rejected, Stage::Watch))
}

/// The system goes down in order while the slot runs on trial: the start costs
/// no try. After three times its tries the slot is bad all the same.
pub fn give_back(record: &Record, slot: SlotId) -> Result<Next, Refusal> {
    expect_armed(record, slot)?;
    let trial = expect(record, slot, &[State::Trying])?;
    if trial.attempts >= trial.attempts_limit() {
        return Ok(fail(record, slot, Reason::Unconfirmed, Stage::Watch));
    }
    let mut next = with(record, slot, |s| {
        s.tries_left = s.tries_left.saturating_add(1).min(s.tries);
        s.reason = Reason::None;
    });
    // Disarmed: given back once, not once more by a second signal.
    next.0.armed = None;
    Ok(next)
}

fn require(record: &Record, slot: SlotId) -> Result<&Slot, Refusal> {
    if record.has(slot) {
        Ok(record.slot(slot))
    } else {
        Err(Refusal::NoSuchSlot(slot))
    }
}

fn expect<'r>(record: &'r Record, slot: SlotId, states: &[State]) -> Result<&'r Slot, Refusal> {
    let found = require(record, slot)?;
    if states.contains(&found.state) {
        Ok(found)
    } else {
        Err(Refusal::WrongState(slot, found.state))
    }
}

fn expect_armed(record: &Record, slot: SlotId) -> Result<(), Refusal> {
    match record.armed {
        Some(armed) if armed.slot == slot => Ok(()),
        _ => Err(Refusal::NotArmed(slot)),
    }
}

fn with(record: &Record, slot: SlotId, change: impl FnOnce(&mut Slot)) -> Next {
    let mut next = Next::unchanged(record);
    let mut changed = *record.slot(slot);
    change(&mut changed);
    next.0.set_slot(slot, changed);
    next
}

/// The record without its trial: the slot is what it was before.
fn end_trial(record: &Record) -> Next {
    let Some(trial) = record.trial() else {
        return Next::unchanged(record);
    };
    let was_good = record.was_good(trial);
    let mut next = with(record, trial, |s| {
        s.state = if was_good { State::Good } else { State::Ready };
        s.tries_left = 0;
    });
    next.0.armed = record.armed.filter(|armed| armed.slot != trial);
    next
}

fn noting_failure(mut next: Next, slot: SlotId, reason: Reason, stage: Stage) -> Next {
    let sequence = next.sequence;
    next.0.last_failure = Some(Failure {
        slot,
        reason,
        stage,
        sequence,
    });
    next
}

/// Good, above all other good slots; their priorities close up, so that they
/// never run out. The floor follows to the lowest good slot, one that is on trial
/// again among them: never past one that is needed to come back to.
fn make_good(record: &Record, slot: SlotId) -> Next {
    let mut next = with(record, slot, |s| {
        s.state = State::Good;
        s.reason = Reason::None;
        s.tries_left = 0;
    });
    let good = |id: &SlotId| next.slot(*id).state == State::Good || next.was_good(*id);
    let mut order: Vec<SlotId> = next.ids().filter(|id| *id != slot && good(id)).collect();
    order.sort_by_key(|id| next.slot(*id).priority);
    order.push(slot);
    for (priority, id) in (1u8..).zip(&order) {
        next = with(&next, *id, |s| s.priority = priority);
    }
    let lowest = order.iter().map(|id| next.slot(*id).security_version).min();
    next.0.floor = next.floor.max(lowest.unwrap_or(0));
    next.0.armed = record.armed.filter(|armed| armed.slot != slot);
    // The rows were those of another good slot, or of another image.
    next.0.set_watchdog_resets(None);
    next.0.set_starts(None);
    next
}

#[cfg(test)]
mod tests;
