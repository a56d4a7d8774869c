//! The boot record: the few hundred bytes that decide what boots next.
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
//! | 45 | 3 | kept |
//! | 48 | 8 | last failed: sequence number when it was found |
//! | 56 | 8 | floor hint |
//! | 64 | 32 | kept |
//! | 96 | 8 × 48 | the slots |
//! | 480 | 32 | BLAKE3 of all before |
//!
//! A slot: state, reason, priority, tries, tries left, one byte kept (1 each),
//! attempts (2), security version (8), BLAKE3 of the manifest (32).

use crate::guid::Guid;
use core::fmt;
use core::str::FromStr;

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
pub const MINOR: u16 = 0;
/// Sequence numbers from here on are invalid, so that adding one never wraps.
pub const SEQUENCE_END: u64 = 1 << 63;

const MAGIC: [u8; 8] = *b"SLOTBOOT";
const HASHED: usize = 480;
const NO_SLOT: u8 = 255;

/// BLAKE3 of a manifest; what is installed in a slot is named by it.
pub type Digest = [u8; 32];

/// The digest of nothing: no image is installed.
pub const NO_DIGEST: Digest = [0; 32];

/// A slot by its place: `a` is 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(u8);

impl SlotId {
    /// The slot at a place, where a disk can have that many.
    #[must_use]
    pub fn new(index: usize) -> Option<SlotId> {
        u8::try_from(index)
            .ok()
            .filter(|_| index < MAX_SLOTS)
            .map(SlotId)
    }

    /// All slots that a disk can have, `a` first.
    pub fn all() -> impl Iterator<Item = SlotId> {
        (0..8).map(SlotId)
    }

    /// Its place, from 0.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Its letter.
    #[must_use]
    pub fn letter(self) -> char {
        char::from(b'a'.saturating_add(self.0))
    }

    /// The name of its partition.
    #[must_use]
    pub fn partition_name(self) -> alloc::string::String {
        alloc::format!("slot-{self}")
    }

    fn decode(raw: u8, slots: u8) -> Result<Option<SlotId>, Invalid> {
        match raw {
            NO_SLOT => Ok(None),
            index if index < slots => Ok(Some(SlotId(index))),
            _ => Err(Invalid::Range("slot number")),
        }
    }

    fn encode(slot: Option<SlotId>) -> u8 {
        slot.map_or(NO_SLOT, |slot| slot.0)
    }
}

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.letter())
    }
}

impl fmt::Debug for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not the name of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotASlot;

impl FromStr for SlotId {
    type Err = NotASlot;

    fn from_str(text: &str) -> Result<SlotId, NotASlot> {
        SlotId::all()
            .find(|slot| text.chars().eq([slot.letter()]))
            .ok_or(NotASlot)
    }
}

/// An enumeration of one byte in which later minors may add values: what this
/// code does not know is kept and written back.
macro_rules! open_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
            /// A value from a later minor.
            Other(u8),
        }

        impl $name {
            /// Every value that this code knows.
            pub const KNOWN: &[$name] = &[$($name::$variant),*];

            /// Its byte on disk.
            #[must_use]
            pub fn code(self) -> u8 {
                match self {
                    $($name::$variant => $code,)*
                    $name::Other(code) => code,
                }
            }

            /// The value of a byte on disk.
            #[must_use]
            pub fn from_code(code: u8) -> $name {
                match code {
                    $($code => $name::$variant,)*
                    code => $name::Other(code),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $($name::$variant => f.write_str($text),)*
                    $name::Other(code) => write!(f, "code {code}"),
                }
            }
        }
    };
}

open_enum! {
    /// Why a slot is bad, or was passed over.
    Reason {
        /// Nothing is known against it.
        None = 0, "none";
        /// Its tries were used up, and nothing in it said why.
        Exhausted = 1, "tries used up";
        /// It was started three times its tries and never confirmed.
        Unconfirmed = 2, "never confirmed";
        /// A person or a check rejected it.
        Rejected = 3, "rejected";
        /// Its checks had not passed when the deadline came.
        Deadline = 4, "deadline passed";
        /// Its manifest is not signed by a trusted key, or is none.
        NotAuthentic = 5, "not authentic";
        /// Bytes of it are not what its manifest says.
        Damaged = 6, "damaged";
        /// Its manifest is not the one that was installed.
        WrongManifest = 7, "another manifest than installed";
        /// Its security version is below the floor.
        BelowFloor = 8, "below the floor";
        /// The firmware did not start its kernel, or the kernel came back.
        NotStarted = 9, "kernel did not start";
        /// The device did not give its bytes.
        Unreadable = 10, "unreadable";
    }
}

