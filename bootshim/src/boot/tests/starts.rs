//! The starts of a good slot that never come up.

use super::*;

/// Slot b and a are good, and both say when they are up.
fn saying() -> FakeDisk {
    let medium = committed([Good, Good, Empty]);
    amend(&medium, |record| {
        record.set_says_when_up(id("a"));
        record.set_says_when_up(id("b"));
    });
    medium
}

fn started(medium: &FakeDisk, last_reset: reset::Cause) -> (SlotId, Option<(SlotId, u8)>) {
    let fake = FakePlatform {
        last_reset,
        ..three()
    };
    let (outcome, _, record) = start(medium, fake);
    let Some((slot, StartKind::Good)) = outcome else {
        panic!("{outcome:?}")
    };
    (slot, record.unwrap().starts())
}

#[test]
fn a_start_is_counted_before_it_happens_and_the_fourth_in_a_row_is_another_slots() {
    let medium = saying();
    let b = id("b");
    for count in 1..=3 {
        let expected = (b, Some((b, count)));
        assert_eq!(started(&medium, reset::Cause::Other), expected);
    }
    let (slot, row) = started(&medium, reset::Cause::Watchdog);
    assert_eq!((slot, row), (id("a"), Some((id("a"), 1))));
    let record = Store::open(&medium, PARTITION).record().unwrap().clone();
    let failure = record.last_failure.unwrap();
    assert_eq!((failure.slot, failure.reason), (b, Reason::NeverUp));
}

#[test]
fn a_power_cut_in_every_start_writes_once_and_leads_nowhere() {
    let medium = saying();
    started(&medium, reset::Cause::PowerOn);
    let before = medium.content();
    for _ in 0..20 {
        let expected = (id("b"), Some((id("b"), 1)));
        assert_eq!(started(&medium, reset::Cause::PowerOn), expected);
    }
    assert!(before == medium.content());
}

#[test]
fn a_count_that_cannot_be_written_keeps_no_good_slot_from_starting() {
    let medium = saying();
    for (without_memory, started) in [(0, "b"), (FOR_MEMORY, "a")] {
        let fake = FakePlatform {
            without_memory,
            ..three()
        };
        let mut boot = Boot::new(read_only(&medium), PARTITION, 3, fake);
        assert_eq!(boot.run(), good(started));
        let said = boot.into_platform().events;
        let failed = said.iter().filter(|line| line.contains("no trial"));
        assert_eq!(
            failed.count(),
            1,
            "it is said, and not tried again: {said:?}"
        );
    }
}

#[test]
fn a_good_slot_that_does_not_verify_is_not_counted() {
    let medium = saying();
    let slots = fake(vec![facts(1, "1"), damaged(), damaged()]);
    let (outcome, _, record) = start(&medium, slots);
    assert_eq!(outcome, good("a"));
    assert_eq!(record.unwrap().starts(), None, "nobody could take over");
}

#[test]
fn a_start_that_is_tried_again_for_want_of_memory_is_counted_once() {
    let medium = saying();
    let short = FakePlatform {
        without_memory: 2,
        ..three()
    };
    let (outcome, _, record) = start(&medium, short);
    assert_eq!(outcome, good("b"));
    assert_eq!(record.unwrap().starts(), Some((id("b"), 1)));
}
