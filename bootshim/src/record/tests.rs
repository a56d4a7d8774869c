use super::*;
use proptest::prelude::*;

pub(crate) const PARTITION: Guid = Guid([7; 16]);

pub(crate) fn id(letter: &str) -> SlotId {
    letter.parse().unwrap()
}

prop_compose! {
    fn slot_and_state()(
        state in prop::sample::select(State::ALL.to_vec()),
        reason in 0u8..15, priority: u8, tries in 1u8..=MAX_TRIES, left in 0u8..=MAX_TRIES,
        attempts: u16, security_version: u64, fill in 1u8.., activation: u8,
    ) -> Slot {
        let full = Slot {
            state, reason: Reason::from_code(reason), priority, tries,
            tries_left: left.min(tries), attempts, security_version,
            manifest: [fill; 32], activation,
        };
        match state {
            State::Empty => Slot { activation, ..Slot::EMPTY },
            State::Writing => Slot { manifest: NO_DIGEST, ..full },
            _ => full,
        }
    }
}

prop_compose! {
    /// Any record that can be.
    pub(crate) fn any_record()(
        slots in prop::collection::vec(slot_and_state(), MIN_SLOTS..=MAX_SLOTS),
        sequence in 1..SEQUENCE_END, default_tries in 1u8..=MAX_TRIES,
        once: Option<u8>, armed: Option<(u8, u8)>, booted: Option<u8>,
        failed: Option<(u8, u8, u8, u64)>, floor: u64, kept: [u8; 32], minor: u16,
    ) -> Record {
        let mut record = Record::new(PARTITION, slots.len());
        let count = record.count;
        let id = |n: u8| SlotId(n % count);
        let mut trial = false;
        for (place, mut slot) in slots.into_iter().enumerate() {
            if slot.state == State::Trying && core::mem::replace(&mut trial, true) {
                slot.state = State::Ready;
            }
            record.slots[place] = slot;
        }
        record.sequence = sequence;
        record.default_tries = default_tries;
        record.once = once.map(id);
        record.armed = armed.map(|(slot, how)| Armed { slot: id(slot), as_what: Arming::from_code(how) });
        record.last_booted = booted.map(id);
        record.last_failure = failed.map(|(slot, reason, stage, sequence)| Failure {
            slot: id(slot), reason: Reason::from_code(reason), stage: Stage::from_code(stage), sequence,
        });
        record.floor = floor;
        record.kept[3..].copy_from_slice(&kept);
        record.minor = minor;
        record
    }
}

pub(crate) fn reseal(raw: &mut [u8; RECORD_BYTES]) {
    seal(raw);
}

proptest! {
    #[test]
    fn what_is_written_is_read(record in any_record()) {
        prop_assert_eq!(Record::decode(&record.encode(), PARTITION), Ok(record));
    }

    #[test]
    fn any_changed_byte_is_noticed(record in any_record(), at in 0..RECORD_BYTES, change in 1u8..) {
        let mut raw = record.encode();
        raw[at] ^= change;
        prop_assert!(Record::decode(&raw, PARTITION).is_err());
    }

    #[test]
    fn any_bytes_with_a_right_hash_are_read_back_or_refused(mut raw in prop::collection::vec(any::<u8>(), 512)) {
        raw[..12].copy_from_slice(b"SLOTBOOT\x01\0\0\0");
        raw[24..40].copy_from_slice(&PARTITION.0);
        let mut raw: [u8; 512] = raw.try_into().unwrap();
        reseal(&mut raw);
        if let Ok(record) = Record::decode(&raw, PARTITION) {
            prop_assert_eq!(Record::decode(&record.encode(), PARTITION), Ok(record));
        }
    }
}

#[test]
fn a_record_of_another_partition_is_refused() {
    let mut record = Record::new(PARTITION, 3);
    record.sequence = 1;
    let other = Guid([8; 16]);
    assert_eq!(
        Record::decode(&record.encode(), other),
        Err(Invalid::Foreign(PARTITION))
    );
}

#[test]
fn an_unknown_major_is_told_apart_from_damage() {
    let mut record = Record::new(PARTITION, 3);
    record.sequence = 1;
    let mut raw = record.encode();
    raw[8] = 2;
    assert_eq!(Record::decode(&raw, PARTITION), Err(Invalid::Hash));
    reseal(&mut raw);
    assert_eq!(
        Record::decode(&raw, PARTITION),
        Err(Invalid::UnknownMajor(2))
    );
}

#[test]
fn impossible_values_are_refused() {
    let mut good = Record::new(PARTITION, 3);
    good.sequence = 1;
    let cases: [(usize, u8); 9] = [
        (12, 1),
        (12, 9),
        (13, 0),
        (13, 100),
        (14, 3),
        (15, 3),
        (41, 7),
        (96, 6),
        (23, 0x80),
    ];
    for (at, value) in cases {
        let mut raw = good.encode();
        raw[at] = value;
        reseal(&mut raw);
        let refused = Record::decode(&raw, PARTITION);
        assert!(
            matches!(refused, Err(Invalid::Range(_))),
            "{at}: {refused:?}"
        );
    }
}

