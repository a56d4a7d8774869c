//! The boot record: the few hundred bytes that decide what boots next.
//!
//! How it is written so that a power cut leaves the old one or the new one:
//! [`crate::copies`].
//!
//! All numbers are little-endian. `docs/boot-record.md` has the same table with
//! its golden vectors.
//!
//! | at | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `SLOTBOOT` |
//! | 8 | 2 + 2 | format major, minor |
//! | 12 | 1 | number of slots |
//! | 13 | 1 | default tries |
//! | 14 | 1 | one-shot slot, 255 none |
//! | 15 | 1 | armed slot, 255 none |
//! | 16 | 8 | sequence number |
//! | 24 | 16 | unique GUID of the record's partition |
//! | 40 | 1 | how the armed slot was started |
//! | 41 | 1 | last booted slot, 255 none |
//! | 42 | 1 + 1 + 1 | last failed: slot (255 none), reason, stage |
//! | 45 | 1 + 1 | resets by the watchdog in a row: good slot, how many (minor 1) |
//! | 47 | 1 | kept |
//! | 48 | 8 | last failed: sequence number when it was found |
//! | 56 | 8 | floor hint |
//! | 64 | 1 + 1 | starts in a row that never came up: good slot, how many (minor 2) |
//! | 66 | 6 | highest counter of an order that was accepted (minor 4) |
//! | 72 | 8 × 3 | whose system says when it is up: begin of its manifest's BLAKE3 (minor 2) |
//! | 96 | 8 × 48 | the slots |
//! | 480 | 32 | BLAKE3 of all before |
//!
//! A slot: state, reason, priority, tries, tries left, activation (1 each; the last from
//! minor 3 on), attempts (2), security version (8), BLAKE3 of the manifest (32).

use crate::guid::Guid;
use bytes::{Bytes, Out};

mod bytes;
mod slot;
mod words;

pub use slot::{NotASlot, Slot, SlotId, State};
pub use words::{Arming, Reason, Stage};

/// Length of an encoded record in bytes.
pub const RECORD_BYTES: usize = 512;
/// Fewest slots of a disk.
pub const MIN_SLOTS: usize = 2;
/// Most slots of a disk.
pub const MAX_SLOTS: usize = 8;
/// Most tries a trial can have.
pub const MAX_TRIES: u8 = 99;
/// Tries of a trial where nobody says otherwise.
pub const DEFAULT_TRIES: u8 = 3;
/// The major number of the format this code reads and writes.
pub const MAJOR: u16 = 1;
/// The highest minor number that this code knows all fields of.
pub const MINOR: u16 = 4;
/// Sequence numbers from here on are invalid, so that adding one never wraps.
pub const SEQUENCE_END: u64 = 1 << 63;

/// The first minor in which resets by the watchdog are counted.
const MINOR_WATCHDOG_RESETS: u16 = 1;
/// The first minor in which starts that never came up are counted.
pub const MINOR_STARTS: u16 = 2;
/// The first minor in which an activation has a number.
pub const MINOR_ACTIVATIONS: u16 = 3;
/// The first minor in which the counters of orders have a floor. A program that knows it
/// reads key sets that name order keys.
pub const MINOR_ORDERS: u16 = 4;
/// Where the floor of the orders' counters begins among the kept bytes.
const ORDERS: usize = 5;
/// Where the marks of the systems that say when they are up begin among the kept
/// bytes, and the length of each.
const MARKS: usize = 11;
const MARK: usize = 3;

const MAGIC: [u8; 8] = *b"SLOTBOOT";
const HASHED: usize = 480;

/// BLAKE3 of a manifest; what is installed in a slot is named by it.
pub type Digest = [u8; 32];

/// The digest of nothing: no image is installed.
pub const NO_DIGEST: Digest = [0; 32];

/// The last slot that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Failure {
    /// Which one.
    pub slot: SlotId,
    /// Why.
    pub reason: Reason,
    /// How far it had come.
    pub stage: Stage,
    /// Sequence number of the commit that found it.
    pub sequence: u64,
}

/// A slot that was armed: its start was made durable before it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Armed {
    /// Which one.
    pub slot: SlotId,
    /// As what.
    pub as_what: Arming,
}

/// The boot record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// Minor number of the format; kept on rewrite.
    pub minor: u16,
    /// Sequence number: the highest valid one wins.
    pub sequence: u64,
    /// Unique GUID of the partition it belongs to.
    pub partition: Guid,
    /// Tries of a trial where nobody says otherwise.
    pub default_tries: u8,
    /// Slot that starts next, once.
    pub once: Option<SlotId>,
    /// Slot whose start was last made durable.
    pub armed: Option<Armed>,
    /// Slot that was last started in a commit.
    pub last_booted: Option<SlotId>,
    /// Slot that last failed.
    pub last_failure: Option<Failure>,
    /// The lowest security version that may still boot, as far as the record
    /// knows.
    pub floor: u64,
    slots: [Slot; MAX_SLOTS],
    count: u8,
    kept: [u8; 35],
}

