//! The floor that the firmware keeps, and the hint in the record.

use super::*;

fn here(security_version: u64) -> Kept {
    Kept::Here(Floor {
        security_version,
        key_epoch: 2,
    })
}

fn image(fill: u8, security_version: u64, revoke_below: u64) -> Result<Facts, Defect> {
    facts(fill, "1").map(|facts| Facts {
        security_version,
        revoke_below,
        ..facts
    })
}

fn hinted(states: [State; 3], hint: u64) -> FakeDisk {
    let medium = committed(states);
    amend(&medium, |record| record.floor = hint);
    medium
}

fn keeping(kept: Kept, slots: [Result<Facts, Defect>; 3]) -> FakePlatform {
    FakePlatform {
        kept,
        ..fake(slots.into())
    }
}

#[test]
fn a_lowered_hint_lets_nothing_in() {
    let disk = hinted([Good, Trying, Empty], 0);
    let slots = [image(1, 5, 0), image(2, 4, 0), damaged()];
    let (outcome, _, record) = start(&disk, keeping(here(5), slots));
    assert_eq!(outcome, good("a"));
    let record = record.unwrap();
    assert_eq!(record.slot(id("b")).reason, Reason::BelowFloor);
    assert_eq!(record.floor, 5, "the hint follows in a commit");
}

#[test]
fn a_raised_hint_locks_nothing_out() {
    let disk = hinted([Good, Trying, Empty], u64::MAX);
    let slots = [image(1, 5, 0), image(2, 5, 0), damaged()];
    let (outcome, _, record) = start(&disk, keeping(here(5), slots));
    assert_eq!(outcome, trial("b"));
    assert_eq!(record.unwrap().floor, 5);
}

#[test]
fn a_lost_record_does_not_lose_the_floor() {
    let slots = [image(1, 3, 0), image(2, 4, 0), damaged()];
    let (outcome, _, record) = start(&FakeDisk::new(RECORD_LEN), keeping(here(5), slots));
    assert_eq!(outcome, None);
    assert_eq!(record.unwrap().floor, 5);
}

#[test]
fn it_rises_to_the_lowest_good_slot_when_one_starts_and_the_disk_is_not_written() {
    let disk = committed([Good, Good, Empty]);
    let before = disk.content();
    let slots = [image(1, 3, 0), image(2, 6, 0), damaged()];
    let (_, fake, _) = start(&disk, keeping(here(1), slots));
    assert_eq!(fake.kept, here(3), "the epoch stays");
    assert!(before == disk.content());
}

#[test]
fn a_trial_raises_nothing_and_revokes_nothing() {
    let disk = committed([Good, Trying, Empty]);
    let slots = [image(1, 3, 0), image(2, 9, 9), damaged()];
    let (outcome, fake, _) = start(&disk, keeping(here(1), slots));
    assert_eq!(outcome, trial("b"));
    assert_eq!(fake.kept, here(1));
}

/// The system on trial could make one of that name otherwise.
#[test]
fn where_the_firmware_keeps_none_the_floor_that_counts_is_kept_before_a_trial_starts() {
    for kept in [Kept::Absent, Kept::Garbage("no floor".into())] {
        let disk = hinted([Good, Trying, Empty], 2);
        let slots = [image(1, 3, 0), image(2, 9, 9), damaged()];
        let (outcome, fake, _) = start(&disk, keeping(kept, slots));
        assert_eq!(outcome, trial("b"));
        let floor = Floor {
            security_version: 2,
            key_epoch: 0,
        };
        assert_eq!(fake.kept, Kept::Here(floor), "it does not rise by that");
    }
}

#[test]
fn what_a_trial_revokes_starts_while_the_trial_waits() {
    let disk = committed([Good, Trying, Empty]);
    let slots = [image(1, 3, 0), image(2, 9, 9), damaged()];
    let mut boot = Boot::new(read_only(&disk), PARTITION, 3, keeping(here(1), slots));
    assert_eq!(boot.run(), good("a"));
    assert_eq!(boot.into_platform().kept, here(3));
}

