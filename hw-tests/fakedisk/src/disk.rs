//! A disk in memory, for tests: it keeps what is asked of it and in which order,
//! knows what a power cut would leave, and does wrong what it is told to.
//!
//! The unit tests of bootshim compile this file by its path: it uses nothing else of
//! this crate.

use bootshim::medium::{Access, BLOCK, Cause, Extent, Fault, Medium, check_range};
use std::boxed::Box;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock};
use std::vec;
use std::vec::Vec;

/// Length of a block in bytes.
pub const BYTES: usize = 4096;
const _: () = assert!(BLOCK == 4096, "blocks are those of the medium");

static ZERO: LazyLock<Block> = LazyLock::new(|| Block::new([0; BYTES]));

/// 4 KiB that never change, and that many contents share.
#[derive(Clone)]
pub struct Block(Arc<Data>);

struct Data {
    bytes: [u8; BYTES],
    hash: OnceLock<u64>,
}

impl Block {
    /// One with these bytes.
    #[must_use]
    pub fn new(bytes: [u8; BYTES]) -> Block {
        let hash = OnceLock::new();
        Block(Arc::new(Data { bytes, hash }))
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; BYTES] {
        &self.0.bytes
    }

    fn hash(&self) -> u64 {
        *self.0.hash.get_or_init(|| {
            let hash = blake3::hash(&self.0.bytes);
            u64::from_le_bytes(*hash.as_bytes().first_chunk().unwrap())
        })
    }

    /// What this block at this place adds to the fingerprint of a disk: each
    /// block by itself, so that one that changes changes little.
    #[must_use]
    pub fn mark(&self, place: usize) -> u64 {
        let place = u64::try_from(place).unwrap().wrapping_add(1);
        let mixed = self.hash() ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }
}

impl PartialEq for Block {
    fn eq(&self, other: &Block) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.bytes == other.0.bytes
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {:016x}", self.hash())
    }
}

/// All bytes of a disk: zeros take no room, and copies share their blocks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    len: u64,
    /// Those that are not all zeros.
    blocks: BTreeMap<usize, Block>,
}

impl Content {
    /// Zeros, `len` of them.
    #[must_use]
    pub fn zeros(len: u64) -> Content {
        let blocks = BTreeMap::new();
        Content { len, blocks }
    }

    /// These bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Content {
        let mut content = Content::zeros(bytes.len() as u64);
        content.write(0, bytes);
        content
    }

    /// How many blocks it has.
    #[must_use]
    pub fn blocks(&self) -> usize {
        usize::try_from(self.len).unwrap().div_ceil(BYTES)
    }

    /// The block at this place, counted in blocks.
    #[must_use]
    pub fn get(&self, place: usize) -> &Block {
        assert!(place < self.blocks(), "beyond the disk");
        self.blocks.get(&place).unwrap_or(&ZERO)
    }

    /// Puts a block there.
    pub fn set(&mut self, place: usize, block: Block) {
        assert!(place < self.blocks(), "beyond the disk");
        if block == *ZERO {
            self.blocks.remove(&place);
        } else {
            self.blocks.insert(place, block);
        }
    }

    /// The places of the blocks that are not all zeros.
    pub fn places(&self) -> impl Iterator<Item = usize> {
        self.blocks.keys().copied()
    }

    /// Fills `buf` from `offset`, wherever that is in a block.
    pub fn read(&self, offset: u64, buf: &mut [u8]) {
        let mut rest = buf;
        for (place, within) in pieces(offset, rest.len()) {
            let (here, later) = rest.split_at_mut(within.len());
            here.copy_from_slice(&self.get(place).bytes()[within]);
            rest = later;
        }
    }

    /// Writes these bytes anywhere; what would lie behind the end is left out.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        let room = usize::try_from(self.len.saturating_sub(offset)).unwrap();
        let mut rest = &bytes[..room.min(bytes.len())];
        for (place, within) in pieces(offset, rest.len()) {
            let (here, later) = rest.split_at(within.len());
            let mut block = *self.get(place).bytes();
            block[within].copy_from_slice(here);
            self.set(place, Block::new(block));
            rest = later;
        }
    }

    /// The bytes of a range.
    #[must_use]
    pub fn bytes(&self, range: Range<usize>) -> Vec<u8> {
        let mut bytes = vec![0; range.len()];
        self.read(range.start as u64, &mut bytes);
        bytes
    }

    /// All bytes.
    #[must_use]
    pub fn all(&self) -> Vec<u8> {
        self.bytes(0..usize::try_from(self.len).unwrap())
    }

    /// The places of the blocks that differ.
    #[must_use]
    pub fn differs(&self, other: &Content) -> Vec<usize> {
        let places: BTreeSet<_> = self.places().chain(other.places()).collect();
        let differs = |place: &usize| self.get(*place) != other.get(*place);
        places.into_iter().filter(differs).collect()
    }

    /// A number that differs where the bytes of these blocks differ, wherever on
    /// the disk they lie.
    #[must_use]
    pub fn fingerprint(&self, places: Range<usize>) -> u64 {
        let blocks = places.map(|place| self.get(place)).enumerate();
        blocks.fold(0, |sum, (place, block)| sum ^ block.mark(place))
    }
}

