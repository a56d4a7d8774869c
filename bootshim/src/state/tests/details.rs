//! What a transition leaves alone.

use super::*;

fn armed(slot: usize, as_what: Arming) -> Option<Armed> {
    let slot = id(slot);
    Some(Armed { slot, as_what })
}

#[test]
fn the_number_of_an_activation_outlives_the_images_of_a_slot() {
    let start = with(&record([Good, Bad, Empty]), id(B), |s| s.activation = 7);
    let writing = begin_writing(&start, id(B), None).unwrap();
    let expected = Slot {
        state: Writing,
        activation: 7,
        ..Slot::EMPTY
    };
    assert_eq!(*writing.slot(id(B)), expected);
}

#[test]
fn writing_a_slot_takes_back_its_own_one_shot_and_no_other() {
    let once = activate_once(&record([Good, Ready, Ready]), id(B)).unwrap();
    assert_eq!(begin_writing(&once, id(B), None).unwrap().once, None);
    assert_eq!(begin_writing(&once, id(C), None).unwrap().once, Some(id(B)));
}

#[test]
fn a_slot_that_the_disk_does_not_have_is_refused_by_name() {
    let record = record([Good, Ready, Ready]);
    let none = Refusal::NoSuchSlot(id(3));
    assert_eq!(write_target(&record, None, Some(id(3))), Err(none.clone()));
    assert_eq!(activate(&record, id(3), 3), Err(none.clone()));
    assert_eq!(confirm(&record, id(3), &[0; 32]), Err(none));
}

#[test]
fn only_what_is_writing_becomes_ready() {
    for state in [Empty, Ready, Trying, Good, Bad] {
        let refused = finish_writing(&record([Good, state, Empty]), id(B), [9; 32], 1);
        assert_eq!(refused, Err(Refusal::WrongState(id(B), state)));
    }
}

#[test]
fn a_factory_makes_one_slot_good_and_no_second() {
    let first = provision(&record([Ready, Ready, Empty]), id(A)).unwrap();
    assert_eq!(first.known_good(), Some(id(A)));
    let second = provision(&first, id(B));
    assert_eq!(second, Err(Refusal::WrongState(id(A), Good)));
    let none = provision(&record([Empty, Ready, Empty]), id(A));
    assert_eq!(none, Err(Refusal::WrongState(id(A), Empty)));
}

#[test]
fn a_bad_slot_that_names_no_image_is_not_activated() {
    let start = record([Good, Bad, Empty]);
    assert_eq!(activate(&start, id(B), 3).unwrap().trial(), Some(id(B)));
    let nameless = with(&start, id(B), |s| s.manifest = crate::record::NO_DIGEST);
    let refused = activate(&nameless, id(B), 3);
    assert_eq!(refused, Err(Refusal::WrongState(id(B), Bad)));
}

#[test]
fn activating_the_trial_again_gives_it_no_new_tries() {
    let start = arm(&record([Good, Trying, Empty]), id(B), Arming::Trial);
    assert_eq!(activate(&start, id(B), 3), Ok(start));
}

#[test]
fn a_new_trial_begins_without_the_attempts_and_the_reason_of_the_last() {
    let worn = with(&record([Good, Bad, Empty]), id(B), |s| {
        (s.attempts, s.reason, s.priority) = (9, Reason::Damaged, 4);
    });
    let next = activate(&worn, id(B), 5).unwrap();
    let expected = Slot {
        state: Trying,
        manifest: [2; 32],
        tries: 5,
        tries_left: 5,
        ..Slot::EMPTY
    };
    assert_eq!(*next.slot(id(B)), expected);
}

#[test]
fn the_trial_that_gives_way_is_not_armed_any_more() {
    let start = arm(&record([Good, Trying, Ready]), id(B), Arming::Trial);
    let next = activate(&start, id(C), 3).unwrap();
    assert_eq!(next.armed, None);
    assert_eq!(next.slot(id(B)).tries_left, 0);
    let start = arm(&record([Good, Trying, Ready]), id(C), Arming::Once);
    let next = activate(&start, id(C), 3).unwrap();
    assert_eq!(next.armed, armed(C, Arming::Once));
}

#[test]
fn rolling_back_takes_back_the_one_shot() {
    let once = activate_once(&record([Good, Good, Ready]), id(C)).unwrap();
    let (_, next) = rollback(&once, Some(id(B)), 3).unwrap();
    assert_eq!(next.once, None);
}

