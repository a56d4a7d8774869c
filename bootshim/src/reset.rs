//! What it means for a good slot that its last start has ended.
//!
//! A trial has its tries: however its start ends, a try is gone. A good slot needs
//! no write to start, so that a machine whose good slot hangs, panics, restarts or
//! is damaged would start it for ever. Here two rows are kept, each broken by what
//! it is not: the starts that the watchdog ended, whenever it did, and the starts of
//! which the system never said that it is up, however they ended. A row that is long
//! enough leaves the slot for the next good one.
//!
//! Whose start was ended is read off the record alone. Where that is not certain
//! nothing is counted: a start too few costs one more, a start too many would take a
//! slot from production that works.

use crate::record::{Reason, Record, SlotId, State};
use crate::state::{self, Next};
use core::fmt;

/// So many starts in a row that the watchdog ended, or that never came up and that no
/// loss of power ended, leave a good slot for the next one.
pub const IN_A_ROW: u8 = 3;

/// So many starts in a row that never came up leave it where the power may have
/// been what ended them: the mains dips, a technician is impatient.
pub const IN_A_ROW_UNKNOWN: u8 = 5;

/// What led to a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The hardware does not say.
    Unknown,
    /// Anything but the watchdog.
    Other,
    /// The watchdog was not petted.
    Watchdog,
    /// The power came back.
    PowerOn,
    /// The machine was restarted, and had power all the time.
    Restart,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Cause; 5] = [
        Cause::Unknown,
        Cause::Other,
        Cause::Watchdog,
        Cause::PowerOn,
        Cause::Restart,
    ];

    /// The word for it, for programs.
    pub fn word(self) -> &'static str {
        match self {
            Cause::Unknown => "unknown",
            Cause::Other => "other",
            Cause::Watchdog => "watchdog",
            Cause::PowerOn => "power-on",
            Cause::Restart => "restart",
        }
    }

    /// What is known besides where memory still holds what the last start left there.
    pub fn with_memory_kept(self) -> Cause {
        match self {
            Cause::Unknown | Cause::Other => Cause::Restart,
            Cause::Watchdog | Cause::PowerOn | Cause::Restart => self,
        }
    }

    /// How many starts that never came up leave a slot at a start with this cause.
    fn limit(self) -> u8 {
        match self {
            Cause::Watchdog | Cause::Restart => IN_A_ROW,
            Cause::Unknown | Cause::Other | Cause::PowerOn => IN_A_ROW_UNKNOWN,
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
    /// So many starts of this good slot in a row never came up.
    NeverUp(SlotId, u8),
    /// One row is long enough: the slot is left for the next good one, for this
    /// reason.
    Left(SlotId, Reason),
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Meaning::Nothing => f.write_str("nothing to be noted"),
            Meaning::NotCounted => f.write_str("the watchdog reset the machine"),
            Meaning::Counted(slot, resets) => write!(
                f,
                "the watchdog reset the machine: good slot {slot}, {resets} in a row"
            ),
            Meaning::NeverUp(slot, starts) => write!(
                f,
                "good slot {slot} never said that it is up: {starts} starts in a row"
            ),
            Meaning::Left(slot, reason) => write!(f, "good slot {slot} is left: {reason}"),
        }
    }
}

/// The record after a start with this cause, before anything is chosen; the same
/// one where there is nothing to be written down.
pub fn assess(record: &Record, cause: Cause) -> (Next, Meaning) {
    let (next, meaning) = assess_watchdog(record, cause);
    if let Meaning::Left(..) = meaning {
        return (next, meaning);
    }
    match never_up(record, cause) {
        Some((slot, starts)) if starts >= cause.limit() && record.successor(slot).is_some() => {
            let reason = Reason::NeverUp;
            let left = state::leave(record, slot, reason);
            (left, Meaning::Left(slot, reason))
        }
        Some((slot, starts)) if meaning == Meaning::Nothing => {
            (next, Meaning::NeverUp(slot, starts))
        }
        _ => (next, meaning),
    }
}

/// The good slot that was started last, and how many of its starts in a row have
/// ended without having come up. One that the power ended says nothing.
fn never_up(record: &Record, cause: Cause) -> Option<(SlotId, u8)> {
    let (slot, starts) = record.starts()?;
    let ended = match cause {
        Cause::PowerOn => starts.saturating_sub(1),
        _ => starts,
    };
    (ended > 0 && record.known_good() == Some(slot)).then_some((slot, ended))
}

/// The record with this start of a good slot counted; the same one where nobody
/// could take over, or where its system does not say when it is up.
pub fn count(record: &Record, slot: SlotId, cause: Cause) -> Next {
    let mut next = Next::unchanged(record);
    if !record.says_when_up(slot) || record.successor(slot).is_none() {
        return next;
    }
    let before = match never_up(record, cause) {
        Some((of, starts)) if of == slot => starts,
        _ => 0,
    };
    let starts = before.saturating_add(1).min(IN_A_ROW_UNKNOWN);
    next.0.set_starts(Some((slot, starts)));
    next
}

fn assess_watchdog(record: &Record, cause: Cause) -> (Next, Meaning) {
    let mut next = Next::unchanged(record);
    if cause != Cause::Watchdog {
        next.0.set_watchdog_resets(None);
        return (next, Meaning::Nothing);
    }
    let Some(slot) = ended(record) else {
        next.0.set_watchdog_resets(None);
        // A one-shot or last resort is over. While it stays armed, the starts of
        // a good slot that come after it cannot be told from it.
        next.0.armed = record
            .armed
            .filter(|armed| record.slot(armed.slot).state == State::Trying);
        return (next, Meaning::NotCounted);
    };
    let before = match record.watchdog_resets() {
        Some((of, resets)) if of == slot => resets,
        _ => 0,
    };
    let resets = before.saturating_add(1).min(IN_A_ROW);
    if resets == IN_A_ROW && record.successor(slot).is_some() {
        let reason = Reason::Watchdog;
        let left = state::leave(record, slot, reason);
        return (left, Meaning::Left(slot, reason));
    }
    next.0.set_watchdog_resets(Some((slot, resets)));
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