#[test]
fn a_signed_image_put_in_place_of_a_good_one_revokes_nothing_and_raises_nothing() {
    let disk = committed([Good, Good, Empty]);
    let slots = [image(1, 3, 0), image(9, 9, 9), damaged()];
    let (outcome, fake, record) = start(&disk, keeping(here(1), slots));
    assert_eq!(outcome, good("a"));
    assert_eq!(fake.kept, here(1));
    assert_eq!(record.unwrap().slot(id("b")).reason, Reason::WrongManifest);
}

#[test]
fn what_a_good_slot_revokes_does_not_start_even_where_that_slot_does_not() {
    let disk = committed([Good, Good, Empty]);
    let slots = || [image(1, 3, 0), image(2, 9, 5), damaged()];
    let (outcome, fake, _) = start(&disk, keeping(here(1), slots()));
    assert_eq!(outcome, good("b"));
    assert_eq!(fake.kept, here(9));
    let refusing = FakePlatform {
        refuses: Some(Why::NotStarted("Unsupported".into())),
        keeps: false,
        ..keeping(here(1), slots())
    };
    let (outcome, _, record) = start(&disk, refusing);
    assert_eq!(outcome, None);
    assert_eq!(record.unwrap().slot(id("a")).reason, Reason::BelowFloor);
}

#[test]
fn numbers_that_only_the_record_gives_raise_nothing() {
    let disk = committed([Good, Empty, Empty]);
    amend_slot(&disk, "a", |slot| slot.security_version = u64::MAX);
    let slots = [image(1, 3, 0), damaged(), damaged()];
    let (_, fake, _) = start(&disk, keeping(here(1), slots));
    assert_eq!(fake.kept, here(3));
}

#[test]
fn it_waits_for_a_good_slot_that_does_not_verify_now() {
    let disk = committed([Good, Good, Empty]);
    let slots = [unreadable(), image(2, 6, 0), damaged()];
    let (_, fake, _) = start(&disk, keeping(here(1), slots));
    assert_eq!(fake.kept, here(1));
}

#[test]
fn a_deleted_or_garbled_variable_is_made_anew_from_the_hint_and_that_is_said() {
    for (kept, said) in [
        (Kept::Absent, "the firmware keeps none yet"),
        (Kept::Garbage("no floor".into()), "no floor"),
    ] {
        let disk = hinted([Good, Empty, Empty], 2);
        let slots = [image(1, 3, 0), damaged(), damaged()];
        let (outcome, fake, _) = start(&disk, keeping(kept, slots));
        assert_eq!(outcome, good("a"));
        let floor = Floor {
            security_version: 3,
            key_epoch: 0,
        };
        assert_eq!(fake.kept, Kept::Here(floor));
        let line = alloc::format!("floor: security version 2, by the boot record alone: {said}");
        assert!(fake.events.contains(&line), "{:?}", fake.events);
        let line =
            "floor: security version 3, kept by the firmware; the record's hint 2 does not count";
        assert!(fake.events.contains(&line.to_string()), "{:?}", fake.events);
    }
}

#[test]
fn a_floor_that_is_high_enough_is_said_and_not_written_again() {
    let disk = hinted([Good, Empty, Empty], 3);
    let full = FakePlatform {
        keeps: false,
        ..keeping(here(3), [image(1, 3, 0), damaged(), damaged()])
    };
    let (_, fake, _) = start(&disk, full);
    let said = [
        "floor: security version 3, key sets of epoch 2, kept by the firmware",
        "starting slot a, version 1, as good",
    ];
    assert_eq!(fake.events, said);
}