#[test]
fn slot_names_are_letters() {
    assert_eq!("c".parse::<SlotId>().unwrap().index(), 2);
    for wrong in ["", "i", "A", "aa", "1", "slot-a"] {
        assert_eq!(wrong.parse::<SlotId>(), Err(NotASlot));
    }
}

/// What is wrong with three empty slots after a change.
fn wrong(change: impl FnOnce(&mut Record)) -> Option<&'static str> {
    let mut record = Record::new(PARTITION, 3);
    record.sequence = 1;
    change(&mut record);
    match record.check() {
        Ok(()) => None,
        Err(Invalid::Range(what)) => Some(what),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn numbers_have_borders_on_both_sides() {
    let sequence = |to| wrong(|record| record.sequence = to);
    assert_eq!(sequence(0), Some("sequence number"));
    assert_eq!(sequence(1), None);
    assert_eq!(sequence(SEQUENCE_END - 1), None);
    assert_eq!(sequence(SEQUENCE_END), Some("sequence number"));
    let tries = |to| wrong(|record| record.default_tries = to);
    assert_eq!(tries(0), Some("default tries"));
    assert_eq!(tries(1), None);
    assert_eq!(tries(MAX_TRIES), None);
    assert_eq!(tries(MAX_TRIES + 1), Some("default tries"));
}

#[test]
fn no_field_names_a_slot_that_the_disk_does_not_have() {
    for (slot, expected) in [(SlotId(2), None), (SlotId(3), Some("slot number"))] {
        let as_what = Arming::Trial;
        let failure = Failure {
            slot,
            reason: Reason::Damaged,
            stage: Stage::Verify,
            sequence: 1,
        };
        assert_eq!(wrong(|record| record.once = Some(slot)), expected);
        assert_eq!(
            wrong(|record| record.armed = Some(Armed { slot, as_what })),
            expected
        );
        assert_eq!(wrong(|record| record.last_booted = Some(slot)), expected);
        assert_eq!(
            wrong(|record| record.last_failure = Some(failure)),
            expected
        );
    }
}

#[test]
fn a_slot_that_the_disk_does_not_have_stays_empty() {
    let good = Slot {
        state: State::Good,
        manifest: [1; 32],
        ..Slot::EMPTY
    };
    let mut record = Record::new(PARTITION, 3);
    for slot in SlotId::all() {
        record.set_slot(slot, good);
    }
    let set = SlotId::all().map(|slot| *record.slot(slot) == good);
    let three = [true, true, true, false, false, false, false, false];
    assert!(set.eq(three));
    assert!(SlotId::all().map(|slot| record.has(slot)).eq(three));
    assert_eq!(
        wrong(|record| record.slots[3] = good),
        Some("slot that the disk does not have")
    );
}

#[test]
fn what_a_slot_says_fits_its_state() {
    let fits = |state, manifest: u8, tries, tries_left| {
        let slot = Slot {
            state,
            tries,
            tries_left,
            manifest: [manifest; 32],
            ..Slot::EMPTY
        };
        slot.check().is_ok()
    };
    assert!(fits(State::Empty, 0, 0, 0) && !fits(State::Empty, 1, 0, 0));
    assert!(!fits(State::Empty, 0, 1, 0));
    assert!(fits(State::Writing, 0, 3, 3) && !fits(State::Writing, 1, 0, 0));
    for state in [State::Ready, State::Good] {
        assert!(fits(state, 1, 0, 0) && !fits(state, 0, 0, 0));
    }
    assert!(fits(State::Trying, 1, 1, 0) && !fits(State::Trying, 1, 0, 0));
    assert!(!fits(State::Trying, 0, 1, 0));
    assert!(fits(State::Bad, 0, 0, 0) && fits(State::Bad, 1, 0, 0));
    assert!(fits(State::Trying, 1, 99, 99) && !fits(State::Trying, 1, 99, 100));
    assert!(!fits(State::Trying, 1, 100, 0));
    let numbered = Slot {
        activation: 5,
        ..Slot::EMPTY
    };
    assert_eq!(numbered.check(), Ok(()));
}

#[test]
fn at_most_one_slot_is_on_trial() {
    let trial = Slot {
        state: State::Trying,
        tries: 1,
        manifest: [1; 32],
        ..Slot::EMPTY
    };
    let trials = |count: usize| wrong(|record| record.slots[..count].fill(trial));
    assert_eq!(trials(1), None);
    assert_eq!(trials(2), Some("two trials"));
}

#[test]
fn names_and_states_are_said_in_words() {
    let slot = SlotId(2);
    assert_eq!(alloc::format!("{slot} {slot:?}"), "c c");
    assert_eq!(slot.partition_name(), "slot-c");
    assert!(SlotId::all().eq((0..MAX_SLOTS).filter_map(SlotId::new)));
    assert_eq!(SlotId::new(MAX_SLOTS), None);
    let words = ["empty", "writing", "ready", "trying", "good", "bad"];
    assert_eq!(State::ALL.map(State::word), words);
    assert_eq!(alloc::format!("{}", State::Bad), "bad");
}
