//! The states of a slot, and every transition between them that is allowed.
//!
//! ```text
//! empty → writing → ready → trying(n) → good
//!                             ↓
//!                         bad(reason)
//! ```
//!
//! Each transition is a pure function from the record before to the record
//! after; nothing else changes a slot. Whether the record is on disk is the
//! business of [`crate::copies`].

use crate::record::{Armed, Arming, Digest, Failure, Reason, Record, Slot, SlotId, Stage, State};
use alloc::vec::Vec;
use core::fmt;

/// Why a transition is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// This disk has no such slot.
    NoSuchSlot(SlotId),
    /// The slot has a state from which this is not possible.
    WrongState(SlotId, State),
    /// No slot may be written; why, for each.
    NoTarget(Vec<(SlotId, Protection)>),
    /// This slot may not be written.
    Protected(SlotId, Protection),
    /// Only a slot that was armed can be confirmed or rejected.
    NotArmed(SlotId),
    /// Another image lies in the slot than the one that runs.
    OtherImage(SlotId),
    /// There is no other good slot to go back to.
    NoOtherGood,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NoSuchSlot(slot) => write!(f, "this disk has no slot {slot}"),
            Refusal::WrongState(slot, state) => write!(f, "slot {slot} is {state}"),
            Refusal::NoTarget(why) => {
                f.write_str("no slot is free")?;
                for (slot, protection) in why {
                    write!(f, "; {slot} {protection}")?;
                }
                Ok(())
            }
            Refusal::Protected(slot, protection) => write!(f, "slot {slot} {protection}"),
            Refusal::NotArmed(slot) => write!(f, "slot {slot} is not the one that was armed"),
            Refusal::OtherImage(slot) => {
                write!(f, "slot {slot} holds another image than the one that runs")
            }
            Refusal::NoOtherGood => f.write_str("there is no other good slot to go back to"),
        }
    }
}

impl core::error::Error for Refusal {}

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
#[must_use]
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
/// that is writing, bad, empty, ready, or the oldest good one.
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
    let free = record
        .ids()
        .filter(|slot| protection(record, *slot, running).is_none());
    free.min_by_key(|slot| preference(*slot)).ok_or_else(|| {
        let why = |slot| protection(record, slot, running).map(|why| (slot, why));
        Refusal::NoTarget(record.ids().filter_map(why).collect())
    })
}

/// `→ writing`, before anything in the slot changes. The digest goes, so that
/// whatever still lies there is never taken for an image.
///
/// # Errors
/// [`Refusal::Protected`]: the running, the known-good and the trying slot are
/// never written.
pub fn begin_writing(
    record: &Record,
    slot: SlotId,
    running: Option<SlotId>,
) -> Result<Record, Refusal> {
    write_target(record, running, Some(slot))?;
    let mut next = record.clone();
    next.set_slot(
        slot,
        Slot {
            state: State::Writing,
            kept: record.slot(slot).kept,
            ..Slot::EMPTY
        },
    );
    next.once = record.once.filter(|once| *once != slot);
    next.armed = record.armed.filter(|armed| armed.slot != slot);
    Ok(next)
}

/// `writing → ready`, after every byte was read back.
///
/// # Errors
/// [`Refusal::WrongState`] unless the slot is writing.
pub fn finish_writing(
    record: &Record,
    slot: SlotId,
    manifest: Digest,
    security_version: u64,
) -> Result<Record, Refusal> {
    expect(record, slot, &[State::Writing])?;
    Ok(with(record, slot, |s| {
        s.state = State::Ready;
        s.manifest = manifest;
        s.security_version = security_version;
    }))
}

/// `ready → good` on a disk that has no good slot yet and never ran: the
/// factory's own image.
///
/// # Errors
/// [`Refusal::WrongState`] unless the slot is ready and no slot is good.
pub fn provision(record: &Record, slot: SlotId) -> Result<Record, Refusal> {
    expect(record, slot, &[State::Ready])?;
    if let Some(good) = record.known_good() {
        return Err(Refusal::WrongState(good, State::Good));
    }
    Ok(make_good(record, slot))
}

