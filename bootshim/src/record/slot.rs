//! Slots: their names, their states, and what the record knows of each.

use super::bytes::{Bytes, Out};
use super::{Digest, Invalid, MAX_SLOTS, MAX_TRIES, NO_DIGEST, Reason};
use core::fmt;
use core::str::FromStr;

/// The byte that names no slot.
const NO_SLOT: u8 = 255;

/// A slot by its place: `a` is 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(pub(super) u8);

impl SlotId {
    /// The slot at a place, where a disk can have that many.
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
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Its letter.
    pub fn letter(self) -> char {
        char::from(b'a'.saturating_add(self.0))
    }

    /// The name of its partition.
    pub fn partition_name(self) -> alloc::string::String {
        alloc::format!("slot-{self}")
    }

    /// Whether the disk has that slot is for [`super::Record::check`] to say.
    pub(super) fn decode(raw: u8) -> Option<SlotId> {
        (raw != NO_SLOT).then_some(SlotId(raw))
    }

    pub(super) fn encode(slot: Option<SlotId>) -> u8 {
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
    /// The number of its activation from minor 3 on ([`super::Record::activation`]); kept
    /// on rewrite in every minor.
    pub activation: u8,
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
        activation: 0,
    };

    /// Most starts of its trial before it is bad however its OS restarts.
    pub fn attempts_limit(&self) -> u16 {
        u16::from(self.tries).saturating_mul(3)
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        let installed = self.manifest != NO_DIGEST;
        let fits = match self.state {
            State::Empty => {
                *self
                    == Slot {
                        activation: self.activation,
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

    pub(super) fn decode(bytes: &mut Bytes<'_>) -> Result<Slot, Invalid> {
        Ok(Slot {
            state: State::decode(bytes.u8()?)?,
            reason: Reason::from_code(bytes.u8()?),
            priority: bytes.u8()?,
            tries: bytes.u8()?,
            tries_left: bytes.u8()?,
            activation: bytes.u8()?,
            attempts: u16::from_le_bytes(bytes.take()?),
            security_version: bytes.u64()?,
            manifest: bytes.take()?,
        })
    }

    pub(super) fn encode(&self, out: &mut Out<'_>) {
        out.put(&[self.state.code(), self.reason.code(), self.priority]);
        out.put(&[self.tries, self.tries_left, self.activation]);
        out.put(&self.attempts.to_le_bytes());
        out.put(&self.security_version.to_le_bytes());
        out.put(&self.manifest);
    }
}
