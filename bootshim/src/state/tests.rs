use super::*;
use crate::record::tests::{PARTITION, any_record};
use proptest::prelude::*;

mod details;
mod last_resort;
mod numbers;
mod orders;
mod up;
mod way_back;

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
        alloc::format!("{refused}"),
        "no slot is free; a is running; b is the known-good one; c is on trial"
    );
}

#[test]
fn a_power_switch_during_a_trial_costs_no_try_but_attempts_never_fall() {
    let mut now = record([Good, Trying, Empty]);
    for attempt in 1..=9 {
        now = arm(&now, id(B), Arming::Trial).0;
        assert_eq!(now.slot(id(B)).attempts, attempt);
        now = give_back(&now, id(B)).unwrap().0;
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
    let mut start = Next(record([Good, Trying, Empty]));
    for (index, version) in [(A, 3), (B, 7)] {
        start = with(&start, id(index), |s| s.security_version = version);
    }
    let armed = arm(&start, id(B), Arming::Trial);
    assert_eq!(confirm(&armed, id(B), &[2; 32]).unwrap().floor, 3);
    let mut high = armed.0;
    high.floor = 5;
    assert_eq!(confirm(&high, id(B), &[2; 32]).unwrap().floor, 5);
}

/// Every transition with arbitrary arguments.
fn transitions(r: &Record, s: SlotId, run: Option<SlotId>, tries: u8) -> Vec<Next> {
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
    all.push(went_down_in_order(r, s));
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
