use super::*;
use alloc::vec;
use proptest::prelude::*;

/// Points of the curve that are no weak keys.
fn keys(count: usize) -> Vec<PublicKey> {
    (2u64..)
        .filter_map(|n| {
            let mut raw = [0; 32];
            raw[..8].copy_from_slice(&n.to_le_bytes());
            PublicKey::from_bytes(&raw).ok()
        })
        .take(count)
        .collect()
}

fn section(count: usize) -> Section {
    Section {
        record_major: 1,
        record_minor: 7,
        keys: keys(count),
        root_threshold: None,
    }
}

#[test]
fn the_program_is_built_without_keys_and_says_which_record_it_reads() {
    let unfilled = Section {
        record_major: record::MAJOR,
        record_minor: record::MINOR,
        keys: vec![],
        root_threshold: None,
    };
    assert_eq!(Section::parse(&Section::unfilled()), Ok(unfilled.clone()));
    assert_eq!(unfilled.encode().unwrap(), Section::unfilled());
}

#[test]
fn up_to_a_hundred_keys_are_read_back() {
    for count in [0, 1, 2, KEYS_MAX] {
        let bytes = section(count).encode().unwrap();
        assert_eq!(bytes.len(), SECTION_LEN);
        assert_eq!(Section::parse(&bytes), Ok(section(count)));
    }
    assert_eq!(section(101).encode(), Err(SectionError::TooMany(101)));
}

#[test]
fn the_same_key_twice_is_refused() {
    let mut twice = section(2);
    twice.keys[1] = twice.keys[0];
    let same = SectionError::SameKey(twice.keys[0].id());
    assert_eq!(twice.encode(), Err(same));
    let mut bytes = section(2).encode().unwrap();
    bytes.copy_within(32..64, 64);
    assert_eq!(Section::parse(&bytes), Err(same));
}

#[test]
fn as_many_root_keys_sign_as_there_can_be() {
    for (threshold, possible) in [(0, false), (1, true), (2, true), (3, false)] {
        let roots = Section {
            root_threshold: Some(threshold),
            ..section(2)
        };
        let read = roots.encode().and_then(|bytes| Section::parse(&bytes));
        let refused = Err(SectionError::Threshold(threshold));
        assert_eq!(read, if possible { Ok(roots) } else { refused });
    }
}

#[test]
fn what_is_not_a_section_is_refused() {
    let good = section(1).encode().unwrap();
    let changed = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        Section::parse(&bytes)
    };
    assert_eq!(
        Section::parse(&good[..4095]),
        Err(SectionError::Length(4095))
    );
    assert_eq!(changed(0, b's'), Err(SectionError::Magic));
    assert_eq!(changed(8, 3), Err(SectionError::UnknownFormat(3)));
    assert_eq!(changed(16, 101), Err(SectionError::TooMany(101)));
    assert_eq!(changed(16, 0), Err(SectionError::NotZero));
    assert_eq!(changed(20, 1), Err(SectionError::NotZero));
    assert_eq!(changed(4095, 1), Err(SectionError::NotZero));
    // A key of zeros is a point of small order: anybody signs for it.
    assert_eq!(changed(16, 2), Err(SectionError::BadKey(1)));
    for (error, words) in [
        (SectionError::Length(4095), "has 4095 bytes instead of 4096"),
        (SectionError::UnknownFormat(3), "the unknown format 3"),
        (SectionError::TooMany(101), "101 trusted keys"),
        (SectionError::BadKey(1), "trusted key 1 is not"),
    ] {
        assert!(
            alloc::string::ToString::to_string(&error).contains(words),
            "{error}"
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_give_an_answer_and_what_is_accepted_has_one_encoding(
        head in prop::collection::vec(any::<u8>(), 0..64),
        intact in 0usize..24,
    ) {
        let mut bytes = section(1).encode().unwrap();
        for (to, from) in bytes.iter_mut().zip(head).skip(intact) {
            *to = from;
        }
        if let Ok(section) = Section::parse(&bytes) {
            prop_assert_eq!(section.encode().unwrap(), bytes);
        }
    }
}
