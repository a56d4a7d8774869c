use super::*;
use crate::record::tests::{PARTITION, any_record, id};
use crate::record::{Arming, Reason, Slot};
use proptest::prelude::*;

/// Slot a and b good, b above a; c ready.
fn two_good() -> Record {
    let mut record = Record::new(PARTITION, 3);
    record.sequence = 9;
    for (letter, state, priority) in [
        ("a", State::Good, 1),
        ("b", State::Good, 2),
        ("c", State::Ready, 0),
    ] {
        let made = Slot {
            state,
            priority,
            manifest: [priority + 1; 32],
            ..Slot::EMPTY
        };
        record.set_slot(id(letter), made);
    }
    record.check().unwrap();
    record
}

fn after(record: &Record, causes: &[Cause]) -> Record {
    causes
        .iter()
        .fold(record.clone(), |record, cause| assess(&record, *cause).0.0)
}

use Cause::{Other, PowerOn, Restart, Unknown, Watchdog};

#[test]
fn the_third_reset_in_a_row_leaves_a_good_slot_for_the_next_one() {
    let start = two_good();
    let twice = after(&start, &[Watchdog, Watchdog]);
    assert_eq!(twice.watchdog_resets(), Some((id("b"), 2)));
    assert_eq!(twice.known_good(), Some(id("b")));
    let (third, meaning) = assess(&twice, Watchdog);
    assert_eq!(meaning, Meaning::Left(id("b"), Reason::Watchdog));
    assert_eq!(third.known_good(), Some(id("a")));
    assert_eq!(third.slot(id("b")).state, State::Good);
    assert_eq!(third.slot(id("b")).reason, Reason::Watchdog);
    assert_eq!(third.watchdog_resets(), None);
}

#[test]
fn a_start_that_the_watchdog_did_not_cause_breaks_the_row() {
    for between in [Other, Unknown] {
        let record = after(&two_good(), &[Watchdog, Watchdog, between, Watchdog]);
        assert_eq!(record.watchdog_resets(), Some((id("b"), 1)));
    }
}

#[test]
fn without_a_reset_by_the_watchdog_nothing_changes() {
    let start = two_good();
    for cause in [Other, Unknown] {
        assert_eq!(
            assess(&start, cause),
            (Next(start.clone()), Meaning::Nothing)
        );
    }
}

#[test]
fn a_run_that_lasted_breaks_the_row_of_its_slot_alone() {
    let twice = after(&two_good(), &[Watchdog, Watchdog]);
    assert_eq!(state::ran_well(&twice, id("b")).watchdog_resets(), None);
    assert_eq!(state::ran_well(&twice, id("a")), twice);
}

/// A shutdown that takes longer than the watchdog waits, or hangs.
#[test]
fn shutdowns_in_order_that_the_watchdog_ends_never_lead_away_from_a_good_slot() {
    let mut record = two_good();
    for _ in 0..20 {
        record = state::went_down_in_order(&record, id("b")).0;
        record = after(&record, &[Watchdog]);
        assert_eq!(record.known_good(), Some(id("b")));
    }
    let other = state::went_down_in_order(&record, id("a"));
    assert_eq!(other, record, "only of the slot that runs");
}

#[test]
fn good_slots_that_all_die_get_their_turn() {
    let mut record = two_good();
    for expected in ["a", "b", "a", "b"] {
        record = after(&record, &[Watchdog, Watchdog, Watchdog]);
        assert_eq!(record.known_good(), Some(id(expected)));
    }
}

#[test]
fn the_only_good_slot_is_not_left_and_counting_it_ends() {
    let mut start = two_good();
    start.set_slot(id("a"), Slot::EMPTY);
    let third = after(&start, &[Watchdog, Watchdog, Watchdog]);
    assert_eq!(third.slot(id("b")).reason, Reason::None);
    let (fourth, meaning) = assess(&third, Watchdog);
    assert_eq!(fourth, third, "no further write");
    assert_eq!(meaning, Meaning::Counted(id("b"), IN_A_ROW));
}