/// Why bytes are not a record of this disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// No magic number, or too few bytes.
    #[error("not a boot record")]
    NotARecord,
    /// The hash is not that of the bytes.
    #[error("wrong hash")]
    Hash,
    /// A record of another partition: it was copied here.
    #[error("copied from partition {0}")]
    Foreign(Guid),
    /// Authentic, but of a format this code does not know.
    #[error("unknown format {0}")]
    UnknownMajor(u16),
    /// A field has a value that it cannot have.
    #[error("impossible value: {0}")]
    Range(&'static str),
}

impl Record {
    /// A record with `slots` empty slots (2 to 8), not yet committed.
    pub fn new(partition: Guid, slots: usize) -> Record {
        let count = u8::try_from(slots.clamp(MIN_SLOTS, MAX_SLOTS)).unwrap_or(2);
        Record {
            // What is in it needs no more; who writes more raises it.
            minor: 0,
            sequence: 0,
            partition,
            default_tries: DEFAULT_TRIES,
            once: None,
            armed: None,
            last_booted: None,
            last_failure: None,
            floor: 0,
            slots: [Slot::EMPTY; MAX_SLOTS],
            count,
            kept: [0; 35],
        }
    }

    /// The slots that this disk has.
    pub fn ids(&self) -> impl Iterator<Item = SlotId> + Clone + use<> {
        (0..self.count).map(SlotId)
    }

    /// Whether this disk has the slot.
    pub fn has(&self, slot: SlotId) -> bool {
        slot.0 < self.count
    }

    /// What is known of a slot; one that the disk does not have is empty.
    pub fn slot(&self, slot: SlotId) -> &Slot {
        self.slots.get(slot.index()).unwrap_or(&Slot::EMPTY)
    }

    /// Replaces what is known of a slot; nothing happens where the disk does
    /// not have it.
    pub fn set_slot(&mut self, slot: SlotId, to: Slot) {
        if let Some(place) = self
            .slots
            .get_mut(slot.index())
            .filter(|_| slot.0 < self.count)
        {
            *place = to;
        }
    }

    /// Its slots with what is known of them.
    pub fn slots(&self) -> impl Iterator<Item = (SlotId, &Slot)> + Clone {
        self.ids().zip(&self.slots)
    }

    /// The good slot whose last starts the watchdog ended, and how many of them
    /// in a row.
    pub fn watchdog_resets(&self) -> Option<(SlotId, u8)> {
        let [slot, resets, ..] = self.kept;
        let slot = SlotId::decode(slot).filter(|slot| self.has(*slot))?;
        (self.minor >= MINOR_WATCHDOG_RESETS && resets > 0).then_some((slot, resets))
    }

    /// Notes that the watchdog ended so many starts of a good slot in a row, or
    /// that the row is broken.
    pub fn set_watchdog_resets(&mut self, row: Option<(SlotId, u8)>) {
        if row.is_none() && self.watchdog_resets().is_none() {
            return;
        }
        self.minor = self.minor.max(MINOR_WATCHDOG_RESETS);
        let (slot, resets) = row.map_or((0, 0), |(slot, resets)| (slot.0, resets));
        let [slot_byte, resets_byte, ..] = &mut self.kept;
        (*slot_byte, *resets_byte) = (slot, resets);
    }

    /// The good slot that was started last, and how many of its starts in a row
    /// never came up, as far as is known: that one is among them until its system
    /// says otherwise.
    pub fn starts(&self) -> Option<(SlotId, u8)> {
        let [_, _, _, slot, starts, ..] = self.kept;
        let slot = SlotId::decode(slot).filter(|slot| self.has(*slot))?;
        (self.minor >= MINOR_STARTS && starts > 0).then_some((slot, starts))
    }

    /// Notes that so many starts of a good slot in a row never came up, or that the
    /// row is broken.
    pub fn set_starts(&mut self, row: Option<(SlotId, u8)>) {
        if row.is_none() && self.starts().is_none() {
            return;
        }
        self.minor = self.minor.max(MINOR_STARTS);
        let (slot, starts) = row.map_or((0, 0), |(slot, starts)| (slot.0, starts));
        let [_, _, _, slot_byte, starts_byte, ..] = &mut self.kept;
        (*slot_byte, *starts_byte) = (slot, starts);
    }

