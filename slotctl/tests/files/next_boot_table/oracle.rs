//! What the design says under "Choice of bootshim", read as plainly as can be:
//! no state machine, no record, one paragraph after the other.
//!
//! > one-shot (only if durably cleared), then the trial, then good slots by
//! > priority, then last resort: `ready` and `bad` slots that verify, in turn,
//! > with a durable decrement. If nothing can be committed and nothing good
//! > starts, a verified slot is started all the same, by turns.

use super::row::{Copies, Row, Told};
use bootshim::choice::StartKind;
use bootshim::record::SlotId;

/// What may happen.
#[derive(Debug, PartialEq, Eq)]
pub enum Expected {
    Nothing,
    Starts(usize, StartKind),
    /// Any of these, as a last resort: chance takes turns.
    AnyOf(Vec<usize>),
}

impl Expected {
    pub fn allows(&self, choice: Option<(SlotId, StartKind)>) -> bool {
        match (self, choice.map(|(slot, kind)| (slot.index(), kind))) {
            (Expected::Nothing, None) => true,
            (Expected::Starts(slot, kind), Some(found)) => (*slot, *kind) == found,
            (Expected::AnyOf(slots), Some((slot, StartKind::LastResort))) => slots.contains(&slot),
            _ => false,
        }
    }
}

pub fn expected(row: &Row) -> Expected {
    match row.copies {
        Copies::All | Copies::Left(_) => with_commits(row),
        Copies::Torn | Copies::Equal => with_commits(&Row::BEFORE),
        Copies::Later => without_commits(row),
        // "Slots whose manifest and boot payloads verify become ready, the
        // highest by security version, then by version, becomes trying(1)": all
        // three lie on the disk, and the versions rise from a to c.
        Copies::Lost | Copies::Foreign => Expected::Starts(2, StartKind::Trial),
    }
}

/// Whether a slot verifies: something is installed, and it is what was installed.
fn verifies(row: &Row, slot: usize) -> bool {
    !row.damaged[slot] && !matches!(row.slots[slot], Told::Empty | Told::Writing)
}

fn with_commits(row: &Row) -> Expected {
    let mut last = row.last;
    if let Some(slot) = row.once {
        if verifies(row, slot) {
            return Expected::Starts(slot, StartKind::Once);
        }
        if !matches!(row.slots[slot], Told::Empty | Told::Writing) {
            last = Some(slot);
        }
    }
    for slot in 0..3 {
        if let Told::Trying { left, attempts } = row.slots[slot] {
            let over = left == 0 || attempts >= 9;
            if !over && verifies(row, slot) {
                return Expected::Starts(slot, StartKind::Trial);
            }
            if !over && row.once != Some(slot) {
                last = Some(slot);
            }
        }
    }
    good(row).unwrap_or_else(|| last_resort(row, last))
}

/// "Good slots by priority", those not known to fail before the others.
fn good(row: &Row) -> Option<Expected> {
    let mut best: Option<(bool, u8, usize)> = None;
    for slot in (0..3).filter(|slot| verifies(row, *slot)) {
        if let Told::Good { priority, failed } = row.slots[slot] {
            best = best.max(Some((!failed, priority, slot)));
        }
    }
    best.map(|(_, _, slot)| Expected::Starts(slot, StartKind::Good))
}

/// "`ready` and `bad` slots that verify, in turn": ready ones first, each round
/// beginning behind the slot that was started last. A trial that is over is bad
/// by now.
fn last_resort(row: &Row, last: Option<usize>) -> Expected {
    let mut last = last;
    for bad in [false, true] {
        let is = |slot: usize| match row.slots[slot] {
            Told::Ready => !bad,
            Told::Bad => bad,
            Told::Trying { .. } => bad,
            _ => false,
        };
        let mut left: Vec<usize> = (0..3).filter(|slot| is(*slot)).collect();
        while !left.is_empty() {
            let first = last.map_or(0, |last| last + 1);
            let turn = (first..first + 3).map(|slot| slot % 3);
            let slot = turn.into_iter().find(|slot| left.contains(slot)).unwrap();
            if verifies(row, slot) {
                return Expected::Starts(slot, StartKind::LastResort);
            }
            left.retain(|other| *other != slot);
            last = Some(slot);
        }
    }
    Expected::Nothing
}

fn without_commits(row: &Row) -> Expected {
    let any = || {
        let resort =
            |slot: &usize| !matches!(row.slots[*slot], Told::Good { .. }) && verifies(row, *slot);
        let slots: Vec<usize> = (0..3).filter(resort).collect();
        if slots.is_empty() {
            Expected::Nothing
        } else {
            Expected::AnyOf(slots)
        }
    };
    good(row).unwrap_or_else(any)
}