#[test]
fn resets_of_a_trial_are_not_those_of_the_good_slot() {
    let activated = state::activate(&two_good(), id("c"), 3).unwrap();
    assert_eq!(
        assess(&activated, Watchdog).1,
        Meaning::Counted(id("b"), 1),
        "it has not been started yet"
    );
    let armed = state::arm(&activated, id("c"), Arming::Trial);
    assert_eq!(
        assess(&armed, Watchdog),
        (armed.clone(), Meaning::NotCounted)
    );
    let given_up = state::give_up_start(&armed, id("c"), Reason::Deadline).unwrap();
    assert_eq!(assess(&given_up, Watchdog).1, Meaning::NotCounted);
}

#[test]
fn a_trial_was_started_last_where_it_was_started_since_it_is_one() {
    for (last_booted, attempts, meaning) in [
        ("c", 1, Meaning::NotCounted),
        ("c", 0, Meaning::Counted(id("b"), 1)),
        ("a", 1, Meaning::Counted(id("b"), 1)),
    ] {
        let mut record = state::activate(&two_good(), id("c"), 3).unwrap().0;
        record.last_booted = Some(id(last_booted));
        let trial = *record.slot(id("c"));
        record.set_slot(id("c"), Slot { attempts, ..trial });
        assert_eq!(assess(&record, Watchdog).1, meaning, "{last_booted}");
    }
}

#[test]
fn the_row_of_another_slot_is_not_continued() {
    let mut record = saying();
    record.set_watchdog_resets(Some((id("a"), 2)));
    assert_eq!(assess(&record, Watchdog).1, Meaning::Counted(id("b"), 1));
    let both = state::came_up(&record, id("a"), &[2; 32]).unwrap();
    let second = starts(&both, &[Other, Other]);
    assert_eq!(second.starts(), Some((id("b"), 2)));
    assert_eq!(assess(&second, Other).1, Meaning::NeverUp(id("b"), 2));
    assert_eq!(assess(&second, Watchdog).1, Meaning::Counted(id("b"), 1));
    assert_eq!(count(&second, id("a"), Other).starts(), Some((id("a"), 1)));
}

#[test]
fn after_a_one_shot_the_good_slot_is_counted_from_the_second_reset_on() {
    let once = state::activate_once(&two_good(), id("c")).unwrap();
    let armed = state::arm(&once, id("c"), Arming::Once);
    let (first, meaning) = assess(&armed, Watchdog);
    assert_eq!((first.armed, meaning), (None, Meaning::NotCounted));
    assert_eq!(assess(&first, Watchdog).1, Meaning::Counted(id("b"), 1));
}

#[test]
fn a_record_of_minor_0_counts_nothing_until_something_is_counted() {
    let start = two_good();
    assert_eq!(start.minor, 0);
    assert_eq!(after(&start, &[Watchdog]).minor, 1);
}

/// Slot b good and known to say when it is up, slot a good too.
fn saying() -> Record {
    state::came_up(&two_good(), id("b"), &[3; 32]).unwrap().0
}

/// The machine starts with this cause, and slot b never says that it is up.
fn started(record: &Record, cause: Cause) -> (Record, Meaning) {
    let (assessed, meaning) = assess(record, cause);
    let slot = assessed.known_good().unwrap();
    (count(&assessed, slot, cause).0, meaning)
}

fn starts(record: &Record, causes: &[Cause]) -> Record {
    causes
        .iter()
        .fold(record.clone(), |record, cause| started(&record, *cause).0)
}

#[test]
fn three_starts_that_never_came_up_lead_on_where_the_power_did_not_end_them() {
    let third = starts(&saying(), &[Other, Watchdog, Other]);
    assert_eq!(third.starts(), Some((id("b"), 3)));
    let (led, meaning) = assess(&third, Watchdog);
    assert_eq!(meaning, Meaning::Left(id("b"), Reason::NeverUp));
    assert_eq!(led.known_good(), Some(id("a")));
    assert_eq!(led.slot(id("b")).state, State::Good);
    assert_eq!(led.last_failure.unwrap().reason, Reason::NeverUp);
}

#[test]
fn a_restart_with_power_all_the_time_is_one_of_three() {
    for cause in [Unknown, Other] {
        assert_eq!(cause.with_memory_kept(), Restart);
    }
    for cause in [Watchdog, PowerOn] {
        assert_eq!(cause.with_memory_kept(), cause, "the hardware knows better");
    }
    let third = starts(&saying(), &[Restart; 3]);
    assert_eq!(third.known_good(), Some(id("b")));
    let (led, meaning) = assess(&third, Restart);
    assert_eq!(meaning, Meaning::Left(id("b"), Reason::NeverUp));
    assert_eq!(led.known_good(), Some(id("a")));
}

