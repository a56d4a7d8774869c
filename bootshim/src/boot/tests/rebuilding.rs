//! A record that is lost is made anew from the slots, and from nothing else.

use super::*;
use crate::fake::Content;

#[test]
fn a_lost_record_is_made_anew_and_success_is_never_invented() {
    let medium = FakeDisk::new(RECORD_LEN);
    let (outcome, _, record) = start(
        &medium,
        fake(vec![facts(1, "1.9"), facts(2, "1.10"), damaged()]),
    );
    assert_eq!(outcome, trial("b"));
    let record = record.unwrap();
    assert_eq!(
        (record.slot(id("a")).state, record.slot(id("b")).state),
        (Ready, Trying)
    );
    assert_eq!(record.slot(id("c")).state, Empty);
    assert!(record.known_good().is_none());
}

#[test]
fn a_disk_that_gives_nothing_is_no_reason_to_write_a_record_of_nothing() {
    let medium = FakeDisk::new(RECORD_LEN);
    let silent = fake(vec![unreadable(), unreadable(), damaged()]);
    assert_eq!(start(&medium, silent).0, None);
    assert!(medium.content() == Content::zeros(RECORD_LEN));
    // The disk has come to itself.
    assert_eq!(start(&medium, three()).0, trial("c"));
}

#[test]
fn a_disk_of_which_every_slot_was_judged_gets_a_record() {
    let cases = [
        (fake(vec![damaged(), damaged(), damaged()]), [Empty; 3]),
        (
            fake(vec![facts(1, "1"), unreadable(), damaged()]),
            [Trying, Empty, Empty],
        ),
    ];
    for (slots, states) in cases {
        let medium = FakeDisk::new(RECORD_LEN);
        start(&medium, slots);
        let store = Store::open(&medium, PARTITION);
        let record = store.record().unwrap();
        assert!(record.slots().map(|(_, slot)| slot.state).eq(states));
    }
}

#[test]
fn of_what_verifies_the_highest_security_version_is_the_trial_whatever_its_version() {
    let medium = FakeDisk::new(RECORD_LEN);
    let mut slots = three();
    for (slot, security_version) in slots.slots.iter_mut().zip([4, 9, 5]) {
        slot.as_mut().unwrap().security_version = security_version;
    }
    let (outcome, _, record) = start(&medium, slots);
    assert_eq!(outcome, trial("b"));
    let record = record.unwrap();
    let versions = record.slots().map(|(_, slot)| slot.security_version);
    assert!(versions.eq([4, 9, 5]));
}

#[test]
fn a_record_of_another_number_of_slots_does_not_count_even_where_it_cannot_be_replaced() {
    let medium = committed([Good, Trying, Bad]);
    let two = fake(vec![damaged(), facts(9, "2")]);
    let mut boot = Boot::new(read_only(&medium), PARTITION, 2, two);
    assert_eq!(boot.run(), last_resort("b"));
}
