//! A start that another bootshim hands over: the slot that it has armed, and no
//! other, and not one byte is written.

use super::*;

/// A disk on which slot b is armed, and what is handed over.
fn armed() -> (Memory, Relay) {
    let medium = committed([Good, Trying, Empty]);
    let (_, _, record) = start(&medium, three());
    let relay = relay(&record.unwrap(), "b");
    (medium, relay)
}

fn relay(record: &Record, letter: &str) -> Relay {
    Relay {
        slot: id(letter),
        boot: record.sequence,
        manifest: record.slot(id(letter)).manifest,
        bootshim: [9; 32],
    }
}

/// How it ends; the record's partition must be as it was.
fn resume(medium: &Memory, relay: &Relay, rig: Rig) -> Outcome<(SlotId, Kind)> {
    let before = medium.0.borrow().clone();
    let outcome = Boot::new(medium, PARTITION, 3, rig).resume(relay);
    assert!(before == *medium.0.borrow(), "the record was written");
    outcome
}

#[test]
fn what_is_handed_over_starts_and_costs_no_second_try() {
    let (medium, relay) = armed();
    let trial = Outcome::Running((id("b"), Kind::Trial));
    assert_eq!(resume(&medium, &relay, three()), trial);
}

#[test]
fn what_does_not_start_is_written_down_by_the_one_that_handed_it_over() {
    let (medium, relay) = armed();
    let refusing = Rig {
        starts: false,
        ..three()
    };
    assert_eq!(resume(&medium, &relay, refusing), Outcome::Nothing);
    for defect in [damaged(), unreadable(), facts(7, "7")] {
        let slots = rig(vec![facts(1, "1"), defect, damaged()]);
        assert_eq!(resume(&medium, &relay, slots), Outcome::Nothing);
    }
}

#[test]
fn a_slot_an_image_or_a_record_that_is_not_the_armed_one_does_not_start() {
    let (medium, armed) = armed();
    let other = [
        Relay {
            slot: id("a"),
            manifest: [1; 32],
            ..armed
        },
        Relay {
            manifest: [7; 32],
            ..armed
        },
        Relay {
            boot: armed.boot - 1,
            ..armed
        },
        Relay {
            boot: armed.boot + 1,
            ..armed
        },
    ];
    for relay in other {
        assert_eq!(resume(&medium, &relay, three()), Outcome::Nothing);
    }
}

#[test]
fn a_trial_that_is_not_armed_as_one_does_not_start() {
    for (slot, as_what) in [("b", Arming::Trial), ("c", Arming::LastResort)] {
        let medium = committed([Good, Ready, Trying]);
        let mut store = Store::open(&medium, PARTITION);
        let mut record = store.record().unwrap().clone();
        record.armed = Some(crate::record::Armed {
            slot: id(slot),
            as_what,
        });
        store.commit(record, Note::default()).unwrap();
        let relay = relay(store.record().unwrap(), "c");
        assert_eq!(resume(&medium, &relay, three()), Outcome::Nothing);
    }
}
