//! Verifying a whole image: signatures, index, every chunk, every payload.

use std::io::Read;
use std::vec;
use std::vec::Vec;

use crate::Part;
use crate::chunk::{Chunk, Unpacker};
use crate::head::Head;
use crate::key::PublicKey;
use crate::payload_hashes::PayloadHashes;
use crate::pipeline::{self, Pool};
use crate::read::{self, ReadError};

/// Reads an image to its end and checks every byte of it, on all cores, in at
/// most 32 MiB of buffers. `progress` gets the bytes of content that were
/// checked, and how many there are.
///
/// # Errors
/// [`ReadError`] with the first thing that is wrong, in the order of the file.
pub fn verify(
    mut reader: impl Read + Send,
    trusted: &[PublicKey],
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Head, ReadError> {
    let (header, rest) = read::head(&mut reader)?;
    let head = Head::open(&header, &rest, trusted)?;
    drop(rest);
    let total = head.manifest.content_len;
    let mut hashes = PayloadHashes::new(&head.manifest);
    let mut chunks = head.chunks().collect::<Vec<_>>().into_iter();
    let unpackers = Pool::new();
    pipeline::run(
        || {
            let next = chunks.next();
            next.map(|chunk| packed(&mut reader, chunk)).transpose()
        },
        |(chunk, packed)| {
            let content = unpackers.with(
                || Unpacker::new().map_err(ReadError::from),
                |unpacker| unpack(unpacker, &chunk, &packed),
            )?;
            Ok((chunk, content))
        },
        |(chunk, content)| {
            hashes.update(&content);
            progress(chunk.piece.offset + content.len() as u64, total);
            Ok(())
        },
    )?;
    hashes.finish()?;
    read::end(&mut reader, &header)?;
    Ok(head)
}

fn packed(reader: &mut impl Read, chunk: Chunk) -> Result<(Chunk, Vec<u8>), ReadError> {
    let mut packed = buffer(chunk.entry.length);
    read::whole(reader, &mut packed, Part::Chunk(chunk.number))?;
    Ok((chunk, packed))
}

fn unpack(unpacker: &mut Unpacker, chunk: &Chunk, packed: &[u8]) -> Result<Vec<u8>, ReadError> {
    let mut content = buffer(chunk.piece.length);
    unpacker.unpack(chunk, packed, &mut content)?;
    Ok(content)
}

/// Lengths of pieces and chunks are at most 1 MiB.
fn buffer(length: u32) -> Vec<u8> {
    vec![0; usize::try_from(length).unwrap_or(0)]
}