/// The blocks that a range touches, and what of each.
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
    let start = usize::try_from(offset).unwrap();
    let places = start / BYTES..(start + length).div_ceil(BYTES);
    places.filter(move |_| length > 0).map(move |place| {
        let first = place * BYTES;
        let end = (start + length - first).min(BYTES);
        (place, start.saturating_sub(first)..end)
    })
}

/// What a disk was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// To do what.
    pub access: Access,
    /// First byte of the range; 0 for a flush.
    pub offset: u64,
    /// Length of the range; 0 for a flush.
    pub length: usize,
}

impl Asked {
    /// What was asked, and where it began.
    #[must_use]
    pub fn place(&self) -> (Access, u64) {
        (self.access, self.offset)
    }
}

/// One thing that a disk does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It says no, and does nothing.
    Refuses,
    /// It says no with this error; where that was a flush, what was not flushed
    /// is lost, as Linux has it.
    Fails(i32),
    /// This range says no from now on.
    Dies,
    /// Only the first half is done.
    Short,
    /// It is gone, with all that was not flushed, and stays so.
    Vanishes,
    /// One bit comes back changed, in the byte at this place or the last one.
    Differs(usize),
    /// It says that it wrote, and did not.
    Loses,
    /// It writes with one bit changed.
    Alters,
}

// A device that is not there, and one that fails, as Linux numbers them.
const ENODEV: i32 = 19;
const EIO: i32 = 5;

/// Where and when a disk does something wrong.
#[derive(Clone, Debug)]
pub struct Injection {
    /// With which access, where it begins there.
    pub place: (Access, u64),
    /// How often that was asked before, since it was injected.
    pub turns: Range<usize>,
    /// What it does.
    pub wrong: Wrong,
}

/// Writes between two flushes: blocks with their places. The disk may have made
/// any of them durable, in any order, until the flush says all.
pub type Epoch = Vec<(usize, Block)>;

/// Something that happens at a moment of something else.
pub type Interruption = Box<dyn FnOnce() + Send>;

/// The disk.
pub struct FakeDisk {
    len: u64,
    state: Mutex<State>,
    interruption: Mutex<Option<(usize, Interruption)>>,
}

#[derive(Default)]
struct State {
    now: Content,
    durable: Content,
    unflushed: Epoch,
    epochs: Vec<Epoch>,
    asked: Vec<Asked>,
    /// With how often each was met.
    injections: Vec<(Injection, usize)>,
    dead: Option<Extent>,
    gone: bool,
}

impl FakeDisk {
    /// An empty one.
    #[must_use]
    pub fn new(len: u64) -> FakeDisk {
        FakeDisk::of(Content::zeros(len))
    }