open_enum! {
    /// How far a start had come when it failed.
    Stage {
        /// Nothing is known.
        None = 0, "unknown";
        /// bootshim read and verified it.
        Verify = 1, "verifying";
        /// The firmware took the kernel.
        Load = 2, "loading the kernel";
        /// The kernel was started; it never said more.
        Started = 3, "kernel started";
        /// `slotctl watch` was running its checks.
        Watch = 4, "checks running";
    }
}

open_enum! {
    /// How the armed slot was started.
    Arming {
        /// No slot is armed.
        None = 0, "not armed";
        /// As a one-shot.
        Once = 1, "once";
        /// As the trial.
        Trial = 2, "trial";
        /// Because nothing good started.
        LastResort = 3, "last resort";
    }
}

/// The state of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Nothing was ever installed.
    Empty,
    /// Its bytes are being changed; nothing in it counts.
    Writing,
    /// Installed and whole, not yet activated.
    Ready,
    /// Activated and not yet confirmed.
    Trying,
    /// Confirmed.
    Good,
    /// Failed, for the reason beside it.
    Bad,
}

impl State {
    /// Every state, in the order of its byte on disk.
    pub const ALL: [State; 6] = [
        State::Empty,
        State::Writing,
        State::Ready,
        State::Trying,
        State::Good,
        State::Bad,
    ];

    fn decode(code: u8) -> Result<State, Invalid> {
        Self::ALL
            .get(usize::from(code))
            .copied()
            .ok_or(Invalid::Range("state"))
    }

    fn code(self) -> u8 {
        match self {
            State::Empty => 0,
            State::Writing => 1,
            State::Ready => 2,
            State::Trying => 3,
            State::Good => 4,
            State::Bad => 5,
        }
    }

    /// Its word, as in JSON and in the documentation.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            State::Empty => "empty",
            State::Writing => "writing",
            State::Ready => "ready",
            State::Trying => "trying",
            State::Good => "good",
            State::Bad => "bad",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What the record knows of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// Its state.
    pub state: State,
    /// Why it is bad, or was passed over although good.
    pub reason: Reason,
    /// Among good slots the highest boots first.
    pub priority: u8,
    /// Tries that its trial was given.
    pub tries: u8,
    /// Tries that are left of them.
    pub tries_left: u8,
    /// Starts since it was activated; never falls during a trial.
    pub attempts: u16,
    /// Security version of the image in it.
    pub security_version: u64,
    /// BLAKE3 of the manifest in it.
    pub manifest: Digest,
    /// A byte that a later minor may use; kept on rewrite.
    pub kept: u8,
}

impl Slot {
    /// A slot in which nothing was ever installed.
    pub const EMPTY: Slot = Slot {
        state: State::Empty,
        reason: Reason::None,
        priority: 0,
        tries: 0,
        tries_left: 0,
        attempts: 0,
        security_version: 0,
        manifest: NO_DIGEST,
        kept: 0,
    };

    /// Most starts of its trial before it is bad however its OS restarts.
    #[must_use]
    pub fn attempts_limit(&self) -> u16 {
        u16::from(self.tries).saturating_mul(3)
    }

    fn check(&self) -> Result<(), Invalid> {
        let installed = self.manifest != NO_DIGEST;
        let fits = match self.state {
            State::Empty => {
                *self
                    == Slot {
                        kept: self.kept,
                        ..Slot::EMPTY
                    }
            }
            State::Writing => !installed,
            State::Ready | State::Good => installed,
            State::Trying => installed && self.tries > 0,
            State::Bad => true,
        };
        if !fits || self.tries > MAX_TRIES || self.tries_left > self.tries {
            return Err(Invalid::Range("slot"));
        }
        Ok(())
    }

    fn decode(bytes: &mut Bytes<'_>) -> Result<Slot, Invalid> {
        Ok(Slot {
            state: State::decode(bytes.u8()?)?,
            reason: Reason::from_code(bytes.u8()?),
            priority: bytes.u8()?,
            tries: bytes.u8()?,
            tries_left: bytes.u8()?,
            kept: bytes.u8()?,
            attempts: u16::from_le_bytes(bytes.take()?),
            security_version: bytes.u64()?,
            manifest: bytes.take()?,
        })
    }

