//! Verifying a whole image: signatures, index, every chunk, every payload.

use std::io::Read;
use std::vec;

use crate::Part;
use crate::chunk::Unpacker;
use crate::content::{Check, RootBlocks};
use crate::head::Head;
use crate::read::{self, ReadError};
use crate::trust::Trust;
use crate::unpack::{Spool, unpack};

/// Reads an image to its end and checks every byte of it, on all cores, in at
/// most 32 MiB of buffers. Of a delta that is checked of each chunk which can be known
/// without the content that only a controller has. `progress` gets the bytes of content that were
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
    let mut check = Check::new(&head.manifest, |_| true);
    let blocks = RootBlocks::of(&head.manifest);
    let spool = Spool::for_patches(head)?;
    let look = |at, content: &[u8]| blocks.hashes(at, content);
    unpack(reader, head, &spool, look, |unpacked| {
        check.update(&unpacked.content, &unpacked.seen);
        progress(unpacked.group.offset() + unpacked.group.len() as u64, total);
        Ok::<_, ReadError>(())
    })?;
    Ok(check.finish()?)
}

fn packed_only(
    reader: &mut impl Read,
    head: &Head,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<(), ReadError> {
    let table = &head.table;
    let base_len = table.base().map_or(0, |base| base.content_len);
    let mut unpacker = Unpacker::new()?;
    let mut packed = vec![];
    for chunk in head.chunks() {
        packed.resize(usize::try_from(chunk.entry.length).unwrap_or(0), 0);
        read::whole(reader, &mut packed, Part::Chunk(chunk.number))?;
        let own = Some(table.self_limit()).filter(|limit| chunk.offset() >= *limit);
        let ground_len = base_len.saturating_add(own.unwrap_or(0));
        unpacker.examine(&chunk, &packed, ground_len)?;
        let end = chunk.offset() + chunk.content_len();
        progress(end, head.manifest.content_len);
    }
    Ok(())
}
