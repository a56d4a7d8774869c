//! Threads read pieces in any order; some checks need them from front to back, and get
//! them so here.

use super::Piece;
use images::Refused;
use images::content::{Check, RootBlocks};
use images::manifest::{Kind, Manifest};
use std::sync::{Condvar, Mutex, MutexGuard};

/// A check goes from front to back and threads do not: each waits for its turn with
/// the groups that it has read.
pub(super) struct InOrder {
    turn: Mutex<Turn>,
    turned: Condvar,
    blocks: RootBlocks,
}

struct Turn {
    /// The first piece of the group whose turn it is; `None` when a thread failed
    /// and no turn comes any more.
    next: Option<usize>,
    check: Check,
}

impl InOrder {
    /// Hashes the payloads that bootshim will read as it will hash them; a root is
    /// read through its tree, which is held against it.
    pub(super) fn of(manifest: &Manifest) -> Self {
        let boots = |kind| {
            matches!(
                kind,
                Kind::Kernel | Kind::Initrd | Kind::Uki | Kind::Bootshim
            )
        };
        Self {
            turn: Mutex::new(Turn {
                next: Some(0),
                check: Check::new(manifest, boots),
            }),
            turned: Condvar::new(),
            blocks: RootBlocks::of(manifest),
        }
    }

    /// Takes in a group of which `first` is the first piece, after all that come
    /// before it.
    pub(super) fn add(&self, first: usize, pieces: &[Piece], content: &[u8]) {
        let start = pieces.first().map_or(0, |piece| piece.offset);
        let hashes = self.blocks.hashes(start, content);
        let Some(mut turn) = self.wait_for(first) else {
            return;
        };
        turn.check.update(content, &hashes);
        turn.next = Some(first.saturating_add(pieces.len()));
        self.turned.notify_all();
    }

    fn wait_for(&self, first: usize) -> Option<MutexGuard<'_, Turn>> {
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

    /// Whether all of it is as the manifest says.
    pub(super) fn finish(self) -> Result<(), Refused> {
        let turn = self.turn.into_inner();
        let turn = turn.unwrap_or_else(std::sync::PoisonError::into_inner);
        turn.check.finish()
    }
}
