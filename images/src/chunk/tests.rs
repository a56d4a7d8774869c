//! A chunk: nobody sees content that was not checked.

use super::*;
use crate::table::Packing;

fn chunk(content: &[u8], packing: Packing, packed: &[u8]) -> Chunk<'static> {
    let piece = Piece {
        offset: 0,
        length: content.len() as u32,
        hash: digest(content),
    };
    Chunk {
        number: 3,
        first: 3,
        pieces: std::vec![piece].leak(),
        entry: Entry {
            packing,
            pieces: 1,
            offset: 0,
            length: packed.len() as u32,
            hash: digest(packed),
        },
    }
}

fn zstd(content: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(content, 3).unwrap()
}

fn unpack(chunk: &Chunk<'_>, packed: &[u8]) -> Result<Vec<u8>, Refused> {
    let length = chunk.content_len() as usize;
    let mut out = vec![0xaa; 2 * length];
    let mut unpacker = Unpacker::new().unwrap();
    let unpacked = unpacker.unpack(chunk, packed, &mut out, 0, &mut NoGround);
    let unpacked = match unpacked {
        Ok(()) => Ok(out[..length].to_vec()),
        Err(UnpackError::Refused(refused)) => Err(refused),
        Err(other) => panic!("{other:?}"),
    };
    if unpacked.is_err() {
        let room = &out[..length];
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
    let unpacked = unpacker.unpack(&chunk, &content, &mut out, 0, &mut NoGround);
    assert!(unpacked.is_err());
    let unpacked = unpacker.unpack(&chunk, &content, &mut out, 9000, &mut NoGround);
    assert!(unpacked.is_err());
}

#[test]
fn a_chunk_that_continues_needs_just_what_lies_before_it() {
    let mut before = vec![0; 8192];
    blake3::Hasher::new().finalize_xof().fill(&mut before);
    let own = before[100..4196].to_vec();
    let mut packed = Vec::with_capacity(8192);
    let mut zstd = zstd::zstd_safe::CCtx::create();
    zstd.compress_using_dict(&mut packed, &own, &before, 3)
        .unwrap();
    assert!(packed.len() < 100);
    let chunk = chunk(&own, Packing::Continued, &packed);
    let mut unpacker = Unpacker::new().unwrap();
    let mut group = [before.as_slice(), &[0; 4096]].concat();
    unpacker
        .unpack(&chunk, &packed, &mut group, 8192, &mut NoGround)
        .unwrap();
    assert_eq!(group[8192..], own);
    group[200] ^= 1;
    let wrong = unpacker.unpack(&chunk, &packed, &mut group, 8192, &mut NoGround);
    assert!(matches!(
        wrong,
        Err(UnpackError::Refused(Refused::HashWrong { .. }))
    ));
    // What zstd would take for a dictionary is never continued.
    group[..4].copy_from_slice(&[0x37, 0xa4, 0x30, 0xec]);
    let wrong = unpacker.unpack(&chunk, &packed, &mut group, 8192, &mut NoGround);
    assert!(matches!(
        wrong,
        Err(UnpackError::Refused(Refused::DoesNotUnpack { .. }))
    ));
}

/// The ways to say the same content in other frames than one plain one.
fn other_frames(content: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    use zstd::zstd_safe::{CCtx, CParameter};
    let with = |parameter| {
        let mut zstd = CCtx::create();
        zstd.set_parameter(parameter).unwrap();
        let mut packed = Vec::with_capacity(4096);
        zstd.compress2(&mut packed, content).unwrap();
        packed
    };
    let (first, second) = content.split_at(content.len() / 2);
    let empty = zstd(&[]);
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4];
    let whole = zstd(content);
    // A window of 16 MiB, in a frame that says one.
    let mut wide = with(CParameter::WindowLog(10));
    assert_eq!(wide[4] & 0x20, 0, "the frame says its window");
    wide[5] = 14 << 3;
    let mut reserved = whole.clone();
    reserved[4] |= 0x10;
    vec![
        ("two frames", [zstd(first), zstd(second)].concat()),
        ("empty behind", [&whole[..], &empty].concat()),
        ("empty before", [&empty[..], &whole].concat()),
        ("skippable behind", [&whole[..], &skippable].concat()),
        ("skippable before", [&skippable[..], &whole].concat()),
        ("checksum", with(CParameter::ChecksumFlag(true))),
        ("no size", with(CParameter::ContentSizeFlag(false))),
        ("wide window", wide),
        ("unused bit", reserved),
        ("bytes behind", [&whole[..], &[0]].concat()),
    ]
}

#[test]
fn a_chunk_is_exactly_one_plain_frame() {
    let content = vec![5; 8192];
    for (name, packed) in other_frames(&content) {
        for packing in [Packing::Zstd, Packing::Continued] {
            let refused = unpack(&chunk(&content, packing, &packed), &packed);
            let expected = matches!(refused, Err(Refused::DoesNotUnpack { .. }));
            assert!(expected, "{name}: {refused:?}");
        }
    }
    // One that says its window is plain, where that is small.
    let mut small = zstd::zstd_safe::CCtx::create();
    small
        .set_parameter(zstd::zstd_safe::CParameter::WindowLog(10))
        .unwrap();
    let mut packed = Vec::with_capacity(4096);
    small.compress2(&mut packed, &content).unwrap();
    let chunk = chunk(&content, Packing::Zstd, &packed);
    assert_eq!(unpack(&chunk, &packed).unwrap(), content);
}

/// A patch of literals alone, and of three streams packed like this.
fn literal_patch(length: usize, frames: [Vec<u8>; 3]) -> Vec<u8> {
    // A run that copies nothing, and the literals in LEB128.
    let instructions = instructions(length).len();
    let mut patch = Vec::new();
    for (length, frame) in [instructions, 0, length].into_iter().zip(&frames) {
        patch.extend((length as u32).to_le_bytes());
        patch.extend((frame.len() as u32).to_le_bytes());
    }
    patch.extend(frames.concat());
    patch
}

fn instructions(literals: usize) -> Vec<u8> {
    vec![0, 0, literals as u8 | 0x80, (literals >> 7) as u8]
}

#[test]
fn a_stream_of_a_patch_is_exactly_one_plain_frame_and_an_empty_one_has_none() {
    let content = vec![5; 8192];
    let plain = zstd(&instructions(8192));
    let right = literal_patch(8192, [plain.clone(), vec![], zstd(&content)]);
    let patched = |packed: &[u8]| unpack(&chunk(&content, Packing::Patch, packed), packed);
    assert_eq!(patched(&right).unwrap(), content);
    for (name, frame) in other_frames(&content) {
        let wrong = literal_patch(8192, [plain.clone(), vec![], frame]);
        assert!(patched(&wrong).is_err(), "{name}");
    }
    let empty = literal_patch(8192, [plain, zstd(&[]), zstd(&content)]);
    assert!(patched(&empty).is_err(), "a frame of an empty stream");
}
