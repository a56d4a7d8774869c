//! The content of a slot against its index: every byte read from the device, on
//! every core.

use crate::error::{Error, Exit, Result};
use crate::medium::Aligned;
use crate::progress::{Phase, Progress};
use bootshim::medium::Medium;
use images::PIECE_MAX;
use images::index::{Index, Piece};
use images::manifest::{Kind, Manifest, Payload};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Builder, Scope};

/// Most threads that work on one slot: each has buffers of its own, and all of
/// them together must stay within 32 MiB.
const THREADS_MAX: usize = 8;
/// The same as a number of bytes of a buffer.
const PIECE_BYTES: usize = 1 << 20;
const _: () = assert!(PIECE_MAX == 1 << 20, "buffers hold one piece");

/// How many threads work on a slot.
pub(crate) fn threads() -> usize {
    std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(THREADS_MAX)
}

/// Starts a worker. That the system gives no thread is a failure like any other.
pub(crate) fn spawn<'scope>(
    scope: &'scope Scope<'scope, '_>,
    failed: &FirstError,
    work: impl FnOnce() + Send + 'scope,
) {
    if let Err(error) = Builder::new().spawn_scoped(scope, work) {
        failed.set(Error::io("starting a thread", &error));
    }
}

/// A buffer for one piece.
pub(crate) fn piece_buffer() -> Aligned {
    Aligned::new(PIECE_BYTES)
}

/// The length of a piece in memory.
pub(crate) fn length(piece: &Piece) -> usize {
    // A piece has at most 1 MiB, which every address space holds.
    usize::try_from(piece.length)
        .unwrap_or(PIECE_BYTES)
        .min(PIECE_BYTES)
}

/// The first failure of several threads; it stops them all.
#[derive(Debug, Default)]
pub(crate) struct FirstError(Mutex<Option<Error>>);

impl FirstError {
    /// Whether somebody failed.
    pub(crate) fn is_set(&self) -> bool {
        self.0.lock().map_or(true, |held| held.is_some())
    }

    /// Notes a failure, unless there was one before.
    pub(crate) fn set(&self, error: Error) {
        if let Ok(mut held) = self.0.lock() {
            held.get_or_insert(error);
        }
    }

    /// The failure, where there was one.
    pub(crate) fn take(self) -> Result<()> {
        match self.0.into_inner() {
            Ok(Some(error)) => Err(error),
            Ok(None) => Ok(()),
            Err(_) => Err(Error::new(
                Exit::Unexpected,
                "internal",
                "a worker thread died",
            )),
        }
    }
}

/// Reads every piece from the device and compares it with the index.
///
/// # Errors
/// The first piece that cannot be read or is not what the index says.
pub fn check<M: Medium + Sync>(
    slot: &M,
    index: &Index,
    phase: Phase,
    progress: &dyn Progress,
) -> Result<()> {
    let pieces = index.pieces();
    progress.begin(
        phase,
        pieces.iter().map(|piece| u64::from(piece.length)).sum(),
    );
    let next = AtomicUsize::new(0);
    let failed = FirstError::default();
    std::thread::scope(|scope| {
        for _ in 0..threads() {
            spawn(scope, &failed, || {
                let mut buffer = piece_buffer();
                while !failed.is_set() {
                    let turn = next.fetch_add(1, Ordering::Relaxed);
                    let Some(piece) = pieces.get(turn) else { break };
                    match check_piece(slot, piece, buffer.get(length(piece))) {
                        Ok(()) => progress.advance(u64::from(piece.length)),
                        Err(error) => failed.set(error),
                    }
                }
            });
        }
    });
    progress.end();
    failed.take()
}

fn check_piece<M: Medium>(slot: &M, piece: &Piece, buffer: &mut [u8]) -> Result<()> {
    slot.read_at(piece.offset, buffer)
        .map_err(|fault| Error::fault("reading the slot", fault))?;
    if piece.is(buffer) {
        return Ok(());
    }
    let found = format!(
        "{} bytes at {} are not what the image says",
        piece.length, piece.offset
    );
    Err(Error::new(Exit::NotAuthentic, "not-intact", found))
}

/// Hashes the payloads that bootshim will read, as it will read them.
///
/// # Errors
/// One that cannot be read or is not what the manifest says.
pub fn check_boot_payloads<M: Medium>(slot: &M, manifest: &Manifest) -> Result<()> {
    let boots = |kind| matches!(kind, Kind::Kernel | Kind::Initrd | Kind::Uki);
    let mut buffer = piece_buffer();
    for payload in manifest
        .payloads
        .iter()
        .filter(|payload| boots(payload.kind))
    {
        if hash(slot, payload, &mut buffer)? != payload.hash {
            let found = format!(
                "the {} at {} is not what the manifest says",
                payload.kind, payload.offset
            );
            return Err(Error::new(Exit::NotAuthentic, "not-intact", found));
        }
    }
    Ok(())
}

fn hash<M: Medium>(slot: &M, payload: &Payload, buffer: &mut Aligned) -> Result<images::Digest> {
    let mut hasher = blake3::Hasher::new();
    let mut done = 0u64;
    while let Some(left) = payload.length.checked_sub(done).filter(|left| *left > 0) {
        let room = buffer.get(usize::try_from(left).unwrap_or(PIECE_BYTES));
        slot.read_at(payload.offset.saturating_add(done), room)
            .map_err(|fault| Error::fault("reading the slot", fault))?;
        hasher.update(room);
        done = done.saturating_add(u64::try_from(room.len()).unwrap_or(left));
    }
    Ok(*hasher.finalize().as_bytes())
}
