//! Unpacking: check, decompress, check again.

use std::io;

use super::Chunk;
use crate::table::Packing;
use crate::{Part, Refused};

/// Unpacks chunks. Holds the decompressor's memory: have one per thread.
pub struct Unpacker {
    zstd: zstd::bulk::Decompressor<'static>,
}

impl Unpacker {
    /// A new one.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn new() -> io::Result<Self> {
        let zstd = zstd::bulk::Decompressor::new()?;
        Ok(Self { zstd })
    }

    /// The content of a chunk, in the first `chunk.piece.length` bytes of
    /// `out`. The packed bytes are checked before the decompressor sees them,
    /// the content before the caller does.
    ///
    /// # Errors
    /// [`Refused`], and `out` holds nothing of the content; also if `out` is
    /// shorter than the piece.
    pub fn unpack<'a>(
        &mut self,
        chunk: &Chunk,
        packed: &[u8],
        out: &'a mut [u8],
    ) -> Result<&'a [u8], Refused> {
        chunk.check_packed(packed)?;
        let expected = chunk.piece.length;
        let part = Part::Chunk(chunk.number);
        let room = usize::try_from(expected).ok();
        let out = room
            .and_then(|room| out.get_mut(..room))
            .ok_or(Refused::DoesNotUnpack { part, expected })?;
        let whole = match chunk.entry.packing {
            Packing::Stored if packed.len() == out.len() => {
                out.copy_from_slice(packed);
                true
            }
            Packing::Stored => false,
            Packing::Zstd => {
                let written = self.zstd.decompress_to_buffer(packed, &mut *out);
                written.is_ok_and(|written| written == out.len())
            }
        };
        let checked = if whole {
            chunk.check_content(out)
        } else {
            Err(Refused::DoesNotUnpack { part, expected })
        };
        if let Err(refused) = checked {
            out.fill(0);
            return Err(refused);
        }
        Ok(out)
    }
}