    /// One that holds this.
    #[must_use]
    pub fn of(content: Content) -> FakeDisk {
        FakeDisk {
            len: content.len,
            state: Mutex::new(State {
                durable: content.clone(),
                now: content,
                ..State::default()
            }),
            interruption: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// From now on this goes wrong, and nothing else.
    pub fn inject(&self, injections: impl IntoIterator<Item = Injection>) {
        self.state().injections = injections
            .into_iter()
            .map(|injection| (injection, 0))
            .collect();
    }

    /// From now on these accesses go wrong, each time.
    pub fn always(&self, wrong: Wrong, places: &[(Access, u64)]) {
        let turns = 0..usize::MAX;
        self.inject(places.iter().map(|place| Injection {
            place: *place,
            turns: turns.clone(),
            wrong,
        }));
    }

    /// From now on these accesses are refused.
    pub fn refuse(&self, places: &[(Access, u64)]) {
        self.always(Wrong::Refuses, places);
    }

    /// Somebody else does something just before the first write from this block
    /// on.
    pub fn interrupt(&self, from: usize, interruption: Interruption) {
        *self.interruption.lock().unwrap() = Some((from, interruption));
    }

    /// Whether each injection went wrong at least once: a test of one that never did
    /// tests nothing.
    pub fn all_struck(&self) -> bool {
        let injections = &self.state().injections;
        injections.iter().all(|(one, met)| *met > one.turns.start)
    }

    /// What was asked since the last time that this was.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state().asked)
    }

    /// The same, without the lengths.
    pub fn order(&self) -> Vec<(Access, u64)> {
        self.asked().iter().map(Asked::place).collect()
    }

    /// What it holds.
    pub fn content(&self) -> Content {
        self.state().now.clone()
    }

    /// What a power cut would leave if it took all that was not flushed.
    pub fn durable(&self) -> Content {
        self.state().durable.clone()
    }

    /// Puts bytes anywhere on it, behind the back of who asks.
    pub fn put(&self, at: usize, bytes: &[u8]) {
        assert!((at + bytes.len()) as u64 <= self.len, "beyond the disk");
        let mut state = self.state();
        state.now.write(at as u64, bytes);
        state.durable.write(at as u64, bytes);
    }

    /// Changes these bits of one byte, in the same way.
    pub fn flip(&self, at: usize, bits: u8) {
        let byte = self.content().bytes(at..at + 1)[0];
        self.put(at, &[byte ^ bits]);
    }

    /// Whether something was written and not yet flushed.
    pub fn is_unflushed(&self) -> bool {
        !self.state().unflushed.is_empty()
    }

    /// What was written since the start, epoch by epoch; the last is what no
    /// flush followed. Several threads write the pieces of a slot: within an
    /// epoch the order is that of the places, so that every run is the same.
    pub fn epochs(&self) -> Vec<Epoch> {
        let state = self.state();
        let mut epochs = state.epochs.clone();
        epochs.push(state.unflushed.clone());
        epochs.retain(|epoch| !epoch.is_empty());
        for epoch in &mut epochs {
            epoch.sort_by_key(|(place, _)| *place);
        }
        epochs
    }

    fn access(
        &self,
        access: Access,
        offset: u64,
        length: usize,
        act: impl FnOnce(&mut State, Option<Wrong>) -> Result<(), Cause>,
    ) -> Result<(), Fault> {
        let mut state = self.state();
        let request = Asked {
            access,
            offset,
            length,
        };
        state.asked.push(request);
        check_range(access, offset, length, self.len)?;
        let wrong = state.strike(&request);
        let done = wrong.and_then(|wrong| act(&mut state, wrong));
        done.map_err(|cause| Fault {
            access,
            offset,
            length: length as u64,
            cause,
        })
    }
}

impl State {
    /// What goes wrong with this access, where it does not fail as a whole.
    fn strike(&mut self, request: &Asked) -> Result<Option<Wrong>, Cause> {
        let here = Extent {
            start: request.offset,
            len: request.length as u64,
        };
        if self.gone {
            return Err(Cause::Device(ENODEV));
        }
        if self.dead.is_some_and(|dead| !dead.is_apart(here)) {
            return Err(Cause::Device(EIO));
        }
        let mut strikes = None;
        let place = request.place();
        for (injection, met) in &mut self.injections {
            if injection.place == place {
                let due = injection.turns.contains(met);
                strikes = strikes.or(due.then_some(injection.wrong));
                *met += 1;
            }
        }
        let number = match strikes {
            Some(Wrong::Refuses) => EIO,
            Some(Wrong::Fails(number)) => {
                if request.access == Access::Flush {
                    self.lose();
                }
                number
            }
            Some(Wrong::Dies) => {
                self.dead = Some(here);
                EIO
            }
            Some(Wrong::Vanishes) => {
                self.lose();
                self.gone = true;
                ENODEV
            }
            wrong => return Ok(wrong),
        };
        Err(Cause::Device(number))
    }

    fn lose(&mut self) {
        for (place, _) in std::mem::take(&mut self.unflushed) {
            self.now.set(place, self.durable.get(place).clone());
        }
    }
}

impl Medium for FakeDisk {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Fault> {
        let length = buf.len();
        self.access(Access::Read, offset, length, |state, wrong| {
            if wrong == Some(Wrong::Short) {
                state.now.read(offset, &mut buf[..length / 2]);
                return Err(Cause::OutOfRange);
            }
            state.now.read(offset, buf);
            if let Some(Wrong::Differs(at)) = wrong {
                buf[at.min(length - 1)] ^= 1;
            }
            Ok(())
        })
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Fault> {
        let first = usize::try_from(offset).unwrap() / BYTES;
        let due = |(from, _): &mut (usize, Interruption)| first >= *from;
        let interruption = self.interruption.lock().unwrap().take_if(due);
        if let Some((_, interruption)) = interruption {
            interruption();
        }
        self.access(Access::Write, offset, data.len(), |state, wrong| {
            let done = match wrong {
                Some(Wrong::Loses) => return Ok(()),
                Some(Wrong::Short) => data.len() / 2,
                _ => data.len(),
            };
            state.now.write(offset, &data[..done]);
            if wrong == Some(Wrong::Alters) {
                state.now.write(offset + 200, &[data[200] ^ 1]);
            }
            for place in first..first + data.len() / BYTES {
                let block = state.now.get(place).clone();
                state.unflushed.push((place, block));
            }
            match wrong {
                Some(Wrong::Short) => Err(Cause::Device(EIO)),
                _ => Ok(()),
            }
        })
    }

    fn flush(&self) -> Result<(), Fault> {
        self.access(Access::Flush, 0, 0, |state, _| {
            let epoch = std::mem::take(&mut state.unflushed);
            for (place, block) in &epoch {
                state.durable.set(*place, block.clone());
            }
            state.epochs.push(epoch);
            Ok(())
        })
    }
}

impl fmt::Debug for FakeDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a disk in memory")
    }
}
