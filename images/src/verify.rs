//! Verifying a whole image: signatures, index, every chunk, every payload.

use std::io::Read;
use std::vec;
use std::vec::Vec;

use crate::Part;
use crate::head::Head;
use crate::payload_hashes::PayloadHashes;
use crate::read::{self, ReadError};
use crate::trust::Trust;
use crate::unpack::{Spool, unpack};
use crate::verity;

/// Reads an image to its end and checks every byte of it, on all cores, in at
/// most 32 MiB of buffers, and 16 MiB more for each GiB of a root with a verity
/// tree: its hashes and the tree, which is made again and compared. Of a delta the
/// packed chunks are checked, since what comes out of them is made of a content
/// that only a controller has. `progress` gets the bytes of content that were
/// checked, and how many there are.
///
/// # Errors
/// [`ReadError`] with the first thing that is wrong, in the order of the file.
pub fn verify(
    mut reader: impl Read + Send,
    trusted: &Trust,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Head, ReadError> {
    let (header, rest) = read::head(&mut reader)?;
    let head = Head::open(&header, &rest, trusted)?;
    drop(rest);
    if head.table.base().is_some() {
        packed_only(&mut reader, &head, progress)?;
    } else {
        content(&mut reader, &head, progress)?;
    }
    read::end(&mut reader, &header)?;
    Ok(head)
}

fn content(
    reader: impl Read + Send,
    head: &Head,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<(), ReadError> {
    let total = head.manifest.content_len;
    let mut hashes = PayloadHashes::new(&head.manifest);
    let spool = Spool::for_patches(head)?;
    let tree = verity::Check::of(&head.manifest);
    let mut leaves = Vec::new();
    let look = |at, content: &[u8]| tree.as_ref().map(|tree| tree.leaves(at, content));
    unpack(reader, head, &spool, look, |unpacked| {
        leaves.extend(unpacked.seen.unwrap_or_default());
        hashes.update(&unpacked.content);
        progress(unpacked.group.offset() + unpacked.group.len() as u64, total);
        Ok::<_, ReadError>(())
    })?;
    hashes.finish()?;
    Ok(tree.map_or(Ok(()), |tree| tree.finish(&leaves))?)
}

fn packed_only(
    reader: &mut impl Read,
    head: &Head,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<(), ReadError> {
    let mut packed = vec![];
    for chunk in head.chunks() {
        packed.resize(usize::try_from(chunk.entry.length).unwrap_or(0), 0);
        read::whole(reader, &mut packed, Part::Chunk(chunk.number))?;
        chunk.check_packed(&packed)?;
        let end = chunk.offset() + chunk.content_len();
        progress(end, head.manifest.content_len);
    }
    Ok(())
}
