//! One chunk, and the decompressor behind its hashes.

use super::input::Input;
use images::chunk::{Chunk, NoGround, Unpacker};
use images::digest;
use images::index::Piece;
use images::table::{Entry, Packing};
use std::cell::RefCell;
use zstd::zstd_safe;

/// What stands behind the room of a piece and must stay there.
const GUARD: [u8; 64] = [0xa5; 64];

thread_local! {
    /// One for all cases of a thread.
    pub(super) static UNPACKER: RefCell<Unpacker> = RefCell::new(Unpacker::new().unwrap());
}

/// Any packed bytes, with hashes that are right or not: what comes out is the
/// piece, byte for byte, or nothing at all, and never longer than its room.
pub fn chunk(data: &[u8]) {
    let mut input = Input(data);
    let (mend, length, missing) = (input.u8(), 1 + input.u32() % (1 << 21), input.u8());
    let packed = input.0;
    let packing = [Packing::Stored, Packing::Zstd][usize::from(mend & 1)];
    let room = usize::try_from(length).unwrap();
    let content = match packing {
        Packing::Stored => packed.to_vec(),
        _ => zstd::bulk::decompress(packed, room).unwrap_or_default(),
    };
    let or_wrong = |wrong: u8, bytes: &[u8]| {
        let hash = digest(bytes);
        if mend & wrong == 0 { hash } else { [1; 32] }
    };
    let pieces = [Piece {
        offset: 4096,
        length,
        hash: or_wrong(2, &content),
    }];
    let chunk = Chunk {
        number: 3,
        first: 1,
        pieces: &pieces,
        entry: Entry {
            packing,
            pieces: 1,
            offset: 0,
            length: u32::try_from(packed.len()).unwrap() + u32::from(mend >> 3 & 1),
            hash: or_wrong(4, packed),
        },
    };
    let short = usize::from(missing & mend >> 4);
    let mut out = vec![0xee; room.saturating_sub(short)];
    out.extend(if short == 0 { &GUARD[..] } else { &[] });
    let behind = out.len().min(room);
    let answer = UNPACKER
        .with_borrow_mut(|unpacker| unpacker.unpack(&chunk, packed, &mut out, 0, &mut NoGround));
    assert!(
        out[behind..] == GUARD[..out.len() - behind],
        "past its room"
    );
    let plain = packing == Packing::Stored || is_plain(packed);
    let right = mend & 14 == 0 && content.len() == room && short == 0 && plain;
    match answer {
        Ok(()) => assert!(right && out[..room] == content),
        Err(_) => {
            assert!(!right, "what is right is unpacked");
            let untouched = out[..behind].iter().all(|byte| *byte == 0xee);
            let wiped = out[..behind].iter().all(|byte| *byte == 0);
            assert!(untouched || wiped, "something of a wrong chunk is left");
        }
    }
}

/// Whether this is the one frame that `docs/image-format.md` allows, as libzstd sees it.
fn is_plain(packed: &[u8]) -> bool {
    let one = zstd_safe::find_frame_compressed_size(packed) == Ok(packed.len());
    let sized = zstd_safe::get_frame_content_size(packed).is_ok_and(|size| size.is_some());
    let [.., descriptor, window] = packed.first_chunk::<6>().unwrap_or(&[0xff; 6]);
    let narrow = descriptor & 0x20 != 0 || *window <= 0x68;
    one && sized && descriptor & 0x1f == 0 && narrow
}
