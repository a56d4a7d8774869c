//! A start that another bootshim hands over: the slot that it has armed, and no
//! other, and not one byte is written.

use super::*;
use crate::record::Armed;

/// A disk on which slot b is armed, and what is handed over.
fn armed() -> (FakeDisk, Chainload) {
    let medium = committed([Good, Trying, Empty]);
    let (_, _, record) = start(&medium, three());
    let chainload = chainload(&record.unwrap(), "b");
    (medium, chainload)
}

fn chainload(record: &Record, letter: &str) -> Chainload {
    Chainload {
        slot: id(letter),
        boot: record.sequence,
        manifest: record.slot(id(letter)).manifest,
        bootshim: [9; 32],
    }
}

/// How it ends; the record's partition must be as it was.
fn resume(
    medium: &FakeDisk,
    chainload: &Chainload,
    fake: FakePlatform,
) -> Result<(SlotId, StartKind), Why> {
    let before = medium.content();
    let outcome = Boot::new(medium, PARTITION, 3, fake).resume(chainload);
    assert!(before == medium.content(), "the record was written");
    outcome
}

#[test]
fn what_is_handed_over_starts_and_costs_no_second_try() {
    let (medium, chainload) = armed();
    let trial = (id("b"), StartKind::Trial);
    assert_eq!(resume(&medium, &chainload, three()), Ok(trial));
}

#[test]
fn what_does_not_start_is_written_down_by_the_one_that_handed_it_over() {
    let (medium, chainload) = armed();
    let refusing = FakePlatform {
        refuses: Some(Why::NotStarted("Unsupported".into())),
        ..three()
    };
    let why = resume(&medium, &chainload, refusing).unwrap_err();
    assert!(!why.is_unreadable());
    for (loaded, unreadable) in [
        (damaged(), false),
        (unreadable(), true),
        (facts(7, "7"), false),
    ] {
        let slots = fake(vec![facts(1, "1"), loaded, damaged()]);
        let why = resume(&medium, &chainload, slots).unwrap_err();
        assert_eq!(why.is_unreadable(), unreadable, "{why}");
    }
}

#[test]
fn a_record_that_cannot_be_read_is_not_taken_for_one_that_has_nothing_armed() {
    let (medium, chainload) = armed();
    medium.refuse(&[0, 1, 2, 3].map(|copy| (Access::Read, copy * crate::copies::SPACING)));
    let why = Boot::new(&medium, PARTITION, 3, three()).resume(&chainload);
    assert!(why.unwrap_err().is_unreadable());
}

#[test]
fn a_slot_an_image_or_a_record_that_is_not_the_armed_one_does_not_start() {
    let (medium, armed) = armed();
    let other = [
        Chainload {
            slot: id("a"),
            manifest: [1; 32],
            ..armed
        },
        Chainload {
            manifest: [7; 32],
            ..armed
        },
        Chainload {
            boot: armed.boot - 1,
            ..armed
        },
        Chainload {
            boot: armed.boot + 1,
            ..armed
        },
    ];
    for chainload in other {
        assert_eq!(resume(&medium, &chainload, three()), Err(Why::NotArmed));
    }
}

#[test]
fn a_trial_that_is_not_armed_as_one_does_not_start() {
    for (slot, as_what) in [("b", Arming::Trial), ("c", Arming::LastResort)] {
        let medium = committed([Good, Ready, Trying]);
        let slot = id(slot);
        amend(&medium, |record| {
            record.armed = Some(Armed { slot, as_what })
        });
        let chainload = chainload(Store::open(&medium, PARTITION).record().unwrap(), "c");
        assert_eq!(resume(&medium, &chainload, three()), Err(Why::NotArmed));
    }
}
