//! The content of a slot against its index: every byte read from the device, on
//! every core.

mod in_order;

use crate::code::Code;
use crate::error::{Error, Result};
use crate::medium::Aligned;
use crate::progress::{Phase, Progress};
use bootshim::medium::Medium;
use images::index::{self, Index, Piece};
use images::manifest::Manifest;
use images::{PIECE_MAX, Refused};
use in_order::InOrder;
use std::sync::Mutex;
use std::thread::{Builder, Scope};

/// Most threads that work on one slot: each has up to 4 MiB of its own (content,
/// and what a patch is made of), and all together must stay within 32 MiB.
const THREADS_MAX: usize = 6;
/// The same as a number of bytes of a buffer.
const PIECE_BYTES: usize = 1 << 20;
const _: () = assert!(PIECE_MAX == 1 << 20, "buffers hold one piece");

/// How many threads wait for the device while all cores are busy.
const WAITING: usize = 1;

/// How many threads work on a slot.
pub fn threads() -> usize {
    std::thread::available_parallelism()
        .map_or(1, usize::from)
        .saturating_add(WAITING)
        .min(THREADS_MAX)
}

/// Starts workers, as many as are useful or as the system gives; how many there are.
/// Where there are none, the caller does the work: what a limit of threads stops
/// half-way would have cost a slot for nothing.
pub fn spawn<'scope>(scope: &'scope Scope<'scope, '_>, work: &'scope (impl Fn() + Sync)) -> usize {
    let start = |_: &usize| Builder::new().spawn_scoped(scope, work).is_ok();
    (0..threads()).take_while(start).count()
}

/// A buffer for one piece.
pub fn piece_buffer() -> Aligned {
    Aligned::new(PIECE_BYTES)
}

/// The length of a piece in memory.
pub fn length(piece: &Piece) -> usize {
    // A piece has at most 1 MiB, which every address space holds.
    usize::try_from(piece.length)
        .unwrap_or(PIECE_BYTES)
        .min(PIECE_BYTES)
}

/// The first failure of several threads; it stops them all.
#[derive(Debug, Default)]
pub struct FirstError(Mutex<Option<Error>>);

impl FirstError {
    /// Whether somebody failed.
    pub fn is_set(&self) -> bool {
        self.0.lock().map_or(true, |held| held.is_some())
    }

    /// Notes a failure, unless there was one before.
    pub fn set(&self, error: Error) {
        if let Ok(mut held) = self.0.lock() {
            held.get_or_insert(error);
        }
    }

    /// The failure, where there was one.
    pub fn take(self) -> Result<()> {
        match self.0.into_inner() {
            Ok(Some(error)) => Err(error),
            Ok(None) => Ok(()),
            Err(_) => Err(Error::new(Code::Internal, "a worker thread died")),
        }
    }
}

/// Reads every piece from the device and compares it with the index. Where all of
/// them are right, the answer is whether the content is what the manifest says: what
/// bootshim will read, the tree through which Linux reads the root, and zeros between.
pub fn check<M: Medium + Sync>(
    slot: &M,
    index: &Index,
    manifest: &Manifest,
    phase: Phase,
    progress: &dyn Progress,
) -> Result<Result<(), Refused>> {
    let failed = FirstError::default();
    let in_order = InOrder::of(manifest);
    each_group(index, phase, progress, &failed, |first, pieces, buffer| {
        let read = read_group(slot, pieces, buffer);
        match read.and_then(|()| check_group(pieces, buffer)) {
            Ok(content) => in_order.add(first, pieces, content),
            Err(error) => {
                failed.set(error);
                in_order.give_up();
            }
        }
    });
    failed.take()?;
    Ok(in_order.finish())
}

/// The content of a group, if all of its pieces are right.
fn check_group<'a>(pieces: &[Piece], buffer: &'a mut Aligned) -> Result<&'a [u8]> {
    let content = &*buffer.get(pieces.iter().map(length).sum());
    let mut rest = content;
    for piece in pieces {
        let (own, behind) = rest.split_at_checked(length(piece)).unwrap_or_default();
        rest = behind;
        if !piece.is(own) {
            return Err(differs(piece));
        }
    }
    Ok(content)
}

/// Which pieces lie in a slot as the index says, of those that `may`. What
/// cannot be read does not.
pub fn matching<M: Medium + Sync>(
    slot: &M,
    index: &Index,
    may: impl Fn(usize) -> bool + Sync,
    progress: &dyn Progress,
) -> Result<Vec<bool>> {
    let failed = FirstError::default();
    let found = Mutex::new(vec![false; index.pieces().len()]);
    let phase = Phase::Comparing;
    each_group(index, phase, progress, &failed, |first, pieces, buffer| {
        let numbers = first..first.saturating_add(pieces.len());
        if !numbers.clone().any(&may) {
            return;
        }
        let whole = read_group(slot, pieces, buffer).is_ok();
        let mut at = 0_usize;
        for (number, piece) in numbers.zip(pieces) {
            let end = at.saturating_add(length(piece));
            let own = buffer.get(end).get_mut(at..).unwrap_or_default();
            at = end;
            // One sector that cannot be read does not cost its neighbours.
            let read = whole || slot.read_at(piece.offset, own).is_ok();
            if may(number)
                && read
                && piece.is(own)
                && let Ok(mut found) = found.lock()
                && let Some(found) = found.get_mut(number)
            {
                *found = true;
            }
        }
    });
    failed.take()?;
    Ok(found.into_inner().unwrap_or_default())
}

/// Hands out the groups of an index to all threads, each with a buffer for the
/// content of one: the number of its first piece, and its pieces.
fn each_group(
    index: &Index,
    phase: Phase,
    progress: &dyn Progress,
    failed: &FirstError,
    work: impl Fn(usize, &[Piece], &mut Aligned) + Sync,
) {
    let pieces = index.pieces();
    let total = pieces.iter().map(|piece| u64::from(piece.length)).sum();
    progress.begin(phase, total);
    let next = Mutex::new(0_usize);
    let take = || {
        let mut next = next.lock().ok()?;
        let first = *next;
        *next = index::group_end(pieces, first);
        let own = pieces.get(first..*next).filter(|own| !own.is_empty())?;
        Some((first, own))
    };
    let all = || {
        let mut buffer = piece_buffer();
        while !failed.is_set()
            && let Some((first, pieces)) = take()
        {
            work(first, pieces, &mut buffer);
            progress.advance(pieces.iter().map(|piece| u64::from(piece.length)).sum());
        }
    };
    std::thread::scope(|scope| {
        if spawn(scope, &all) == 0 {
            all();
        }
    });
    progress.end();
}

/// Reads the pieces of a group at once; where that fails, one by one, so that
/// the error names the piece.
fn read_group<M: Medium>(slot: &M, pieces: &[Piece], buffer: &mut Aligned) -> Result<()> {
    let length_of_all = pieces.iter().map(length).sum();
    let offset = pieces.first().map_or(0, |piece| piece.offset);
    if slot.read_at(offset, buffer.get(length_of_all)).is_ok() {
        return Ok(());
    }
    let mut at = 0_usize;
    for piece in pieces {
        let end = at.saturating_add(length(piece));
        let own = buffer.get(end).get_mut(at..).unwrap_or_default();
        slot.read_at(piece.offset, own)
            .map_err(|fault| Error::fault("reading the slot", fault))?;
        at = end;
    }
    Ok(())
}

fn differs(piece: &Piece) -> Error {
    let found = format!(
        "{} bytes at {} are not what the image says",
        piece.length, piece.offset
    );
    Error::new(Code::NotIntact, found)
}