/// `ready | good | bad → trying(n)`: the flip. The slot that was trying becomes
/// ready. The known-good slot needs no trial: activating it ends the one there
/// is. Of a bad slot the caller has verified every byte.
///
/// # Errors
/// [`Refusal::WrongState`] for a slot without an image.
pub fn activate(record: &Record, slot: SlotId, tries: u8) -> Result<Record, Refusal> {
    expect(
        record,
        slot,
        &[State::Ready, State::Trying, State::Good, State::Bad],
    )?;
    if record.slot(slot).state == State::Trying {
        return Ok(record.clone());
    }
    if record.slot(slot).manifest == crate::record::NO_DIGEST {
        return Err(Refusal::WrongState(slot, record.slot(slot).state));
    }
    let next = end_trial(record);
    if record.known_good() == Some(slot) {
        return Ok(next);
    }
    Ok(with(&next, slot, |s| {
        s.state = State::Trying;
        s.reason = Reason::None;
        s.priority = 0;
        s.tries = tries;
        s.tries_left = tries;
        s.attempts = 0;
    }))
}

/// The slot starts next, once; its state does not change.
///
/// # Errors
/// [`Refusal::WrongState`] unless it is ready, trying or good.
pub fn activate_once(record: &Record, slot: SlotId) -> Result<Record, Refusal> {
    expect(record, slot, &[State::Ready, State::Trying, State::Good])?;
    let mut next = record.clone();
    next.once = Some(slot);
    Ok(next)
}

/// Goes back to the highest good slot other than the running one. Where that
/// one boots anyway once the trial has ended, it stays good; where a better one
/// would, it becomes the trial.
///
/// # Errors
/// [`Refusal::NoOtherGood`].
pub fn rollback(
    record: &Record,
    running: Option<SlotId>,
    tries: u8,
) -> Result<(SlotId, Record), Refusal> {
    let from = running
        .or_else(|| record.trial())
        .or_else(|| record.known_good());
    let target = record.good().into_iter().find(|slot| Some(*slot) != from);
    let target = target.ok_or(Refusal::NoOtherGood)?;
    let mut next = activate(record, target, tries)?;
    next.once = None;
    Ok((target, next))
}

/// What bootshim commits before it starts a slot that is not simply good:
/// a one-shot is cleared, a trial loses a try, and every start is counted.
#[must_use]
pub fn arm(record: &Record, slot: SlotId, as_what: Arming) -> Record {
    let mut next = with(record, slot, |s| {
        s.attempts = s.attempts.saturating_add(1);
        if as_what == Arming::Trial || s.state == State::Trying {
            s.tries_left = s.tries_left.saturating_sub(1);
        }
    });
    if as_what == Arming::Once {
        next.once = None;
    }
    next.armed = Some(Armed { slot, as_what });
    next.last_booted = Some(slot);
    next
}

/// A slot failed. A good one keeps its state, and the reason is noted beside
/// it; any other becomes bad.
#[must_use]
pub fn fail(record: &Record, slot: SlotId, reason: Reason, stage: Stage) -> Record {
    let mut next = with(record, slot, |s| {
        s.reason = reason;
        if s.state != State::Good {
            s.state = State::Bad;
        }
    });
    next.once = record.once.filter(|once| *once != slot);
    next.armed = record.armed.filter(|armed| armed.slot != slot);
    noting_failure(next, slot, reason, stage)
}

/// The start that runs now is given up; the trial keeps the tries it has left.
///
/// # Errors
/// [`Refusal::NotArmed`] or [`Refusal::WrongState`] unless it is the armed
/// trial.
pub fn give_up_start(record: &Record, slot: SlotId, reason: Reason) -> Result<Record, Refusal> {
    expect_armed(record, slot)?;
    expect(record, slot, &[State::Trying])?;
    let mut next = with(record, slot, |s| s.reason = reason);
    // Disarmed: a start that was given up is neither confirmed nor given back.
    next.armed = None;
    Ok(noting_failure(next, slot, reason, Stage::Watch))
}

