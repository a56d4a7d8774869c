//! A patch behind its hash: its lengths, its instructions, what it is made of.

use super::chunk::UNPACKER;
use super::input::Input;
use images::chunk::{Chunk, Ground};
use images::digest;
use images::index::Piece;
use images::table::{Entry, Packing};

/// What a patch is made of here: a block that says where it is.
struct Blocks;

impl Ground for Blocks {
    type Error = std::convert::Infallible;
    fn len(&self) -> u64 {
        1 << 40
    }
    fn read(&mut self, at: u64, buffer: &mut [u8]) -> Result<(), Self::Error> {
        assert!(at.is_multiple_of(4096) && buffer.len().is_multiple_of(4096));
        assert!(at + u64::try_from(buffer.len()).unwrap() <= self.len());
        buffer.fill(u8::try_from(at / 4096 % 251).unwrap());
        Ok(())
    }
}

/// Any patch, signed: content that nobody bound never comes out, and nothing is
/// asked of the ground that it does not have. The streams are the fuzzer's; they
/// are compressed here, so that it need not find out how.
pub fn patch(data: &[u8]) {
    let mut input = Input(data);
    let (cut, length) = (input.u8(), 1 + input.u32() % (1 << 20));
    let (instructions, differences) = (input.counted(), input.counted());
    let streams = [instructions, differences, input.0];
    let mut packed = Vec::new();
    let mut frames = Vec::new();
    for stream in streams {
        let frame = match stream {
            [] => Vec::new(),
            bytes => zstd::bulk::compress(bytes, 1).unwrap(),
        };
        for length in [stream.len(), frame.len()] {
            packed.extend(u32::try_from(length).unwrap().to_le_bytes());
        }
        frames.extend(frame);
    }
    packed.extend(frames);
    packed.truncate(packed.len() - usize::from(cut).min(packed.len()));
    let pieces = [Piece {
        offset: 0,
        length,
        hash: [1; 32],
    }];
    let chunk = Chunk {
        number: 0,
        first: 0,
        pieces: &pieces,
        entry: Entry {
            packing: Packing::Patch,
            pieces: 1,
            offset: 0,
            length: u32::try_from(packed.len()).unwrap(),
            hash: digest(&packed),
        },
    };
    let mut out = vec![0xee; usize::try_from(length).unwrap()];
    let answer = UNPACKER
        .with_borrow_mut(|unpacker| unpacker.unpack(&chunk, &packed, &mut out, 0, &mut Blocks));
    assert!(answer.is_err(), "content that nobody bound");
    assert!(out.iter().all(|byte| *byte == 0), "something of it is left");
}