#[test]
fn a_trial_loses_a_try_however_it_is_started_and_nothing_else_does() {
    let left = |state, as_what| {
        let start = with(&record([Good, state, Empty]), id(B), |s| {
            (s.tries, s.tries_left) = (3, 3);
        });
        let next = arm(&start, id(B), as_what);
        assert_eq!(next.armed, armed(B, as_what));
        assert_eq!(next.last_booted, Some(id(B)));
        assert_eq!(next.slot(id(B)).attempts, 1);
        next.slot(id(B)).tries_left
    };
    for as_what in [Arming::Once, Arming::Trial, Arming::LastResort] {
        assert_eq!(left(Trying, as_what), 2, "{as_what}");
    }
    assert_eq!(left(Ready, Arming::Once), 3);
    assert_eq!(left(Ready, Arming::LastResort), 3);
}

#[test]
fn only_the_start_of_a_one_shot_clears_it() {
    let once = activate_once(&record([Good, Trying, Ready]), id(C)).unwrap();
    for as_what in [Arming::Trial, Arming::LastResort] {
        assert_eq!(arm(&once, id(B), as_what).once, Some(id(C)));
    }
    assert_eq!(arm(&once, id(C), Arming::Once).once, None);
}

#[test]
fn a_failure_disarms_its_own_slot_and_no_other() {
    let start = arm(&record([Good, Trying, Ready]), id(B), Arming::Trial);
    let failed = |slot| fail(&start, id(slot), Reason::Damaged, Stage::Verify);
    assert_eq!(failed(B).armed, None);
    assert_eq!(failed(C).armed, start.armed);
    let failure = failed(C).last_failure.unwrap();
    assert_eq!(
        (
            failure.slot,
            failure.reason,
            failure.stage,
            failure.sequence
        ),
        (id(C), Reason::Damaged, Stage::Verify, 9)
    );
}

#[test]
fn only_the_trial_with_the_running_image_is_rejected() {
    let start = arm(&record([Good, Trying, Ready]), id(B), Arming::Trial);
    let rejected = reject(&start, id(B), &[2; 32]).unwrap();
    assert_eq!(rejected.slot(id(B)).reason, Reason::Rejected);
    let other = reject(&start, id(B), &[3; 32]);
    assert_eq!(other, Err(Refusal::OtherImage(id(B))));
    let ready = reject(&start, id(C), &[3; 32]);
    assert_eq!(ready, Err(Refusal::WrongState(id(C), Ready)));
}

#[test]
fn a_last_resort_that_gives_up_stays_ready_with_its_reason() {
    let start = arm(&record([Empty, Ready, Empty]), id(B), Arming::LastResort);
    let next = give_up_start(&start, id(B), Reason::Deadline).unwrap();
    assert_eq!(
        (next.slot(id(B)).state, next.slot(id(B)).reason),
        (Ready, Reason::Deadline)
    );
}

#[test]
fn a_slot_that_becomes_good_stands_above_the_others_whose_priorities_close_up() {
    let mut start = Record::new(PARTITION, 5);
    start.sequence = 9;
    let slots = [(Good, 200), (Trying, 0), (Good, 100), (Bad, 0), (Ready, 0)];
    for (index, (state, priority)) in slots.into_iter().enumerate() {
        let fill = u8::try_from(index).unwrap() + 1;
        let made = Slot {
            priority,
            ..slot(state, fill)
        };
        start.set_slot(id(index), made);
    }
    let start = arm(&start, id(B), Arming::Trial);
    let next = confirm(&start, id(B), &[2; 32]).unwrap();
    let priorities = next.slots().map(|(_, slot)| slot.priority);
    assert!(priorities.eq([2, 3, 1, 0, 0]));
    assert_eq!(next.armed, None);
    let states = next.slots().map(|(_, slot)| slot.state);
    assert!(states.eq([Good, Good, Good, Bad, Ready]));
}

#[test]
fn a_trial_is_confirmed_and_given_back_however_it_was_started() {
    use State::{Empty, Good, Trying};
    for how in [Arming::Trial, Arming::Once, Arming::LastResort] {
        let now = arm(&record([Good, Trying, Empty]), id(B), how);
        let confirmed = confirm(&now, id(B), &[2; 32]).unwrap();
        assert_eq!(confirmed.slot(id(B)).state, Good);
        assert_eq!(give_back(&now, id(B)).unwrap().slot(id(B)).tries_left, 3);
    }
}