    /// Whether the system in a slot has said before that it is up, so that it means
    /// something when it does not. The mark names the image: what an older slotctl
    /// installs over it has none.
    pub fn says_when_up(&self, slot: SlotId) -> bool {
        let mark = mark_of(&self.slot(slot).manifest);
        self.minor >= MINOR_STARTS
            && mark.is_some()
            && self.kept.get(mark_place(slot)) == mark.as_ref().map(<[u8; MARK]>::as_slice)
    }

    /// Notes that the system in a slot has said that it is up.
    pub fn set_says_when_up(&mut self, slot: SlotId) {
        let Some(mark) = mark_of(&self.slot(slot).manifest).filter(|_| self.has(slot)) else {
            return;
        };
        if let Some(place) = self.kept.get_mut(mark_place(slot)) {
            self.minor = self.minor.max(MINOR_STARTS);
            place.copy_from_slice(&mark);
        }
    }

    /// The highest counter of an order that was accepted here; 0: none was.
    pub fn order_floor(&self) -> u64 {
        let mut counter = [0; 8];
        for (to, from) in counter
            .iter_mut()
            .zip(self.kept.get(ORDERS..MARKS).unwrap_or_default())
        {
            *to = *from;
        }
        match self.minor {
            MINOR_ORDERS.. => u64::from_le_bytes(counter),
            _ => 0,
        }
    }

    /// Notes that an order with this counter, of at most 48 bits, was accepted. The floor
    /// never falls.
    pub fn raise_order_floor(&mut self, counter: u64) {
        let [low @ .., 0, 0] = counter.to_le_bytes() else {
            return;
        };
        if counter <= self.order_floor() {
            return;
        }
        if let Some(place) = self.kept.get_mut(ORDERS..MARKS) {
            self.minor = self.minor.max(MINOR_ORDERS);
            place.copy_from_slice(&low);
        }
    }

    /// The number of the activation of a slot. With the slot and its manifest it names
    /// what belongs to the slot on the data partition; 0: none was given.
    pub fn activation(&self, slot: SlotId) -> u8 {
        match self.minor {
            MINOR_ACTIVATIONS.. => self.slot(slot).activation,
            _ => 0,
        }
    }

    /// Another good slot than this one that could take over: nothing is known
    /// against it, but that it was itself left for another.
    pub fn successor(&self, slot: SlotId) -> Option<SlotId> {
        let may = |other: &SlotId| {
            let reason = self.slot(*other).reason;
            *other != slot && (reason == Reason::None || reason.is_left())
        };
        self.good().into_iter().find(may)
    }

    /// The slot on trial, where there is one.
    pub fn trial(&self) -> Option<SlotId> {
        self.slots()
            .find(|(_, slot)| slot.state == State::Trying)
            .map(|(id, _)| id)
    }

    /// Whether a slot is on trial and was good before: it kept its place among the
    /// good ones, which no other trial has.
    pub fn was_good(&self, slot: SlotId) -> bool {
        let slot = self.slot(slot);
        slot.state == State::Trying && slot.priority > 0
    }

    /// The good slots in the order in which they boot: those not known to fail
    /// first, then by priority.
    pub fn good(&self) -> alloc::vec::Vec<SlotId> {
        let mut good: alloc::vec::Vec<SlotId> = self
            .ids()
            .filter(|id| self.slot(*id).state == State::Good)
            .collect();
        good.sort_by_key(|id| {
            let slot = self.slot(*id);
            (
                slot.reason != Reason::None,
                core::cmp::Reverse(slot.priority),
            )
        });
        good
    }

    /// The good slot that boots when a trial fails.
    pub fn known_good(&self) -> Option<SlotId> {
        self.good().first().copied()
    }

