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

fn table(entries: &[(u8, u32)]) -> Vec<u8> {
    let entry = |(packing, length): &(u8, u32)| {
        let mut entry = encode_entry(Packing::Stored, *length, &[7; 32]);
        entry[0] = *packing;
        entry
    };
    entries.iter().flat_map(entry).collect()
}

fn parse(entries: &[(u8, u32)], payload_len: u64) -> Result<Table, Refused> {
    Table::parse(&table(entries), &index(), payload_len)
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
    for packing in 2..=255 {
        assert!(parse(&[(packing, 100), (0, 4096)], 4196).is_err());
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
