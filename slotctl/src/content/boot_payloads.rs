//! The payloads that bootshim will read, hashed as it will hash them, of what is
//! read of the slot anyway.

use super::{Piece, differs_from_manifest};
use crate::error::Result;
use images::manifest::{Kind, Manifest, Payload};
use std::sync::{Condvar, Mutex, MutexGuard};

/// A hash goes from front to back and threads do not: each waits for its turn
/// with the groups that it has read.
pub(super) struct BootPayloads<'a> {
    turn: Mutex<Turn<'a>>,
    turned: Condvar,
}

struct Turn<'a> {
    /// The first piece of the group whose turn it is; `None` when a thread failed
    /// and no turn comes any more.
    next: Option<usize>,
    hashes: Vec<(&'a Payload, blake3::Hasher)>,
}

impl<'a> BootPayloads<'a> {
    pub(super) fn of(manifest: &'a Manifest) -> Self {
        let boots = |kind| {
            matches!(
                kind,
                Kind::Kernel | Kind::Initrd | Kind::Uki | Kind::Bootshim
            )
        };
        let payloads = manifest.payloads.iter();
        let hashes = payloads
            .filter(|payload| boots(payload.kind))
            .map(|payload| (payload, blake3::Hasher::new()))
            .collect();
        Self {
            turn: Mutex::new(Turn {
                next: Some(0),
                hashes,
            }),
            turned: Condvar::new(),
        }
    }

    /// Takes in a group of which `first` is the first piece, after all that come
    /// before it.
    pub(super) fn add(&self, first: usize, pieces: &[Piece], content: &[u8]) {
        let Some(mut turn) = self.wait_for(first) else {
            return;
        };
        let start = pieces.first().map_or(0, |piece| piece.offset);
        for (payload, hasher) in &mut turn.hashes {
            hasher.update(part(payload, start, content));
        }
        turn.next = Some(first.saturating_add(pieces.len()));
        self.turned.notify_all();
    }

    fn wait_for(&self, first: usize) -> Option<MutexGuard<'_, Turn<'a>>> {
        let mut turn = self.turn.lock().ok()?;
        while turn.next? != first {
            turn = self.turned.wait(turn).ok()?;
        }
        Some(turn)
    }

    /// A thread failed: nobody waits for it.
    pub(super) fn give_up(&self) {
        if let Ok(mut turn) = self.turn.lock() {
            turn.next = None;
        }
        self.turned.notify_all();
    }

    /// Whether all of them are what the manifest says.
    pub(super) fn check(self) -> Result<()> {
        let turn = self.turn.into_inner();
        let hashes = turn.map_or_else(|broken| broken.into_inner().hashes, |turn| turn.hashes);
        let wrong = |(payload, hasher): &&(&Payload, blake3::Hasher)| {
            *hasher.finalize().as_bytes() != payload.hash
        };
        match hashes.iter().find(wrong) {
            Some((payload, _)) => Err(differs_from_manifest(payload)),
            None => Ok(()),
        }
    }
}

/// The part of the content at `start` in a slot that belongs to a payload.
fn part<'a>(payload: &Payload, start: u64, content: &'a [u8]) -> &'a [u8] {
    let inside = |at: u64| {
        let skipped = at.saturating_sub(start);
        usize::try_from(skipped)
            .unwrap_or(usize::MAX)
            .min(content.len())
    };
    let end = payload.offset.saturating_add(payload.length);
    content
        .get(inside(payload.offset)..inside(end))
        .unwrap_or_default()
}
