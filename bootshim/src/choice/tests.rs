use super::*;
use crate::record::tests::any_record;
use crate::state;
use alloc::string::String;
use proptest::prelude::*;

fn now() -> Situation {
    Situation {
        passed: Slots::default(),
        can_commit: true,
        seed: 0,
    }
}

#[test]
fn a_one_shot_of_an_empty_slot_does_not_cost_the_trial_its_start() {
    let [a, b] = [0, 1].map(|index| SlotId::new(index).unwrap());
    let mut record = Record::new(crate::record::tests::PARTITION, 2);
    let trial = crate::record::Slot {
        state: State::Trying,
        tries: 3,
        tries_left: 3,
        manifest: [1; 32],
        ..crate::record::Slot::EMPTY
    };
    record.set_slot(b, trial);
    record.once = Some(a);
    assert_eq!(next(&record, &now()), Step::Start(b, StartKind::Trial));
}

#[test]
fn a_trial_that_was_started_three_times_its_tries_ends_whatever_is_left_of_them() {
    let slot = SlotId::new(1).unwrap();
    let mut record = Record::new(crate::record::tests::PARTITION, 2);
    for (attempts, expected) in [
        (5, Step::Start(slot, StartKind::Trial)),
        (6, Step::EndTrial(slot, Reason::Unconfirmed)),
    ] {
        let trial = crate::record::Slot {
            state: State::Trying,
            tries: 2,
            tries_left: 2,
            attempts,
            manifest: [1; 32],
            ..crate::record::Slot::EMPTY
        };
        record.set_slot(slot, trial);
        assert_eq!(next(&record, &now()), expected);
    }
}

/// Three slots with these states; `a` holds the image of ones, and so on.
fn record(states: [State; 3]) -> Record {
    let mut record = Record::new(crate::record::tests::PARTITION, 3);
    for (slot, (state, fill)) in SlotId::all().zip(states.into_iter().zip(1u8..)) {
        let made = crate::record::Slot {
            state,
            priority: fill,
            manifest: [fill; 32],
            ..crate::record::Slot::EMPTY
        };
        record.set_slot(slot, made);
    }
    record
}

#[test]
fn where_nothing_can_be_remembered_every_start_begins_one_slot_further() {
    use State::{Bad, Empty, Ready};
    let turns = |states, passed: Option<SlotId>| {
        let mut now = Situation {
            can_commit: false,
            ..now()
        };
        passed.into_iter().for_each(|slot| now.passed.insert(slot));
        let mut said = String::new();
        for seed in 0..10 {
            now.seed = seed;
            match next(&record(states), &now) {
                Step::Start(slot, StartKind::LastResort) => said.push(slot.letter()),
                _ => said.push('-'),
            }
        }
        said
    };
    let b = SlotId::new(1);
    assert_eq!(turns([Ready, Bad, Ready], None), "abcabcabab");
    assert_eq!(turns([Ready, Bad, Ready], b), "accaccacac");
    assert_eq!(turns([Empty, Bad, Empty], None), "bbbbbbbbbb");
    assert_eq!(turns([Empty, Bad, Empty], b), "----------");
}

#[test]
fn the_last_resort_begins_behind_the_slot_that_was_booted_last_and_with_what_is_ready() {
    use State::{Bad, Empty, Ready};
    let cases = [
        ([Ready, Ready, Ready], None, Some("a")),
        ([Ready, Ready, Ready], Some(0), Some("b")),
        ([Ready, Ready, Ready], Some(2), Some("a")),
        ([Bad, Bad, Ready], Some(0), Some("c")),
        ([Bad, Ready, Bad], Some(1), Some("b")),
        ([Bad, Empty, Bad], Some(0), Some("c")),
        ([Empty, Empty, Empty], None, None),
    ];
    for (states, booted, expected) in cases {
        let mut record = record(states);
        record.last_booted = booted.and_then(SlotId::new);
        let start = |name: &str| Step::Start(name.parse().unwrap(), StartKind::LastResort);
        let expected = expected.map_or(Step::Nothing, start);
        assert_eq!(next(&record, &now()), expected, "{states:?} {booted:?}");
    }
}

#[test]
fn a_set_of_slots_has_those_that_were_put_in() {
    let mut set = Slots::default();
    for (count, slot) in SlotId::all().enumerate() {
        assert!(!set.contains(slot));
        set.insert(slot);
        let inside = SlotId::all().filter(|slot| set.contains(*slot));
        assert_eq!(inside.count(), count + 1);
    }
}

#[test]
fn each_kind_of_start_has_its_word() {
    let words = [
        StartKind::Once,
        StartKind::Trial,
        StartKind::Good,
        StartKind::LastResort,
    ]
    .map(StartKind::word);
    assert_eq!(words, ["once", "trial", "good", "last_resort"]);
}

proptest! {
    #[test]
    fn without_a_commit_there_is_no_trial_and_no_one_shot(record in any_record(), seed: u64) {
        let step = next(&record, &Situation { can_commit: false, seed, ..now() });
        prop_assert!(!matches!(step, Step::Start(_, StartKind::Once | StartKind::Trial) | Step::EndTrial(..)));
    }

    #[test]
    fn every_start_that_never_is_confirmed_ends_in_the_good_slot(record in any_record()) {
        prop_assume!(record.known_good().is_some());
        let mut record = record;
        let limit = record.trial().map_or(0, |t| record.slot(t).attempts_limit()) + 2;
        for _ in 0..=limit {
            match next(&record, &now()) {
                Step::Start(_, StartKind::Good) => return Ok(()),
                Step::Start(slot, kind) => {
                    record = state::arm(&record, slot, kind.arming().unwrap()).0;
                }
                Step::EndTrial(slot, why) => {
                    record = state::fail(&record, slot, why, crate::record::Stage::Started).0;
                }
                Step::Nothing => prop_assert!(false, "nothing although a slot is good"),
            }
        }
        prop_assert!(false, "not back in the good slot");
    }

    #[test]
    fn passing_over_every_slot_comes_to_an_end(record in any_record(), can_commit: bool, seed: u64) {
        let mut record = record;
        let mut now = Situation { can_commit, seed, ..now() };
        for _ in 0..20 {
            match next(&record, &now) {
                Step::Nothing => return Ok(()),
                Step::Start(slot, _) => now.passed.insert(slot),
                Step::EndTrial(slot, why) => {
                    record = state::fail(&record, slot, why, crate::record::Stage::Started).0;
                }
            }
        }
        prop_assert!(false, "no end");
    }
}
