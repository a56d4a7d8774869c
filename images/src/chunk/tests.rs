//! A chunk: nobody sees content that was not checked.

use super::*;
use crate::table::Packing;

fn chunk(content: &[u8], packing: Packing, packed: &[u8]) -> Chunk {
    Chunk {
        number: 3,
        piece: Piece {
            offset: 0,
            length: content.len() as u32,
            hash: digest(content),
        },
        entry: Entry {
            packing,
            offset: 0,
            length: packed.len() as u32,
            hash: digest(packed),
        },
    }
}

fn zstd(content: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(content, 3).unwrap()
}

fn unpack(chunk: &Chunk, packed: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut out = vec![0xaa; 2 * chunk.piece.length as usize];
    let unpacked = Unpacker::new().unwrap().unpack(chunk, packed, &mut out);
    let unpacked = unpacked.map(<[u8]>::to_vec);
    if unpacked.is_err() {
        let room = &out[..chunk.piece.length as usize];
        let untouched = |byte: &u8| *byte == 0 || *byte == 0xaa;
        assert!(room.iter().all(untouched), "unchecked content is seen");
    }
    unpacked
}

#[test]
fn a_chunk_gives_its_content() {
    let content = [5; 8192];
    let packed = zstd(&content);
    let chunk_zstd = chunk(&content, Packing::Zstd, &packed);
    assert_eq!(unpack(&chunk_zstd, &packed).unwrap(), content);
    let stored = chunk(&content, Packing::Stored, &content);
    assert_eq!(unpack(&stored, &content).unwrap(), content);
}

#[test]
fn packed_bytes_that_were_not_signed_never_reach_the_decompressor() {
    let content = [5; 8192];
    let mut packed = zstd(&content);
    let chunk = chunk(&content, Packing::Zstd, &packed);
    packed[0] ^= 1;
    let part = Part::Chunk(3);
    assert_eq!(unpack(&chunk, &packed), Err(Refused::HashWrong { part }));
    packed.pop();
    let refused = unpack(&chunk, &packed);
    assert!(matches!(refused, Err(Refused::Truncated { .. })));
}

#[test]
fn a_chunk_that_unpacks_to_more_or_less_than_the_index_says_is_refused() {
    for length in [4096, 12288, 1 << 24] {
        let packed = zstd(&vec![5; length]);
        let chunk = chunk(&[5; 8192], Packing::Zstd, &packed);
        let refused = unpack(&chunk, &packed);
        assert!(matches!(refused, Err(Refused::DoesNotUnpack { .. })));
    }
    let garbage = [1, 2, 3, 4];
    let chunk = chunk(&[5; 8192], Packing::Zstd, &garbage);
    let refused = unpack(&chunk, &garbage);
    assert!(matches!(refused, Err(Refused::DoesNotUnpack { .. })));
}

#[test]
fn a_stored_chunk_that_is_longer_or_shorter_than_its_piece_is_refused() {
    for stored in [vec![5; 4096], vec![5; 8191], vec![5; 8193]] {
        let chunk = chunk(&[5; 8192], Packing::Stored, &stored);
        let refused = unpack(&chunk, &stored);
        assert!(matches!(refused, Err(Refused::DoesNotUnpack { .. })));
    }
}

#[test]
fn a_chunk_that_unpacks_to_other_content_is_refused() {
    let other = [6; 8192];
    let packed = zstd(&other);
    let part = Part::Piece(3);
    let refused = Err(Refused::HashWrong { part });
    assert_eq!(
        unpack(&chunk(&[5; 8192], Packing::Zstd, &packed), &packed),
        refused
    );
    assert_eq!(
        unpack(&chunk(&[5; 8192], Packing::Stored, &other), &other),
        refused
    );
}

#[test]
fn a_buffer_that_is_too_short_is_refused() {
    let content = [5; 8192];
    let chunk = chunk(&content, Packing::Stored, &content);
    let mut out = [0; 8191];
    let mut unpacker = Unpacker::new().unwrap();
    assert!(unpacker.unpack(&chunk, &content, &mut out).is_err());
}