    fn encode(&self, out: &mut Out<'_>) {
        out.put(&[self.state.code(), self.reason.code(), self.priority]);
        out.put(&[self.tries, self.tries_left, self.kept]);
        out.put(&self.attempts.to_le_bytes());
        out.put(&self.security_version.to_le_bytes());
        out.put(&self.manifest);
    }
}

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// No magic number, or too few bytes.
    NotARecord,
    /// The hash is not that of the bytes.
    Hash,
    /// A record of another partition: it was copied here.
    Foreign(Guid),
    /// Authentic, but of a format this code does not know.
    UnknownMajor(u16),
    /// A field has a value that it cannot have.
    Range(&'static str),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Invalid::NotARecord => f.write_str("not a boot record"),
            Invalid::Hash => f.write_str("wrong hash"),
            Invalid::Foreign(guid) => write!(f, "copied from partition {guid}"),
            Invalid::UnknownMajor(major) => write!(f, "unknown format {major}"),
            Invalid::Range(field) => write!(f, "impossible value: {field}"),
        }
    }
}

impl Record {
    /// A record with `slots` empty slots (2 to 8), not yet committed.
    #[must_use]
    pub fn new(partition: Guid, slots: usize) -> Record {
        let count = u8::try_from(slots.clamp(MIN_SLOTS, MAX_SLOTS)).unwrap_or(2);
        Record {
            minor: MINOR,
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
    #[must_use]
    pub fn has(&self, slot: SlotId) -> bool {
        slot.0 < self.count
    }

    /// What is known of a slot; one that the disk does not have is empty.
    #[must_use]
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

    /// The slot on trial, where there is one.
    #[must_use]
    pub fn trial(&self) -> Option<SlotId> {
        self.slots()
            .find(|(_, slot)| slot.state == State::Trying)
            .map(|(id, _)| id)
    }

    /// The good slots in the order in which they boot: those not known to fail
    /// first, then by priority.
    #[must_use]
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
    #[must_use]
    pub fn known_good(&self) -> Option<SlotId> {
        self.good().first().copied()
    }

    /// Reads a record that must belong to `partition`. Total: any bytes give an
    /// answer.
    ///
    /// # Errors
    /// [`Invalid`], the first thing that is wrong.
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
        let armed = SlotId::decode(armed_slot, count)?.map(|slot| Armed {
            slot,
            as_what: arming,
        });
        let last_booted = SlotId::decode(bytes.u8()?, count)?;
        let failed = SlotId::decode(bytes.u8()?, count)?;
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
            once: SlotId::decode(once, count)?,
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
    ///
    /// # Errors
    /// [`Invalid::Range`] with the field that has not.
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
    #[must_use]
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

/// Writes the hash behind the hashed bytes.
fn seal(raw: &mut [u8; RECORD_BYTES]) {
    if let Some((hashed, hash)) = raw.split_at_mut_checked(HASHED) {
        hash.copy_from_slice(blake3::hash(hashed).as_bytes());
    }
}

/// Bytes that are taken from the front; running out is an answer, not a panic.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Invalid> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Invalid::NotARecord)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8, Invalid> {
        let [byte] = self.take()?;
        Ok(byte)
    }

    fn u64(&mut self) -> Result<u64, Invalid> {
        Ok(u64::from_le_bytes(self.take()?))
    }
}

/// Room that is filled from the front.
struct Out<'a>(&'a mut [u8]);

