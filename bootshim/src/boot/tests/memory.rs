//! A machine that is short of memory: no judgement on a slot, and no try spent.

use super::*;

fn short(without_memory: usize) -> FakePlatform {
    FakePlatform {
        without_memory,
        ..three()
    }
}

#[test]
fn a_start_that_fails_for_want_of_memory_is_tried_again_and_costs_one_try() {
    let medium = committed([Good, Trying, Empty]);
    let (outcome, fake, record) = start(&medium, short(2));
    assert_eq!(outcome, trial("b"));
    let record = record.unwrap();
    let slot = record.slot(id("b"));
    assert_eq!(
        (slot.tries_left, slot.attempts, slot.reason),
        (2, 1, Reason::None)
    );
    let again = "slot b is tried again: not enough memory: the kernel came back";
    let said = fake.events.iter().filter(|said| *said == again);
    assert_eq!(said.count(), 2, "{:?}", fake.events);
}

#[test]
fn a_good_slot_makes_way_at_the_third_want_of_memory_and_nothing_is_held_against_it() {
    let said = "slot b passed over: not enough memory: the kernel came back";
    for (without_memory, started, passed) in [(2, "b", false), (FOR_MEMORY, "a", true)] {
        let medium = committed([Good, Good, Empty]);
        let before = medium.content();
        let (outcome, fake, _) = start(&medium, short(without_memory));
        assert_eq!(outcome, good(started));
        assert_eq!(fake.events.contains(&said.to_string()), passed);
        assert!(before == medium.content(), "something is held against it");
    }
}

#[test]
fn a_trial_for_which_there_is_no_memory_keeps_its_tries_and_its_attempts_have_an_end() {
    let medium = committed([Good, Trying, Empty]);
    for attempts in 1..9 {
        let (outcome, _, record) = start(&medium, short(FOR_MEMORY));
        assert_eq!(outcome, good("a"));
        let record = record.unwrap();
        let slot = record.slot(id("b"));
        assert_eq!(
            (slot.state, slot.tries_left, slot.attempts),
            (Trying, 3, attempts)
        );
        assert_eq!((record.armed, record.last_failure), (None, None));
    }
    let (_, _, record) = start(&medium, short(FOR_MEMORY));
    let slot = *record.unwrap().slot(id("b"));
    assert_eq!((slot.state, slot.reason), (Bad, Reason::Unconfirmed));
}

#[test]
fn a_payload_for_which_there_is_no_memory_is_want_of_memory_too() {
    let medium = committed([Good, Trying, Empty]);
    let none = Err(Defect::Unreadable(Fault {
        access: Access::Read,
        offset: 0,
        length: 1,
        cause: Cause::NoMemory,
    }));
    let slots = fake(vec![facts(1, "1"), none, damaged()]);
    let (outcome, _, record) = start(&medium, slots);
    assert_eq!(outcome, good("a"));
    assert_eq!(record.unwrap().slot(id("b")).tries_left, 3);
}

/// A record that takes what is written to it, on a drive that refuses to flush.
#[test]
fn a_try_that_could_not_be_made_durable_is_not_lost_although_it_was_written() {
    let medium = committed([Good, Trying, Empty]);
    for attempts in 1..9 {
        medium.refuse(&[(Access::Flush, 0)]);
        let mut boot = Boot::new(&medium, PARTITION, 3, three());
        assert_eq!(boot.run(), good("a"));
        let store = Store::open(&medium, PARTITION);
        let slot = store.record().unwrap().slot(id("b"));
        assert_eq!(
            (slot.state, slot.tries_left, slot.attempts),
            (Trying, 3, attempts)
        );
    }
}