/// `→ good`: production has run well for long enough.
///
/// # Errors
/// [`Refusal`] unless the slot is the armed trial (or was armed as a last
/// resort) and `running` is its manifest.
pub fn confirm(record: &Record, slot: SlotId, running: &Digest) -> Result<Record, Refusal> {
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

/// `trying → bad(rejected)`, at once.
///
/// # Errors
/// [`Refusal`] unless the slot is trying and `running` is its manifest.
pub fn reject(record: &Record, slot: SlotId, running: &Digest) -> Result<Record, Refusal> {
    expect(record, slot, &[State::Trying])?;
    if record.slot(slot).manifest != *running {
        return Err(Refusal::OtherImage(slot));
    }
    Ok(fail(record, slot, Reason::Rejected, Stage::Watch))
}

/// The system goes down in order while the slot runs on trial: the start costs
/// no try. After three times its tries the slot is bad all the same.
///
/// # Errors
/// [`Refusal`] unless the slot is the armed trial.
pub fn give_back(record: &Record, slot: SlotId) -> Result<Record, Refusal> {
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
    next.armed = None;
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

fn with(record: &Record, slot: SlotId, change: impl FnOnce(&mut Slot)) -> Record {
    let mut next = record.clone();
    let mut changed = *record.slot(slot);
    change(&mut changed);
    next.set_slot(slot, changed);
    next
}

fn end_trial(record: &Record) -> Record {
    let Some(trial) = record.trial() else {
        return record.clone();
    };
    let mut next = with(record, trial, |s| {
        s.state = State::Ready;
        s.tries_left = 0;
    });
    next.armed = record.armed.filter(|armed| armed.slot != trial);
    next
}

fn noting_failure(mut record: Record, slot: SlotId, reason: Reason, stage: Stage) -> Record {
    let sequence = record.sequence;
    record.last_failure = Some(Failure {
        slot,
        reason,
        stage,
        sequence,
    });
    record
}

/// Good, above all other good slots; their priorities close up, so that they
/// never run out. The floor follows to the lowest good slot: never past one
/// that is needed to come back to.
fn make_good(record: &Record, slot: SlotId) -> Record {
    let mut next = with(record, slot, |s| {
        s.state = State::Good;
        s.reason = Reason::None;
        s.tries_left = 0;
    });
    let mut order: Vec<SlotId> = next
        .ids()
        .filter(|id| *id != slot && next.slot(*id).state == State::Good)
        .collect();
    order.sort_by_key(|id| next.slot(*id).priority);
    order.push(slot);
    for (priority, id) in (1u8..).zip(&order) {
        next = with(&next, *id, |s| s.priority = priority);
    }
    let lowest = order.iter().map(|id| next.slot(*id).security_version).min();
    next.floor = next.floor.max(lowest.unwrap_or(0));
    next.armed = record.armed.filter(|armed| armed.slot != slot);
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::{PARTITION, any_record};
    use proptest::prelude::*;

    const A: usize = 0;
    const B: usize = 1;
    const C: usize = 2;

    fn id(index: usize) -> SlotId {
        SlotId::new(index).unwrap()
    }

    fn slot(state: State, fill: u8) -> Slot {
        let trying = state == State::Trying;
        let (tries, tries_left) = if trying { (3, 3) } else { (0, 0) };
        let priority = if state == State::Good { fill } else { 0 };
        Slot {
            state,
            tries,
            tries_left,
            priority,
            manifest: [fill; 32],
            ..Slot::EMPTY
        }
    }

    fn record(states: [State; 3]) -> Record {
        let mut record = Record::new(PARTITION, 3);
        record.sequence = 9;
        for (index, state) in states.into_iter().enumerate() {
            let made = match state {
                State::Empty => Slot::EMPTY,
                State::Writing => Slot {
                    state,
                    ..Slot::EMPTY
                },
                _ => slot(state, u8::try_from(index).unwrap() + 1),
            };
            record.set_slot(id(index), made);
        }
        record.check().unwrap();
        record
    }

    use State::{Bad, Empty, Good, Ready, Trying, Writing};

    #[test]
    fn an_image_goes_through_writing_ready_and_trying_to_good() {
        let start = record([Good, Empty, Empty]);
        let writing = begin_writing(&start, id(B), Some(id(A))).unwrap();
        assert_eq!(writing.slot(id(B)).state, Writing);
        let ready = finish_writing(&writing, id(B), [9; 32], 4).unwrap();
        assert_eq!(
            (ready.slot(id(B)).state, ready.slot(id(B)).manifest),
            (Ready, [9; 32])
        );
        let trying = activate(&ready, id(B), 3).unwrap();
        let armed = arm(&trying, id(B), Arming::Trial);
        assert_eq!(
            (armed.slot(id(B)).tries_left, armed.slot(id(B)).attempts),
            (2, 1)
        );
        let good = confirm(&armed, id(B), &[9; 32]).unwrap();
        assert_eq!(good.known_good(), Some(id(B)));
        assert_eq!(good.good(), [id(B), id(A)]);
    }

    #[test]
    fn the_slot_to_write_is_chosen_in_the_order_of_the_design() {
        let table: [([State; 3], Option<usize>, Option<usize>); 9] = [
            ([Good, Writing, Bad], Some(A), Some(B)),
            ([Good, Empty, Bad], Some(A), Some(C)),
            ([Good, Ready, Empty], Some(A), Some(C)),
            ([Good, Good, Ready], Some(B), Some(C)),
            ([Good, Good, Good], Some(C), Some(A)),
            ([Good, Good, Good], Some(A), Some(B)),
            ([Good, Trying, Empty], Some(B), Some(C)),
            ([Good, Trying, Good], Some(B), Some(A)),
            ([Good, Trying, Good], None, Some(A)),
        ];
        for (states, running, expected) in table {
            let found = write_target(&record(states), running.map(id), None).ok();
            assert_eq!(found, expected.map(id), "{states:?} running {running:?}");
        }
    }

    #[test]
    fn no_free_slot_is_refused_with_the_reason_for_each() {
        let record = record([Good, Good, Trying]);
        let refused = write_target(&record, Some(id(A)), None).unwrap_err();
        assert_eq!(
            refused,
            Refusal::NoTarget(alloc::vec![
                (id(A), Protection::Running),
                (id(B), Protection::KnownGood),
                (id(C), Protection::OnTrial),
            ])
        );
    }

    #[test]
    fn a_power_switch_during_a_trial_costs_no_try_but_attempts_never_fall() {
        let mut now = record([Good, Trying, Empty]);
        for attempt in 1..=9 {
            now = arm(&now, id(B), Arming::Trial);
            assert_eq!(now.slot(id(B)).attempts, attempt);
            now = give_back(&now, id(B)).unwrap();
        }
        assert_eq!(now.slot(id(B)).state, Bad);
        assert_eq!(now.slot(id(B)).reason, Reason::Unconfirmed);
    }

    #[test]
    fn a_try_is_given_back_once() {
        let armed = arm(&record([Good, Trying, Empty]), id(B), Arming::Trial);
        let back = give_back(&armed, id(B)).unwrap();
        assert_eq!(back.slot(id(B)).tries_left, 3);
        assert_eq!(give_back(&back, id(B)), Err(Refusal::NotArmed(id(B))));
    }

    #[test]
    fn a_start_that_was_given_up_is_neither_confirmed_nor_given_back() {
        let armed = arm(&record([Good, Trying, Empty]), id(B), Arming::Trial);
        let lost = give_up_start(&armed, id(B), Reason::Deadline).unwrap();
        assert_eq!(
            (lost.slot(id(B)).state, lost.slot(id(B)).tries_left),
            (Trying, 2)
        );
        assert_eq!(
            confirm(&lost, id(B), &[2; 32]),
            Err(Refusal::NotArmed(id(B)))
        );
        assert_eq!(give_back(&lost, id(B)), Err(Refusal::NotArmed(id(B))));
    }

    #[test]
    fn only_the_armed_slot_with_the_running_image_is_confirmed() {
        let trying = record([Good, Trying, Ready]);
        assert_eq!(
            confirm(&trying, id(B), &[2; 32]),
            Err(Refusal::NotArmed(id(B)))
        );
        let armed = arm(&trying, id(B), Arming::Trial);
        assert_eq!(
            confirm(&armed, id(B), &[3; 32]),
            Err(Refusal::OtherImage(id(B)))
        );
        assert_eq!(
            confirm(&armed, id(C), &[3; 32]),
            Err(Refusal::NotArmed(id(C)))
        );
        assert_eq!(
            confirm(&armed, id(A), &[1; 32]),
            Err(Refusal::NotArmed(id(A)))
        );
        assert!(confirm(&armed, id(B), &[2; 32]).is_ok());
        let once = arm(&trying, id(C), Arming::Once);
        assert_eq!(
            confirm(&once, id(C), &[3; 32]),
            Err(Refusal::WrongState(id(C), Ready))
        );
        let last = arm(&trying, id(C), Arming::LastResort);
        assert!(confirm(&last, id(C), &[3; 32]).is_ok());
    }

    #[test]
    fn activating_the_known_good_slot_ends_the_trial_and_keeps_it_good() {
        let next = activate(&record([Good, Trying, Empty]), id(A), 3).unwrap();
        assert_eq!(
            (next.slot(id(A)).state, next.slot(id(B)).state),
            (Good, Ready)
        );
    }

    #[test]
    fn activating_an_older_good_slot_leaves_another_good_one() {
        let next = activate(&record([Good, Good, Empty]), id(A), 3).unwrap();
        assert_eq!(
            (next.slot(id(A)).state, next.slot(id(B)).state),
            (Trying, Good)
        );
    }

    #[test]
    fn rollback_goes_to_the_highest_other_good_slot() {
        let (to, next) = rollback(&record([Good, Good, Empty]), Some(id(B)), 3).unwrap();
        assert_eq!((to, next.slot(id(A)).state), (id(A), Trying));
        let (to, next) = rollback(&record([Good, Good, Trying]), Some(id(C)), 3).unwrap();
        assert_eq!(to, id(B));
        assert_eq!(
            (next.slot(id(B)).state, next.slot(id(C)).state),
            (Good, Ready)
        );
        let none = rollback(&record([Good, Empty, Empty]), Some(id(A)), 3);
        assert_eq!(none, Err(Refusal::NoOtherGood));
    }

    #[test]
    fn a_one_shot_clears_in_the_commit_that_arms_it() {
        let once = activate_once(&record([Good, Ready, Empty]), id(B)).unwrap();
        let armed = arm(&once, id(B), Arming::Once);
        assert_eq!(armed.once, None);
        assert_eq!(armed.slot(id(B)).state, Ready);
    }

    #[test]
    fn a_slot_that_failed_does_not_start_as_the_one_shot_it_was_meant_to_be() {
        let armed = arm(&record([Good, Trying, Empty]), id(B), Arming::Trial);
        let once = activate_once(&armed, id(B)).unwrap();
        assert_eq!(reject(&once, id(B), &[2; 32]).unwrap().once, None);
        let other = activate_once(&armed, id(A)).unwrap();
        assert_eq!(reject(&other, id(B), &[2; 32]).unwrap().once, Some(id(A)));
    }

    #[test]
    fn a_slot_that_is_written_is_not_armed_any_more_for_what_it_held() {
        let once = arm(&record([Good, Ready, Empty]), id(B), Arming::Once);
        let writing = begin_writing(&once, id(B), Some(id(A))).unwrap();
        assert_eq!(writing.armed, None);
        let writing = begin_writing(&once, id(C), Some(id(A))).unwrap();
        assert_eq!(writing.armed, once.armed);
    }

    #[test]
    fn a_good_slot_that_fails_keeps_its_state_and_boots_after_the_others() {
        let next = fail(
            &record([Good, Good, Empty]),
            id(B),
            Reason::Damaged,
            Stage::Verify,
        );
        assert_eq!(
            (next.slot(id(B)).state, next.slot(id(B)).reason),
            (Good, Reason::Damaged)
        );
        assert_eq!(next.good(), [id(A), id(B)]);
    }

    #[test]
    fn the_floor_rises_to_the_lowest_good_slot_and_never_falls() {
        let mut start = record([Good, Trying, Empty]);
        for (index, version) in [(A, 3), (B, 7)] {
            let raised = Slot {
                security_version: version,
                ..*start.slot(id(index))
            };
            start.set_slot(id(index), raised);
        }
        let armed = arm(&start, id(B), Arming::Trial);
        assert_eq!(confirm(&armed, id(B), &[2; 32]).unwrap().floor, 3);
        let mut high = armed;
        high.floor = 5;
        assert_eq!(confirm(&high, id(B), &[2; 32]).unwrap().floor, 5);
    }

    /// Every transition with arbitrary arguments.
    fn transitions(r: &Record, s: SlotId, run: Option<SlotId>, tries: u8) -> Vec<Record> {
        let manifest = r.slot(s).manifest;
        let mut all = alloc::vec![arm(r, s, Arming::Trial), arm(r, s, Arming::Once),];
        if r.slot(s).state != State::Empty && r.slot(s).state != State::Writing {
            all.push(fail(r, s, Reason::Damaged, Stage::Verify));
        }
        all.extend(begin_writing(r, s, run));
        all.extend(finish_writing(r, s, [5; 32], 1));
        all.extend(activate(r, s, tries));
        all.extend(activate_once(r, s));
        all.extend(rollback(r, run, tries).map(|(_, next)| next));
        all.extend(give_up_start(r, s, Reason::Deadline));
        all.extend(confirm(r, s, &manifest));
        all.extend(reject(r, s, &manifest));
        all.extend(give_back(r, s));
        all
    }

    proptest! {
        #[test]
        fn from_the_first_good_slot_on_there_is_one(
            record in any_record(), slot in 0usize..8, running: Option<u8>, tries in 1u8..=9,
        ) {
            let slot = id(slot);
            prop_assume!(record.has(slot));
            let running = running.map(|r| id(usize::from(r % 8)));
            for next in transitions(&record, slot, running, tries) {
                if record.known_good().is_some() {
                    prop_assert!(next.known_good().is_some());
                }
            }
        }

        #[test]
        fn every_transition_leads_to_a_record_that_can_be(
            record in any_record(), slot in 0usize..8, running: Option<u8>, tries in 1u8..=9,
        ) {
            let slot = id(slot);
            prop_assume!(record.has(slot) && !matches!(record.slot(slot).state, State::Empty | State::Writing));
            let running = running.map(|r| id(usize::from(r % 8)));
            for next in transitions(&record, slot, running, tries) {
                prop_assert_eq!(next.check(), Ok(()));
                prop_assert!(next.floor >= record.floor);
            }
        }

        #[test]
        fn the_running_and_the_known_good_slot_are_never_written(
            record in any_record(), slot in 0usize..8, running: Option<u8>,
        ) {
            let (slot, running) = (id(slot), running.map(|r| id(usize::from(r % 8))));
            if begin_writing(&record, slot, running).is_ok() {
                prop_assert_ne!(Some(slot), running);
                prop_assert_ne!(Some(slot), record.known_good());
            }
        }
    }
}
