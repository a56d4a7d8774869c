//! From the source into the slot: reading, checking, decompressing, checking
//! again and writing, at the same time and on all cores.
//!
//! Memory is bounded by what circulates: [`QUEUE`] packed chunks and one piece
//! per thread, each at most 1 MiB.

use super::target::Writing;
use crate::content::{self, FirstError};
use crate::error::{Error, Result};
use crate::progress::{Phase, Progress};
use crate::source::Source;
use bootshim::medium::Medium;
use images::Part;
use images::chunk::{Chunk, Unpacker};
use images::head::Head;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Packed chunks that are read ahead of the workers.
const QUEUE: usize = 8;

type Packed = (Chunk, Vec<u8>);

/// Copies the payload into the slot. Not one byte reaches the slot that was not
/// checked before.
///
/// # Errors
/// The first of: a failing source, a chunk that is not what was signed, a
/// failing device. The slot is then half written, and `writing`.
pub(super) fn copy<M: Medium + Sync>(
    source: &mut Source,
    head: &Head,
    target: &Writing<M>,
    progress: &dyn Progress,
) -> Result<()> {
    progress.begin(Phase::Writing, head.manifest.content_len);
    let failed = FirstError::default();
    let (to_workers, chunks) = sync_channel::<Packed>(QUEUE);
    let (to_reader, emptied) = sync_channel::<Vec<u8>>(QUEUE.saturating_mul(2));
    let chunks = Mutex::new(chunks);
    std::thread::scope(|scope| {
        for _ in 0..content::threads() {
            let (chunks, to_reader, failed) = (&chunks, to_reader.clone(), &failed);
            content::spawn(scope, failed, move || {
                work(chunks, &to_reader, target, failed, progress);
            });
        }
        if let Err(error) = read(source, head, &to_workers, &emptied, &failed) {
            failed.set(error);
        }
        // The workers end when nothing more can come.
        drop(to_workers);
    });
    progress.end();
    failed.take()
}

fn read(
    source: &mut Source,
    head: &Head,
    to_workers: &SyncSender<Packed>,
    emptied: &Receiver<Vec<u8>>,
    failed: &FirstError,
) -> Result<()> {
    source.want(head.chunks().map(|chunk| place(head, &chunk)).collect())?;
    for chunk in head.chunks() {
        if failed.is_set() {
            return Ok(());
        }
        let mut packed = emptied.try_recv().unwrap_or_default();
        let length = usize::try_from(chunk.entry.length).unwrap_or(usize::MAX);
        packed.resize(length.min(content::length(&chunk.piece)), 0);
        source.fill(&mut packed, Part::Chunk(chunk.number))?;
        if to_workers.send((chunk, packed)).is_err() {
            return Ok(());
        }
    }
    source.end(&head.header)
}

/// Where a chunk lies in the file.
fn place(head: &Head, chunk: &Chunk) -> Range<u64> {
    let payload = head.header.payload_offset();
    let start = payload.saturating_add(chunk.entry.offset);
    start..start.saturating_add(u64::from(chunk.entry.length))
}

fn work<M: Medium + Sync>(
    chunks: &Mutex<Receiver<Packed>>,
    to_reader: &SyncSender<Vec<u8>>,
    target: &Writing<M>,
    failed: &FirstError,
    progress: &dyn Progress,
) {
    let mut unpacker = Unpacker::new()
        .inspect_err(|error| failed.set(Error::io("preparing to decompress", error)))
        .ok();
    let mut piece = content::piece_buffer();
    loop {
        let next = chunks.lock().ok().and_then(|queue| queue.recv().ok());
        let Some((chunk, packed)) = next else { return };
        // After a failure the queue is only drained, so that the reader never
        // waits for room.
        let Some(unpacker) = unpacker.as_mut().filter(|_| !failed.is_set()) else {
            continue;
        };
        let room = piece.get(content::length(&chunk.piece));
        let written = unpacker
            .unpack(&chunk, &packed, room)
            .map_err(Error::from)
            .and_then(|content| target.write(&chunk.piece, content));
        match written {
            Ok(()) => progress.advance(u64::from(chunk.piece.length)),
            Err(error) => failed.set(error),
        }
        // A full return queue only means that the buffer is not needed again.
        let _ = to_reader.try_send(packed);
    }
}