#[test]
fn where_the_cause_cannot_be_read_it_takes_five() {
    for cause in [Unknown, Other] {
        let fifth = starts(&saying(), &[cause; 5]);
        assert_eq!(fifth.known_good(), Some(id("b")));
        let (led, meaning) = assess(&fifth, cause);
        assert_eq!(meaning, Meaning::Left(id("b"), Reason::NeverUp));
        assert_eq!(led.known_good(), Some(id("a")));
    }
}

#[test]
fn however_often_the_mains_dip_no_slot_is_left() {
    let dips = starts(&saying(), &[PowerOn; 20]);
    assert_eq!(dips.starts(), Some((id("b"), 1)));
    assert_eq!(assess(&dips, PowerOn).1, Meaning::Nothing);
    let between = starts(&saying(), &[Other, PowerOn, Other, PowerOn, Other, PowerOn]);
    assert_eq!(between.starts(), Some((id("b"), 3)));
}

#[test]
fn a_start_that_came_up_ends_the_row() {
    let twice = starts(&saying(), &[Other; 4]);
    let up = state::came_up(&twice, id("b"), &[3; 32]).unwrap();
    assert_eq!(starts(&up, &[Other]).starts(), Some((id("b"), 1)));
}

#[test]
fn a_system_that_never_said_so_is_not_counted_nor_one_that_nobody_could_take_over_from() {
    let silent = two_good();
    assert_eq!(starts(&silent, &[Other; 9]), silent);
    let mut alone = saying();
    alone.set_slot(id("a"), Slot::EMPTY);
    assert_eq!(count(&alone, id("b"), Other), alone);
    let damaged = state::fail(
        &saying(),
        id("a"),
        Reason::Damaged,
        crate::record::Stage::Verify,
    );
    assert_eq!(count(&damaged, id("b"), Other), damaged);
}

#[test]
fn good_slots_that_never_come_up_get_their_turn() {
    let mut record = state::came_up(&saying(), id("a"), &[2; 32]).unwrap().0;
    for expected in ["a", "b", "a"] {
        record = starts(&record, &[Unknown; 6]);
        assert_eq!(record.known_good(), Some(id(expected)));
        assert_eq!(record.starts().map(|(slot, _)| slot), Some(id(expected)));
    }
}

#[test]
fn a_row_that_nobody_could_take_over_from_ends_its_count() {
    let mut record = saying();
    record.set_starts(Some((id("b"), IN_A_ROW_UNKNOWN)));
    assert_eq!(count(&record, id("b"), Unknown), record, "no further write");
}

/// Starts of whatever good slot is first.
fn starts_of_any(record: &Record, causes: &[Cause]) -> Record {
    causes.iter().fold(record.clone(), |record, cause| {
        let assessed = assess(&record, *cause).0.0;
        match assessed.known_good() {
            Some(slot) => count(&assessed, slot, *cause).0,
            None => assessed,
        }
    })
}

fn any_cause() -> impl Strategy<Value = Cause> {
    prop::sample::select(Cause::ALL.as_slice())
}

proptest! {
    #[test]
    fn whatever_resets_the_machine_no_good_slot_is_lost(
        record in any_record(),
        causes in prop::collection::vec(any_cause(), 0..12),
    ) {
        let states = |record: &Record| -> alloc::vec::Vec<State> {
            record.slots().map(|(_, slot)| slot.state).collect()
        };
        let end = starts_of_any(&record, &causes);
        prop_assert_eq!(states(&end), states(&record));
        prop_assert_eq!((end.sequence, end.floor), (record.sequence, record.floor));
        prop_assert!(end.check().is_ok());
        let raw = end.encode();
        prop_assert_eq!(Record::decode(&raw, end.partition), Ok(end));
    }

    #[test]
    fn a_start_of_another_cause_ends_the_row_and_the_next_one_writes_nothing(
        record in any_record(),
    ) {
        let once = after(&record, &[Other]);
        prop_assert_eq!(once.watchdog_resets(), None);
        prop_assert_eq!(assess(&once, Other).0, once);
    }
}
