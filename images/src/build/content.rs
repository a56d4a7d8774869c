//! The content: read once, cut into pieces, compressed on all cores, hashed.

use std::io::Read;
use std::vec;
use std::vec::Vec;

use super::BuildError;
use super::layout::{Layout, Placed};
use super::output::Output;
use crate::bytes::round_up;
use crate::pipeline::{self, Pool};
use crate::read::fill;
use crate::table::Packing;
use crate::{Digest, PIECE_MAX, digest, index, table};

/// A good part of what higher levels save, at a speed that keeps up with a disk.
const ZSTD_LEVEL: i32 = 3;

/// What packing the content gave.
pub(super) struct Packed {
    pub(super) index: Vec<u8>,
    pub(super) table: Vec<u8>,
    /// One per input, in their order.
    pub(super) hashes: Vec<Digest>,
    /// Length of all packed chunks.
    pub(super) length: u64,
}

/// One chunk, ready to be written, and what index and table say of it.
struct Chunk {
    bytes: Vec<u8>,
    content_len: u32,
    index: [u8; index::ENTRY_LEN],
    table: [u8; table::ENTRY_LEN],
}

pub(super) fn pack(
    layout: &Layout,
    output: &mut Output<'_>,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Packed, BuildError> {
    let mut packed = Packed {
        index: Vec::new(),
        table: Vec::new(),
        hashes: Vec::new(),
        length: 0,
    };
    let mut hashes = Vec::new();
    let mut done = 0;
    let mut pieces = Pieces::new(&layout.inputs, &mut hashes);
    let compressors = Pool::new();
    pipeline::run(
        || pieces.next(),
        |content| {
            compressors.with(
                || zstd::bulk::Compressor::new(ZSTD_LEVEL).map_err(BuildError::Compress),
                |compressor| compress(compressor, content),
            )
        },
        |chunk| {
            output.write(&chunk.bytes)?;
            packed.index.extend(chunk.index);
            packed.table.extend(chunk.table);
            packed.length += chunk.bytes.len() as u64;
            done += u64::from(chunk.content_len);
            progress(done, layout.content_len);
            Ok(())
        },
    )?;
    packed.hashes = hashes;
    Ok(packed)
}

fn compress(
    compressor: &mut zstd::bulk::Compressor<'static>,
    content: Vec<u8>,
) -> Result<Chunk, BuildError> {
    let hash = digest(&content);
    let content_len = length(&content);
    let zstd = compressor
        .compress(&content)
        .map_err(BuildError::Compress)?;
    let (bytes, packing) = if zstd.len() < content.len() {
        (zstd, Packing::Zstd)
    } else {
        (content, Packing::Stored)
    };
    Ok(Chunk {
        index: index::encode_entry(content_len, &hash),
        table: table::encode_entry(packing, length(&bytes), &digest(&bytes)),
        content_len,
        bytes,
    })
}

/// Pieces and chunks are at most 1 MiB.
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// The content of the slot, piece by piece; the hash of each input when it ends.
struct Pieces<'a> {
    inputs: std::slice::Iter<'a, Placed>,
    current: Option<Current<'a>>,
    hashes: &'a mut Vec<Digest>,
}

/// The input that is being read.
struct Current<'a> {
    input: &'a Placed,
    hasher: blake3::Hasher,
    left: u64,
}

impl<'a> Pieces<'a> {
    fn new(inputs: &'a [Placed], hashes: &'a mut Vec<Digest>) -> Self {
        Self {
            inputs: inputs.iter(),
            current: None,
            hashes,
        }
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>, BuildError> {
        let Some(mut current) = self.current.take().or_else(|| self.open()) else {
            return Ok(None);
        };
        let piece = current.read()?;
        if current.left > 0 {
            self.current = Some(current);
        } else {
            self.hashes.push(current.end()?);
        }
        Ok(Some(piece))
    }

    fn open(&mut self) -> Option<Current<'a>> {
        self.inputs.next().map(|input| Current {
            input,
            hasher: blake3::Hasher::new(),
            left: input.length,
        })
    }
}

impl Current<'_> {
    /// The next piece, with zeros up to the next multiple of 4096.
    fn read(&mut self) -> Result<Vec<u8>, BuildError> {
        let take = self.left.min(u64::from(PIECE_MAX));
        let padded = round_up(take).unwrap_or(take);
        // Both are at most 1 MiB.
        let length = usize::try_from(take).unwrap_or(0);
        let mut piece = vec![0; usize::try_from(padded).unwrap_or(0)];
        let path = &self.input.path;
        let content = piece.get_mut(..length).unwrap_or_default();
        let read = fill(&mut &self.input.file, content).map_err(BuildError::input(path))?;
        if read < length {
            return Err(BuildError::Changed(path.clone()));
        }
        self.hasher.update(content);
        self.left -= take;
        Ok(piece)
    }

    fn end(self) -> Result<Digest, BuildError> {
        let path = &self.input.path;
        let more = (&self.input.file).read(&mut [0]);
        if more.map_err(BuildError::input(path))? > 0 {
            return Err(BuildError::Changed(path.clone()));
        }
        Ok(*self.hasher.finalize().as_bytes())
    }
}