    /// Reads a record that must belong to `partition`. Total: any bytes give an
    /// answer.
    pub fn decode(raw: &[u8; RECORD_BYTES], partition: Guid) -> Result<Record, Invalid> {
        let mut bytes = Bytes(raw);
        if bytes.take()? != MAGIC {
            return Err(Invalid::NotARecord);
        }
        let (hashed, hash) = raw.split_at_checked(HASHED).ok_or(Invalid::NotARecord)?;
        if blake3::hash(hashed).as_bytes().as_slice() != hash {
            return Err(Invalid::Hash);
        }
        // Magic, major, GUID and hash lie at the same place in every format to
        // come, so that an old reader knows a record of this disk when it sees one.
        let (major, minor) = (
            u16::from_le_bytes(bytes.take()?),
            u16::from_le_bytes(bytes.take()?),
        );
        let (count, default_tries) = (bytes.u8()?, bytes.u8()?);
        let (once, armed_slot) = (bytes.u8()?, bytes.u8()?);
        let sequence = bytes.u64()?;
        let guid = Guid(bytes.take()?);
        if guid != partition {
            return Err(Invalid::Foreign(guid));
        }
        if major != MAJOR {
            return Err(Invalid::UnknownMajor(major));
        }
        if !(MIN_SLOTS..=MAX_SLOTS).contains(&usize::from(count)) {
            return Err(Invalid::Range("number of slots"));
        }
        let arming = Arming::from_code(bytes.u8()?);
        let armed = SlotId::decode(armed_slot).map(|slot| Armed {
            slot,
            as_what: arming,
        });
        let last_booted = SlotId::decode(bytes.u8()?);
        let failed = SlotId::decode(bytes.u8()?);
        let (reason, stage) = (
            Reason::from_code(bytes.u8()?),
            Stage::from_code(bytes.u8()?),
        );
        let kept_before: [u8; 3] = bytes.take()?;
        let failed_at = bytes.u64()?;
        let floor = bytes.u64()?;
        let kept_behind: [u8; 32] = bytes.take()?;
        let mut slots = [Slot::EMPTY; MAX_SLOTS];
        for slot in &mut slots {
            *slot = Slot::decode(&mut bytes)?;
        }
        let mut kept = [0; 35];
        Out(&mut kept).put(&kept_before).put(&kept_behind);
        let record = Record {
            minor,
            sequence,
            partition,
            default_tries,
            once: SlotId::decode(once),
            armed,
            last_booted,
            last_failure: failed.map(|slot| Failure {
                slot,
                reason,
                stage,
                sequence: failed_at,
            }),
            floor,
            slots,
            count,
            kept,
        };
        record.check()?;
        Ok(record)
    }

    /// Whether every field has a value that it can have.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.sequence == 0 || self.sequence >= SEQUENCE_END {
            return Err(Invalid::Range("sequence number"));
        }
        if self.default_tries == 0 || self.default_tries > MAX_TRIES {
            return Err(Invalid::Range("default tries"));
        }
        let named = [self.once, self.armed.map(|a| a.slot), self.last_booted];
        let failed = self.last_failure.map(|f| f.slot);
        if named
            .into_iter()
            .chain([failed])
            .flatten()
            .any(|slot| slot.0 >= self.count)
        {
            return Err(Invalid::Range("slot number"));
        }
        for (slot, place) in self.slots.iter().zip(0u8..) {
            slot.check()?;
            if place >= self.count && *slot != Slot::EMPTY {
                return Err(Invalid::Range("slot that the disk does not have"));
            }
        }
        if self
            .slots()
            .filter(|(_, slot)| slot.state == State::Trying)
            .count()
            > 1
        {
            return Err(Invalid::Range("two trials"));
        }
        Ok(())
    }

    /// The bytes of the record.
    pub fn encode(&self) -> [u8; RECORD_BYTES] {
        let mut raw = [0; RECORD_BYTES];
        let (kept_before, kept_behind) = self.kept.split_at_checked(3).unwrap_or_default();
        let failure = self.last_failure;
        let (reason, stage) = failure.map_or((0, 0), |f| (f.reason.code(), f.stage.code()));
        let mut out = Out(&mut raw);
        out.put(&MAGIC)
            .put(&MAJOR.to_le_bytes())
            .put(&self.minor.to_le_bytes());
        out.put(&[self.count, self.default_tries, SlotId::encode(self.once)]);
        out.put(&[SlotId::encode(self.armed.map(|armed| armed.slot))]);
        out.put(&self.sequence.to_le_bytes()).put(&self.partition.0);
        out.put(&[self.armed.map_or(0, |armed| armed.as_what.code())]);
        out.put(&[
            SlotId::encode(self.last_booted),
            SlotId::encode(failure.map(|f| f.slot)),
        ]);
        out.put(&[reason, stage]).put(kept_before);
        out.put(&failure.map_or(0, |f| f.sequence).to_le_bytes());
        out.put(&self.floor.to_le_bytes()).put(kept_behind);
        for slot in &self.slots {
            slot.encode(&mut out);
        }
        seal(&mut raw);
        raw
    }
}

fn mark_of(manifest: &Digest) -> Option<[u8; MARK]> {
    let mark = manifest.first_chunk::<MARK>()?;
    (*mark != [0; MARK]).then_some(*mark)
}

fn mark_place(slot: SlotId) -> core::ops::Range<usize> {
    let begin = MARKS.saturating_add(slot.index().saturating_mul(MARK));
    begin..begin.saturating_add(MARK)
}

/// Writes the hash behind the hashed bytes.
fn seal(raw: &mut [u8; RECORD_BYTES]) {
    if let Some((hashed, hash)) = raw.split_at_mut_checked(HASHED) {
        hash.copy_from_slice(blake3::hash(hashed).as_bytes());
    }
}

#[cfg(test)]
pub(crate) mod tests;
