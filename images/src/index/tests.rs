//! The index: what it may say about the content.

use super::*;
use crate::manifest::{Kind, Manifest, Payload};

/// A manifest that binds this index.
fn manifest(index: &[u8], content_len: u64) -> Manifest {
    let payload = |kind| Payload {
        kind,
        offset: 0,
        length: 1,
        hash: [0; 32],
    };
    Manifest {
        compatible: "x".into(),
        version: "1".into(),
        security_version: 0,
        revoke_below: 0,
        record_major: 1,
        record_minor: 0,
        watchdog_seconds: 0,
        cmdline: "".into(),
        content_len,
        index_len: index.len() as u64,
        index_hash: digest(index),
        payloads: vec![payload(Kind::Rootfs)],
        verity: None,
        key_set: None,
    }
}

fn index(lengths: &[u32]) -> Vec<u8> {
    let entry = |length: &u32| encode_entry(*length, &[7; 32]);
    lengths.iter().flat_map(entry).collect()
}

fn parse(lengths: &[u32], content_len: u64) -> Result<Index, Refused> {
    let bytes = index(lengths);
    Index::parse(&bytes, &manifest(&bytes, content_len))
}

#[test]
fn pieces_follow_each_other_without_gaps() {
    let read = parse(&[4096, PIECE_MAX, 8192], 4096 + 8192 + (1 << 20)).unwrap();
    let offsets: Vec<u64> = read.pieces().iter().map(|piece| piece.offset).collect();
    assert_eq!(offsets, [0, 4096, 4096 + (1 << 20)]);
}

#[test]
fn a_piece_that_is_empty_too_long_or_not_aligned_is_refused() {
    for length in [0, 1, 4095, 4097, PIECE_MAX + 4096, u32::MAX] {
        let refused = parse(&[4096, length], 4096 + u64::from(length));
        assert!(matches!(
            refused,
            Err(Refused::Malformed { part: Part::Index, malformed }) if malformed.at == 36
        ));
    }
}

#[test]
fn pieces_that_are_not_as_long_as_the_content_are_refused() {
    for content_len in [0, 4096, 12288, u64::MAX] {
        assert!(parse(&[4096, 4096], content_len).is_err());
    }
}

#[test]
fn an_index_that_the_manifest_does_not_bind_is_refused() {
    let bytes = index(&[4096]);
    let manifest = manifest(&bytes, 4096);
    let part = Part::Index;
    for other in [index(&[8192]), index(&[4096, 4096]), Vec::new()] {
        let refused = Index::parse(&other, &manifest);
        assert_eq!(refused, Err(Refused::HashWrong { part }));
    }
}

#[test]
fn an_index_cut_within_an_entry_is_refused() {
    let mut bytes = index(&[4096, 4096]);
    bytes.pop();
    assert!(Index::parse(&bytes, &manifest(&bytes, 8192)).is_err());
}

#[test]
fn an_index_of_another_length_than_the_manifest_says_is_refused_whatever_its_hash() {
    let bytes = index(&[4096]);
    let mut manifest = manifest(&bytes, 4096);
    manifest.index_len += 1;
    let part = Part::Index;
    assert_eq!(
        Index::parse(&bytes, &manifest),
        Err(Refused::HashWrong { part })
    );
}

#[test]
fn a_piece_is_its_bytes_and_nothing_longer_or_shorter() {
    let content = [5; 4096];
    let piece = |length, hash| Piece {
        offset: 0,
        length,
        hash,
    };
    assert!(piece(4096, digest(&content)).is(&content));
    assert!(!piece(8192, digest(&content)).is(&content));
    assert!(!piece(4096, [0; 32]).is(&content));
}

fn pieces(lengths: &[u32]) -> Vec<Piece> {
    let mut offset = 0;
    let piece = |length: &u32| {
        let piece = Piece {
            offset,
            length: *length,
            hash: [0; 32],
        };
        offset += u64::from(*length);
        piece
    };
    lengths.iter().map(piece).collect()
}

#[test]
fn a_group_is_as_many_pieces_as_fit_into_one_mebibyte() {
    let pieces = pieces(&[4096, PIECE_MAX - 4096, 4096, PIECE_MAX, PIECE_MAX / 2, 4096]);
    let mut ends = Vec::new();
    while ends.last() != Some(&pieces.len()) {
        ends.push(group_end(&pieces, ends.last().copied().unwrap_or(0)));
    }
    assert_eq!(ends, [2, 3, 4, 6]);
    let starts = |offset| starts_group(&pieces, offset);
    assert!(starts(0) && starts(1 << 20) && !starts(4096));
    assert!(!starts(u64::from(PIECE_MAX) * 9));
}
