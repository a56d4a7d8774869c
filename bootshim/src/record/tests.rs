use super::*;
use proptest::prelude::*;

pub(crate) const PARTITION: Guid = Guid([7; 16]);

prop_compose! {
    fn slot_and_state()(
        state in prop::sample::select(State::ALL.to_vec()),
        reason in 0u8..14, priority: u8, tries in 1u8..=MAX_TRIES, left in 0u8..=MAX_TRIES,
        attempts: u16, security_version: u64, fill in 1u8..,
    ) -> Slot {
        let full = Slot {
            state, reason: Reason::from_code(reason), priority, tries,
            tries_left: left.min(tries), attempts, security_version,
            manifest: [fill; 32], kept: 0,
        };
        match state {
            State::Empty => Slot::EMPTY,
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
