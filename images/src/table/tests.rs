//! The transport table: what it may say about the chunks.

use super::*;
use crate::index::Piece;

/// Two pieces of 4096 bytes.
fn index() -> Index {
    let piece = |offset| Piece {
        offset,
        length: 4096,
        hash: [0; 32],
    };
    Index::of(vec![piece(0), piece(4096)])
}

/// Entries: packing, and packed length.
fn parse(entries: &[(u8, u32)], payload_len: u64) -> Result<Table, Refused> {
    let entry = |(packing, length): &(u8, u32)| {
        let mut entry = encode_entry(Packing::Stored, 1, *length, &[7; 32]);
        entry[0] = *packing;
        entry
    };
    let entries: Vec<_> = entries.iter().map(entry).collect();
    let old = entries
        .iter()
        .flat_map(|entry| [&entry[..1], &entry[3..]].concat());
    let old = Table::parse_1(&old.collect::<Vec<_>>(), &index(), payload_len);
    let new = [encode_start(None, 0), entries.concat()].concat();
    let new = Table::parse(&new, &index(), payload_len);
    assert_eq!(old.is_ok(), new.is_ok(), "both formats say the same");
    new
}

fn base() -> Base {
    Base {
        manifest: [5; 32],
        version: "1.0".into(),
        content_len: 8192,
        full_len: 100_000,
    }
}

/// A table of format 2: packing, number of pieces, packed length.
fn parse_2(
    base: Option<&Base>,
    limit: u64,
    entries: &[(Packing, u16, u32)],
) -> Result<Table, Refused> {
    let mut bytes = encode_start(base, limit);
    let mut sum = 0;
    for (packing, pieces, length) in entries {
        bytes.extend(encode_entry(*packing, *pieces, *length, &[7; 32]));
        sum += u64::from(*length);
    }
    Table::parse(&bytes, &index(), sum)
}

#[test]
fn a_chunk_covers_whole_pieces_of_one_group() {
    let one = parse_2(None, 0, &[(Packing::Zstd, 2, 8191)]).unwrap();
    assert_eq!(one.entries()[0].pieces, 2);
    for wrong in [0, 3, u16::MAX] {
        assert!(parse_2(None, 0, &[(Packing::Zstd, wrong, 100)]).is_err());
    }
    let short = [(Packing::Zstd, 1, 100)];
    assert!(parse_2(None, 0, &short).is_err());
}

#[test]
fn the_first_chunk_of_a_group_continues_nothing() {
    let (zstd, continued) = (Packing::Zstd, Packing::Continued);
    assert!(parse_2(None, 0, &[(zstd, 1, 100), (continued, 1, 100)]).is_ok());
    assert!(parse_2(None, 0, &[(continued, 1, 100), (zstd, 1, 100)]).is_err());
}

#[test]
fn a_patch_needs_something_that_it_is_made_of() {
    let patch = [(Packing::Patch, 2, 100)];
    assert!(parse_2(None, 0, &patch).is_err());
    let read = parse_2(Some(&base()), 0, &patch).unwrap();
    assert_eq!(read.base(), Some(&base()));
    // No group begins there but the first, which has nothing before it.
    for limit in [4096, 8192, 1, u64::MAX] {
        assert!(parse_2(None, limit, &patch).is_err(), "{limit}");
    }
}

#[test]
fn a_base_is_named_whole_or_not_at_all() {
    let chunk = [(Packing::Zstd, 2, 100)];
    let with = |change: fn(&mut Base)| {
        let mut base = base();
        change(&mut base);
        parse_2(Some(&base), 0, &chunk)
    };
    assert!(with(|_| {}).is_ok());
    assert!(with(|base| base.manifest = [0; 32]).is_err());
    assert!(with(|base| base.version = String::new()).is_err());
    assert!(with(|base| base.version = "a\nb".into()).is_err());
    assert!(with(|base| base.version = "1".repeat(129)).is_err());
    for length in [0, 1, 4095, u64::MAX - 4095] {
        let named = Base {
            content_len: length,
            ..base()
        };
        assert!(parse_2(Some(&named), 0, &chunk).is_err(), "{length}");
    }
}

#[test]
fn chunks_follow_each_other_without_gaps() {
    let read = parse(&[(1, 100), (0, 4096)], 4196).unwrap();
    let [first, second] = read.entries() else {
        panic!("not two entries");
    };
    assert_eq!((first.offset, first.packing), (0, Packing::Zstd));
    assert_eq!((second.offset, second.packing), (100, Packing::Stored));
}

#[test]
fn an_unknown_packing_is_refused() {
    let start = encode_start(None, 0);
    for packing in 3..=255 {
        let mut bytes = [
            start.as_slice(),
            &encode_entry(Packing::Zstd, 2, 100, &[7; 32]),
        ]
        .concat();
        bytes[start.len()] = packing;
        assert!(Table::parse(&bytes, &index(), 100).is_err(), "{packing}");
    }
    // What came with format 2 is unknown in format 1.
    for packing in 2..=255 {
        let entry = [&[packing][..], &100_u32.to_le_bytes(), &[7; 32]].concat();
        assert!(Table::parse_1(&entry.repeat(2), &index(), 200).is_err());
    }
}

#[test]
fn a_packed_length_that_saves_nothing_is_refused() {
    for wrong in [
        (0, 4095),
        (0, 4097),
        (0, 0),
        (1, 4096),
        (1, 0),
        (1, u32::MAX),
    ] {
        let payload_len = 100 + u64::from(wrong.1);
        assert!(parse(&[(1, 100), wrong], payload_len).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_table_with_more_or_fewer_entries_than_pieces_is_refused() {
    assert!(parse(&[(1, 100)], 100).is_err());
    assert!(parse(&[(1, 100), (1, 100), (1, 100)], 300).is_err());
    assert!(parse(&[], 0).is_err());
}

#[test]
fn chunks_that_are_not_as_long_as_the_payload_are_refused() {
    for payload_len in [0, 199, 201, u64::MAX] {
        assert!(parse(&[(1, 100), (1, 100)], payload_len).is_err());
    }
}

#[test]
fn a_chunk_may_be_packed_into_one_byte_or_save_just_one() {
    for length in [1, 4095] {
        let read = parse(&[(1, length), (0, 4096)], u64::from(length) + 4096);
        assert_eq!(read.unwrap().entries()[1].offset, u64::from(length));
    }
}
