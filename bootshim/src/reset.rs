//! What a reset by the watchdog means for a good slot.
//!
//! A trial has its tries: when the watchdog ends it, a try is gone. A good slot
//! starts without a write, so that a machine whose good slot hangs, panics or is
//! damaged would start it for ever. Here its resets are counted, as long as they
//! follow one another, and the third in a row leaves it for the next good slot.
//!
//! Whose start was ended is read off the record alone. Where that is not certain
//! nothing is counted: a reset too few costs one more, a reset too many would
//! take a slot from production that works.

use crate::record::{Record, SlotId, State};
use crate::state;

/// So many starts in a row that the watchdog ended leave a good slot for the next
/// one.
pub const IN_A_ROW: u8 = 3;

/// What led to a start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The hardware does not say.
    #[default]
    Unknown,
    /// Anything but the watchdog.
    Other,
    /// The watchdog was not petted.
    Watchdog,
}

impl Cause {
    /// The word for it, for programs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Cause::Unknown => "unknown",
            Cause::Other => "other",
            Cause::Watchdog => "watchdog",
        }
    }
}

/// What the cause of a reset means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing.
    Nothing,
    /// The watchdog ended a start that has tries of its own, or that cannot be
    /// told from one.
    NotCounted,
    /// It ended so many starts of this good slot in a row.
    Counted(SlotId, u8),
    /// It ended the last of them: the slot is left for the next good one.
    Left(SlotId),
}

/// The record after a start with this cause; the same one where there is nothing
/// to be written down.
#[must_use]
pub fn heed(record: &Record, cause: Cause) -> (Record, Meaning) {
    let mut next = record.clone();
    if cause != Cause::Watchdog {
        next.set_watchdog_resets(None);
        return (next, Meaning::Nothing);
    }
    let Some(slot) = ended(record) else {
        next.set_watchdog_resets(None);
        // A one-shot or last resort is over. While it stays armed, the starts of
        // a good slot that come after it cannot be told from it.
        next.armed = record
            .armed
            .filter(|armed| record.slot(armed.slot).state == State::Trying);
        return (next, Meaning::NotCounted);
    };
    let before = match record.watchdog_resets() {
        Some((of, resets)) if of == slot => resets,
        _ => 0,
    };
    let resets = before.saturating_add(1).min(IN_A_ROW);
    let others = record.good().into_iter().any(|good| good != slot);
    if resets == IN_A_ROW && others {
        return (state::leave(record, slot), Meaning::Left(slot));
    }
    next.set_watchdog_resets(Some((slot, resets)));
    (next, Meaning::Counted(slot, resets))
}

/// The good slot whose start has ended: the first of them, unless another start
/// was armed last. The trial goes before the good slots as long as it is one, so
/// that once it was started, no good slot was after it.
fn ended(record: &Record) -> Option<SlotId> {
    let on_trial =
        |slot: SlotId| record.last_booted == Some(slot) && record.slot(slot).attempts > 0;
    if record.armed.is_some() || record.trial().is_some_and(on_trial) {
        return None;
    }
    record.known_good()
}

#[cfg(test)]
mod tests;
