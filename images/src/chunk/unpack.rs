//! Unpacking: check, decompress or patch, check again.

use std::convert::Infallible;
use std::io;
use std::vec;
use std::vec::Vec;

use zstd::zstd_safe::{self, DCtx};

use super::{Chunk, continued};
use crate::patch::{self, Patch};
use crate::table::Packing;
use crate::{Part, Refused};

/// What a patch is made of: the content of the base, and behind it, as one run
/// of bytes, the image's own content before the limit in its table.
pub trait Ground {
    /// Why it cannot be read.
    type Error;

    /// How long it is, in bytes.
    fn len(&self) -> u64;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buffer` from `at`; both are whole blocks of 4096 bytes. Nothing is
    /// promised about the bytes: what is made of them is checked.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read(&mut self, at: u64, buffer: &mut [u8]) -> Result<(), Self::Error>;
}

/// No ground: for images without patches.
#[derive(Debug, Clone, Copy)]
pub struct NoGround;

impl Ground for NoGround {
    type Error = Infallible;
    fn len(&self) -> u64 {
        0
    }
    fn read(&mut self, _: u64, _: &mut [u8]) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Why a chunk gave no content.
#[derive(Debug, PartialEq, Eq)]
pub enum UnpackError<E> {
    /// It is not what was signed.
    Refused(Refused),
    /// What it is a patch against cannot be read.
    Ground(E),
    /// What it is a patch against is not what it was when the patch was made:
    /// the patch itself is as it was signed, the content is not.
    GroundDiffers(Refused),
}

impl<E> From<Refused> for UnpackError<E> {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// Unpacks chunks. Holds the memory for it: have one per thread.
pub struct Unpacker {
    zstd: DCtx<'static>,
    arena: patch::Arena,
    streams: [Vec<u8>; 3],
}

impl Unpacker {
    /// A new one.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn new() -> io::Result<Self> {
        let zstd = DCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self {
            zstd,
            arena: patch::Arena::default(),
            streams: [const { Vec::new() }; 3],
        })
    }

    /// Puts the content of a chunk into `group`, the content of its group, at
    /// `at`; what is before that is there already. The packed bytes are checked
    /// before the decompressor sees them, the content before the caller does.
    ///
    /// # Errors
    /// [`UnpackError`], and `group` holds nothing of the chunk; also if `group`
    /// is too short.
    pub fn unpack<G: Ground>(
        &mut self,
        chunk: &Chunk<'_>,
        packed: &[u8],
        group: &mut [u8],
        at: usize,
        ground: &mut G,
    ) -> Result<(), UnpackError<G::Error>> {
        chunk.check_packed(packed)?;
        let wrong = does_not_unpack(chunk);
        let (before, room) = group.split_at_mut_checked(at).ok_or(wrong.clone())?;
        let length = usize::try_from(chunk.content_len()).ok();
        let content = length
            .and_then(|length| room.get_mut(..length))
            .ok_or(wrong)?;
        let made = self.make(chunk, packed, before, content, ground);
        let checked = made.and_then(|()| {
            chunk
                .check_content(content)
                .map_err(|refused| match chunk.entry.packing {
                    Packing::Patch => UnpackError::GroundDiffers(refused),
                    _ => UnpackError::Refused(refused),
                })
        });
        if checked.is_err() {
            content.fill(0);
        }
        checked
    }

    /// Checks what can be known of a chunk without the ground of `ground_len` bytes and
    /// the rest of its group: its packed bytes, how they are packed, and the content of
    /// one that is made of nothing else.
    ///
    /// # Errors
    /// [`Refused`] with the first thing that is wrong.
    pub fn examine(
        &mut self,
        chunk: &Chunk<'_>,
        packed: &[u8],
        ground_len: u64,
    ) -> Result<(), Refused> {
        let alone = |unpacked| match unpacked {
            Ok(()) => Ok(()),
            Err(UnpackError::Refused(refused) | UnpackError::GroundDiffers(refused)) => {
                Err(refused)
            }
            Err(UnpackError::Ground(never)) => match never {},
        };
        // At most 1 MiB.
        let length = usize::try_from(chunk.content_len()).unwrap_or(0);
        match chunk.entry.packing {
            Packing::Stored | Packing::Zstd => {
                let mut content = vec![0; length];
                alone(self.unpack(chunk, packed, &mut content, 0, &mut NoGround))
            }
            Packing::Continued => {
                chunk.check_packed(packed)?;
                let plain = is_plain_frame(packed);
                plain.then_some(()).ok_or_else(|| does_not_unpack(chunk))
            }
            Packing::Patch => {
                chunk.check_packed(packed)?;
                self.plan(chunk, packed, length, ground_len).map(drop)
            }
        }
    }

    fn make<G: Ground>(
        &mut self,
        chunk: &Chunk<'_>,
        packed: &[u8],
        before: &[u8],
        content: &mut [u8],
        ground: &mut G,
    ) -> Result<(), UnpackError<G::Error>> {
        let whole = match chunk.entry.packing {
            Packing::Stored if packed.len() == content.len() => {
                content.copy_from_slice(packed);
                true
            }
            Packing::Stored => false,
            Packing::Zstd => frame(&mut self.zstd, packed, &[], content),
            Packing::Continued => frame(&mut self.zstd, packed, continued(before), content),
            Packing::Patch => return self.patch(chunk, packed, content, ground),
        };
        if whole {
            Ok(())
        } else {
            Err(does_not_unpack(chunk).into())
        }
    }

    fn patch<G: Ground>(
        &mut self,
        chunk: &Chunk<'_>,
        packed: &[u8],
        content: &mut [u8],
        ground: &mut G,
    ) -> Result<(), UnpackError<G::Error>> {
        let plan = self.plan(chunk, packed, content.len(), ground.len())?;
        self.arena
            .fill(&plan, |at, buffer| ground.read(at, buffer))
            .map_err(UnpackError::Ground)?;
        let [_, differences, literals] = &self.streams;
        plan.apply(&self.arena, differences, literals, content)
            .map_err(|malformed| malformed.of(Part::Chunk(chunk.number)))?;
        Ok(())
    }

    /// Unpacks the streams of a patch, and says what of the ground it needs.
    fn plan(
        &mut self,
        chunk: &Chunk<'_>,
        packed: &[u8],
        content_len: usize,
        ground_len: u64,
    ) -> Result<patch::Plan, Refused> {
        let malformed = |malformed: crate::Malformed| malformed.of(Part::Chunk(chunk.number));
        let patch = Patch::parse(packed, content_len).map_err(malformed)?;
        for (stream, frame_of) in self.streams.iter_mut().zip(&patch.streams) {
            // Bounded by the length of the content, which was checked.
            stream.resize(frame_of.length, 0);
            if frame_of.length > 0 && !frame(&mut self.zstd, frame_of.packed, &[], stream) {
                return Err(does_not_unpack(chunk));
            }
        }
        let [instructions, ..] = &self.streams;
        patch::plan(instructions, content_len, ground_len).map_err(malformed)
    }
}

fn does_not_unpack(chunk: &Chunk<'_>) -> Refused {
    Refused::DoesNotUnpack {
        part: Part::Chunk(chunk.number),
        expected: u32::try_from(chunk.content_len()).unwrap_or(u32::MAX),
    }
}

/// Whether `packed` is one zstd frame that gives just `out`, going on from
/// `prefix`.
fn frame(zstd: &mut DCtx<'static>, packed: &[u8], prefix: &[u8], out: &mut [u8]) -> bool {
    if !is_plain_frame(packed) || is_dictionary(prefix) {
        return false;
    }
    let length = out.len();
    let written = if prefix.is_empty() {
        zstd.decompress(out, packed)
    } else {
        zstd.decompress_using_dict(out, packed, prefix)
    };
    written.is_ok_and(|written| written == length)
}

/// Whether this is exactly one frame, and one that says of itself what every reader
/// has to know beforehand and nothing else (RFC 8878, section 3.1.1): the size of its
/// content, a window that every decoder takes, no dictionary, no checksum. libzstd
/// would go over frames that are skippable or empty, and over any number of them.
fn is_plain_frame(packed: &[u8]) -> bool {
    let Some([0x28, 0xb5, 0x2f, 0xfd, descriptor, window]) = packed.first_chunk() else {
        return false;
    };
    let says_size = descriptor & SIZE_FLAG != 0 || descriptor & SINGLE_SEGMENT != 0;
    let small_window = descriptor & SINGLE_SEGMENT != 0 || *window <= WINDOW_MAX;
    let says_more = descriptor & SAYS_MORE != 0;
    let length = zstd_safe::find_frame_compressed_size(packed);
    says_size && small_window && !says_more && length == Ok(packed.len())
}

/// Bits of `Frame_Header_Descriptor`: how the content's size is written; that the
/// content is the window; and that there is a checksum, or the number of a
/// dictionary, or what is reserved.
const SIZE_FLAG: u8 = 0b1100_0000;
const SINGLE_SEGMENT: u8 = 0b0010_0000;
const SAYS_MORE: u8 = 0b0001_1111;

/// `Window_Descriptor` of 8 MiB, which every decoder is to take.
const WINDOW_MAX: u8 = 13 << 3;

/// What begins so is no plain content to zstd (RFC 8878, section 5): a chunk
/// never continues it.
pub(crate) fn is_dictionary(prefix: &[u8]) -> bool {
    prefix.starts_with(&[0x37, 0xa4, 0x30, 0xec])
}