impl Out<'_> {
    fn put(&mut self, data: &[u8]) -> &mut Self {
        let room = core::mem::take(&mut self.0);
        if let Some((here, rest)) = room.split_at_mut_checked(data.len()) {
            here.copy_from_slice(data);
            self.0 = rest;
        }
        self
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) const PARTITION: Guid = Guid([7; 16]);

    prop_compose! {
        fn slot_and_state()(
            state in prop::sample::select(State::ALL.to_vec()),
            reason in 0u8..14, priority: u8, tries in 1u8..=MAX_TRIES, left in 0u8..=MAX_TRIES,
            attempts: u16, security_version: u64, fill in 1u8..,
        ) -> Slot {
            let full = Slot {
                state, reason: Reason::from_code(reason), priority, tries,
                tries_left: left.min(tries), attempts, security_version,
                manifest: [fill; 32], kept: 0,
            };
            match state {
                State::Empty => Slot::EMPTY,
                State::Writing => Slot { manifest: NO_DIGEST, ..full },
                _ => full,
            }
        }
    }

    prop_compose! {
        /// Any record that can be.
        pub(crate) fn any_record()(
            slots in prop::collection::vec(slot_and_state(), MIN_SLOTS..=MAX_SLOTS),
            sequence in 1..SEQUENCE_END, default_tries in 1u8..=MAX_TRIES,
            once: Option<u8>, armed: Option<(u8, u8)>, booted: Option<u8>,
            failed: Option<(u8, u8, u8, u64)>, floor: u64, kept: [u8; 32], minor: u16,
        ) -> Record {
            let mut record = Record::new(PARTITION, slots.len());
            let count = record.count;
            let id = |n: u8| SlotId(n % count);
            let mut trial = false;
            for (place, mut slot) in slots.into_iter().enumerate() {
                if slot.state == State::Trying && core::mem::replace(&mut trial, true) {
                    slot.state = State::Ready;
                }
                record.slots[place] = slot;
            }
            record.sequence = sequence;
            record.default_tries = default_tries;
            record.once = once.map(id);
            record.armed = armed.map(|(slot, how)| Armed { slot: id(slot), as_what: Arming::from_code(how) });
            record.last_booted = booted.map(id);
            record.last_failure = failed.map(|(slot, reason, stage, sequence)| Failure {
                slot: id(slot), reason: Reason::from_code(reason), stage: Stage::from_code(stage), sequence,
            });
            record.floor = floor;
            record.kept[3..].copy_from_slice(&kept);
            record.minor = minor;
            record
        }
    }

    pub(crate) fn reseal(raw: &mut [u8; RECORD_BYTES]) {
        seal(raw);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(record in any_record()) {
            prop_assert_eq!(Record::decode(&record.encode(), PARTITION), Ok(record));
        }

        #[test]
        fn any_changed_byte_is_noticed(record in any_record(), at in 0..RECORD_BYTES, change in 1u8..) {
            let mut raw = record.encode();
            raw[at] ^= change;
            prop_assert!(Record::decode(&raw, PARTITION).is_err());
        }

        #[test]
        fn any_bytes_with_a_right_hash_are_read_back_or_refused(mut raw in prop::collection::vec(any::<u8>(), 512)) {
            raw[..12].copy_from_slice(b"SLOTBOOT\x01\0\0\0");
            raw[24..40].copy_from_slice(&PARTITION.0);
            let mut raw: [u8; 512] = raw.try_into().unwrap();
            reseal(&mut raw);
            if let Ok(record) = Record::decode(&raw, PARTITION) {
                prop_assert_eq!(Record::decode(&record.encode(), PARTITION), Ok(record));
            }
        }
    }

    #[test]
    fn a_record_of_another_partition_is_refused() {
        let mut record = Record::new(PARTITION, 3);
        record.sequence = 1;
        let other = Guid([8; 16]);
        assert_eq!(
            Record::decode(&record.encode(), other),
            Err(Invalid::Foreign(PARTITION))
        );
    }

    #[test]
    fn an_unknown_major_is_told_apart_from_damage() {
        let mut record = Record::new(PARTITION, 3);
        record.sequence = 1;
        let mut raw = record.encode();
        raw[8] = 2;
        assert_eq!(Record::decode(&raw, PARTITION), Err(Invalid::Hash));
        reseal(&mut raw);
        assert_eq!(
            Record::decode(&raw, PARTITION),
            Err(Invalid::UnknownMajor(2))
        );
    }

    #[test]
    fn impossible_values_are_refused() {
        let mut good = Record::new(PARTITION, 3);
        good.sequence = 1;
        let cases: [(usize, u8); 9] = [
            (12, 1),
            (12, 9),
            (13, 0),
            (13, 100),
            (14, 3),
            (15, 3),
            (41, 7),
            (96, 6),
            (23, 0x80),
        ];
        for (at, value) in cases {
            let mut raw = good.encode();
            raw[at] = value;
            reseal(&mut raw);
            let refused = Record::decode(&raw, PARTITION);
            assert!(
                matches!(refused, Err(Invalid::Range(_))),
                "{at}: {refused:?}"
            );
        }
    }

    #[test]
    fn slot_names_are_letters() {
        assert_eq!("c".parse::<SlotId>().unwrap().index(), 2);
        for wrong in ["", "i", "A", "aa", "1", "slot-a"] {
            assert_eq!(wrong.parse::<SlotId>(), Err(NotASlot));
        }
    }
}