#[test]
fn a_full_store_keeps_no_slot_from_starting_and_that_is_said() {
    for kept in [Kept::Absent, here(1)] {
        let disk = hinted([Good, Empty, Empty], 2);
        let full = FakePlatform {
            keeps: false,
            ..keeping(kept.clone(), [image(1, 3, 0), damaged(), damaged()])
        };
        let (outcome, fake, _) = start(&disk, full);
        assert_eq!(outcome, good("a"));
        assert_eq!(fake.kept, kept);
        let line = "the firmware did not take the floor: OUT_OF_RESOURCES; this start goes on, \
                    the next one tries again";
        assert!(fake.events.contains(&line.to_string()), "{:?}", fake.events);
    }
}

#[test]
fn without_a_store_the_hint_counts_and_below_it_nothing_starts() {
    let disk = hinted([Good, Trying, Empty], 4);
    let slots = [image(1, 4, 0), image(2, 3, 0), damaged()];
    let (outcome, fake, record) = start(&disk, keeping(Kept::Nowhere("none".into()), slots));
    assert_eq!(outcome, good("a"));
    assert_eq!(record.unwrap().slot(id("b")).reason, Reason::BelowFloor);
    assert_eq!(fake.kept, Kept::Nowhere("none".into()));
}

#[test]
fn a_key_set_below_the_floor_starts_nothing_and_the_floor_follows_the_good_slots() {
    let under = |fill, epoch| {
        image(fill, 1, 0).map(|facts| Facts {
            key_epoch: Some(epoch),
            ..facts
        })
    };
    // The floor of the epochs is 2: the trial is signed under a set from before.
    let disk = hinted([Good, Trying, Empty], 1);
    let (outcome, fake, record) = start(
        &disk,
        keeping(here(1), [under(1, 3), under(2, 1), damaged()]),
    );
    assert_eq!(outcome, good("a"));
    assert_eq!(record.unwrap().slot(id("b")).reason, Reason::BelowFloor);
    let raised = Floor {
        security_version: 1,
        key_epoch: 3,
    };
    assert_eq!(fake.kept, Kept::Here(raised));
    // Between the floor and the newest, the good slot still boots, and stays so.
    let disk = hinted([Good, Good, Empty], 1);
    let slots = [under(1, 5), under(2, 2), damaged()];
    let (outcome, fake, _) = start(&disk, keeping(here(1), slots));
    assert_eq!(outcome, good("b"));
    assert_eq!(fake.kept, here(1));
}

#[test]
fn cut_before_or_after_the_floor_rises_every_good_slot_still_starts() {
    let slots = || [image(1, 5, 0), image(2, 4, 0), damaged()];
    let disk = hinted([Good, Good, Empty], 3);
    let (_, fake, _) = start(&disk, keeping(here(3), slots()));
    assert_eq!(fake.kept, here(4), "it rises to the lowest good slot");
    for kept in [here(3), fake.kept] {
        for broken in [None, Some(0), Some(1)] {
            let mut slots = slots();
            if let Some(broken) = broken {
                slots[broken] = damaged();
            }
            let disk = hinted([Good, Good, Empty], 3);
            let (outcome, _, _) = start(&disk, keeping(kept.clone(), slots));
            let Some((slot, StartKind::Good)) = outcome else {
                panic!("{kept:?}, {broken:?}: nothing good starts");
            };
            assert_ne!(Some(slot.index()), broken);
        }
    }
}

/// Somebody writes "good" over "bad" in the record, and puts the slot first.
#[test]
fn a_bad_slot_that_the_record_revives_is_judged_anew() {
    let defect = |reason| Err(Defect::Bad(reason, String::new()));
    for (revived, reason) in [
        (defect(Reason::Damaged), Reason::Damaged),
        (defect(Reason::NotAuthentic), Reason::NotAuthentic),
        (image(9, 5, 0), Reason::WrongManifest),
        (image(2, 4, 0), Reason::BelowFloor),
    ] {
        let disk = committed([Good, Good, Empty]);
        let slots = [image(1, 5, 0), revived, damaged()];
        let (outcome, fake, record) = start(&disk, keeping(here(5), slots));
        assert_eq!(outcome, good("a"));
        assert_eq!(record.unwrap().slot(id("b")).reason, reason);
        assert_eq!(fake.kept, here(5));
    }
}
