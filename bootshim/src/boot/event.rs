//! What bootshim says: one plain line for each thing found or decided.

use super::{Defect, Facts};
use crate::choice::StartKind;
use crate::copies::{CommitError, Copy};
use crate::floor::{FloorInForce, Keeper, Kept};
use crate::medium::Cause;
use crate::record::{Reason, SlotId, State};
use crate::reset::Meaning;
use alloc::string::String;
use core::fmt;

/// What was found or decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A copy of the record does not count.
    CopyLost(usize, Copy),
    /// No copy of the record is valid; it is made anew from the slots that
    /// verify.
    RecordLost,
    /// The record has a format of a later version: nothing is committed.
    UnknownMajor(u16),
    /// A slot verified while the record was made anew.
    Found(SlotId, Facts),
    /// The record was made anew.
    Rebuilt(u64),
    /// The floor in force at this start.
    Floor {
        /// It, and whose it is.
        in_force: FloorInForce,
        /// What the firmware said.
        kept: Kept,
        /// What the record says.
        hint: u64,
    },
    /// The firmware did not take the floor that is to be kept, and why.
    FloorNotRaised(String),
    /// What it means how the last start ended.
    Ended(Meaning),
    /// A slot is started.
    Starting {
        /// Which one.
        slot: SlotId,
        /// As what.
        kind: StartKind,
        /// What is known of it after the commit.
        tries_left: u8,
        /// Its version.
        version: String,
    },
    /// A start failed for want of memory, and is tried again.
    Again(SlotId, Why),
    /// A slot was passed over.
    PassedOver(SlotId, Why),
    /// A commit failed: no trial and no one-shot at this start.
    CommitFailed(CommitError),
    /// Nothing starts.
    Nothing,
}

/// Why a slot was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nothing is installed in it, or it is half written.
    NotInstalled(State),
    /// Its trial is over, for this reason.
    TrialOver(Reason),
    /// It does not verify, or cannot be read.
    Defect(Defect),
    /// The firmware did not start it, in its words.
    NotStarted(String),
    /// The bootshim that it brings could not read it, in the words of that one.
    NotRead(String),
    /// The machine had not the memory for it at this moment, in words: no judgement
    /// on the slot.
    NoMemory(String),
    /// Its last starts ended too soon, as many as it is given.
    Left(Reason),
    /// What another bootshim handed over is not what the record has armed.
    NotArmed,
}

impl Why {
    /// Whether the device did not give its bytes: no judgement on the slot.
    pub fn is_unreadable(&self) -> bool {
        matches!(self, Why::Defect(Defect::Unreadable(_)) | Why::NotRead(_))
    }

    /// Whether the machine had not the memory for it: no judgement on the slot.
    pub fn is_for_memory(&self) -> bool {
        match self {
            Why::NoMemory(_) => true,
            Why::Defect(Defect::Unreadable(fault)) => fault.cause == Cause::NoMemory,
            _ => false,
        }
    }
}

impl From<Defect> for Why {
    fn from(defect: Defect) -> Why {
        Why::Defect(defect)
    }
}

impl From<String> for Why {
    fn from(words: String) -> Why {
        Why::NotStarted(words)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::NotInstalled(state) => write!(f, "{state}"),
            Why::TrialOver(reason) => write!(f, "trial over: {reason}"),
            Why::Defect(defect) => write!(f, "{defect}"),
            Why::NotArmed => f.write_str("handed over, and not armed in the boot record"),
            Why::NotStarted(words) => write!(f, "did not start: {words}"),
            Why::NotRead(words) => write!(f, "unreadable: {words}"),
            Why::NoMemory(words) => write!(f, "not enough memory: {words}"),
            Why::Left(reason) => write!(f, "{reason}"),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::CopyLost(copy, why) => write!(f, "record copy {copy} does not count: {why}"),
            Event::RecordLost => f.write_str(
                "no valid copy of the boot record; making it anew from the slots that verify",
            ),
            Event::UnknownMajor(major) => {
                write!(
                    f,
                    "boot record format {major} is unknown; only good slots start, nothing is written"
                )
            }
            Event::Found(slot, facts) => write!(
                f,
                "slot {slot} verifies: version {}, security version {}",
                facts.version, facts.security_version
            ),
            Event::Rebuilt(sequence) => write!(f, "boot record made anew, number {sequence}"),
            Event::Floor {
                in_force,
                kept,
                hint,
            } => floor(f, in_force, kept, *hint),
            Event::FloorNotRaised(words) => {
                write!(
                    f,
                    "the firmware did not take the floor: {words}; this start goes on, the next one tries again"
                )
            }
            Event::Ended(meaning) => write!(f, "{meaning}"),
            Event::Starting {
                slot,
                kind,
                tries_left,
                version,
            } => {
                write!(f, "starting slot {slot}, version {version}, as {kind}")?;
                match (kind, tries_left) {
                    (StartKind::Trial, 0) => f.write_str(", the last try"),
                    (StartKind::Trial, 1) => f.write_str(", 1 try left after this one"),
                    (StartKind::Trial, n) => write!(f, ", {n} tries left after this one"),
                    _ => Ok(()),
                }
            }
            Event::Again(slot, why) => write!(f, "slot {slot} is tried again: {why}"),
            Event::PassedOver(slot, why) => write!(f, "slot {slot} passed over: {why}"),
            Event::CommitFailed(error) => write!(f, "{error}; no trial and no one-shot now"),
            Event::Nothing => f.write_str("no slot starts"),
        }
    }
}

fn floor(
    f: &mut fmt::Formatter<'_>,
    in_force: &FloorInForce,
    kept: &Kept,
    hint: u64,
) -> fmt::Result {
    let FloorInForce { floor, keeper } = in_force;
    write!(f, "floor: security version {}, ", floor.security_version)?;
    if floor.key_epoch > 0 {
        write!(f, "key sets of epoch {}, ", floor.key_epoch)?;
    }
    write!(f, "{keeper}")?;
    match (keeper, kept) {
        (Keeper::Firmware, _) if hint == floor.security_version => Ok(()),
        (Keeper::Firmware, _) => write!(f, "; the record's hint {hint} does not count"),
        (Keeper::Record, Kept::Garbage(why) | Kept::Nowhere(why)) => write!(f, ": {why}"),
        (Keeper::Record, _) => f.write_str(": the firmware keeps none yet"),
    }
}
