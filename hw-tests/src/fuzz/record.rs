//! The four copies of the boot record: whatever lies there.

use super::input::Input;
use bootshim::boot::{Boot, Clearance, Defect, Event, Facts, Platform, Why};
use bootshim::choice::StartKind;
use bootshim::copies::{COPIES, CommitError, Copy, Note, SPACING, Store};
use bootshim::floor::{Floor, Kept};
use bootshim::guid::Guid;
use bootshim::medium::Access::{Flush, Read, Write};
use bootshim::record::{Reason, Record, SlotId};
use bootshim::state::Next;
use fakedisk::{Asked, BYTES, FakeDisk, blocks, copies};

#[path = "../../../bootshim/examples/golden/describe.rs"]
mod describe;
#[path = "../../../bootshim/tests/record/second_reader.rs"]
mod second_reader;

/// How much of a record its hash covers.
const HASHED: usize = 480;
/// The partition of the golden vectors.
const PARTITION: Guid = Guid::from_written([
    0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
]);

type Block = [u8; BYTES];
type Blocks = [Block; COPIES];

/// Any four blocks give the answer that a second reader gives; a commit to them
/// survives, cut wherever you like; and no boot starts what did not verify, or a
/// trial that is not durable.
pub fn record(data: &[u8]) {
    let mut input = Input(data);
    let case = Case::take(&mut input);
    case.both_readers_agree();
    // What a copy that cannot be read holds is nobody's guess.
    if case.unreadable == 0 {
        case.a_commit_survives();
        case.a_record_on_one_copy_is_completed();
    }
    case.a_boot_starts_what_it_may();
}

/// The bytes of a case with these four blocks, everything readable and sealed.
pub(super) fn encoded(blocks: &[u8]) -> Vec<u8> {
    let block = |copy: usize| &blocks[copy * BYTES..][..BYTES];
    let sealed = |copy: usize, end: usize| {
        let hash = blake3::hash(&block(copy)[end..][..HASHED]);
        hash.as_bytes()[..] == block(copy)[HASHED..512]
    };
    let seal = (0..COPIES).fold(0xf0, |bits, copy| bits | u8::from(sealed(copy, 0)) << copy);
    let mut bytes = vec![seal, 0, 3, 0xff, 0xff, 200, 0];
    for copy in 0..COPIES {
        bytes.extend(&block(copy)[..HASHED]);
    }
    for copy in 0..COPIES {
        let length = block(copy)[512..514].try_into().unwrap();
        let end = 514 + usize::from(u16::from_le_bytes(length)).min(64);
        bytes.extend(super::input::counted(&block(copy)[512..end]));
    }
    bytes
}

struct Case {
    blocks: Blocks,
    /// One bit per copy that the device does not give.
    unreadable: u8,
    /// How many slots the disk has.
    slots: usize,
    /// One bit per slot that verifies.
    verifies: u8,
    /// One bit per slot that starts.
    starts: u8,
    /// Where the write that is cut ends.
    torn: usize,
}

impl Case {
    fn take(input: &mut Input<'_>) -> Case {
        let [seal, unreadable, slots, verifies, starts] = input.array();
        let torn = usize::from(input.u16()) % (BYTES + 1);
        let mut blocks = [[0; BYTES]; COPIES];
        for block in &mut blocks {
            block[..HASHED].copy_from_slice(&input.array::<HASHED>());
        }
        for (copy, block) in blocks.iter_mut().enumerate() {
            let note = input.counted();
            let room = 4064 - 512;
            let length = note.len().min(room);
            block[512..512 + length].copy_from_slice(&note[..length]);
            if seal & 1 << copy != 0 {
                seal_part(block, 0..HASHED);
            }
            if seal & 16 << copy != 0 {
                seal_part(block, 512..4064);
            }
        }
        Case {
            blocks,
            unreadable: unreadable & 15,
            slots: 2 + usize::from(slots % 7),
            verifies,
            starts,
            torn,
        }
    }

    fn medium(&self) -> FakeDisk {
        let medium = copies(&self.blocks);
        let unreadable = (0..COPIES).filter(|copy| self.unreadable & 1 << copy != 0);
        let places = unreadable.flat_map(|copy| [Read, Write].map(|access| (access, at(copy))));
        medium.refuse(&places.collect::<Vec<_>>());
        medium
    }

    fn both_readers_agree(&self) {
        let readable = std::array::from_fn(|copy| self.unreadable & 1 << copy == 0);
        let second = second_reader::describe(&self.blocks, readable, PARTITION.0);
        let store = Store::open(self.medium(), PARTITION);
        assert_eq!(describe::describe(&store), second);
        if let Some(record) = store.record() {
            let again = Record::decode(&record.encode(), PARTITION);
            assert_eq!(again.as_ref(), Ok(record), "what is written is read back");
        }
    }

    fn a_commit_survives(&self) {
        let medium = self.medium();
        let mut store = Store::open(&medium, PARTITION);
        let before = store.record().cloned();
        let found = *store.copies();
        let mut next = before.clone().unwrap_or(Record::new(PARTITION, self.slots));
        next.floor ^= 1;
        let committed = store.commit(Next::by_hand(next), Note::new("a note"));
        match committed {
            Ok(durable) => {
                assert!(store.unknown_major().is_none());
                let after = durable.record();
                assert!(numbers(&found).all(|number| number < after.sequence));
                let again = open(blocks(&medium));
                assert_eq!(again.record(), Some(after));
                assert_eq!(again.note().text(), "a note");
                // Of two that conflict one may count when the other is gone.
                if !found
                    .iter()
                    .any(|copy| matches!(copy, Copy::Conflicting(_)))
                {
                    self.every_cut_leaves_one_of_two(&medium, before.as_ref(), after);
                }
            }
            Err(CommitError::UnknownMajor(_) | CommitError::NoNumberLeft) => {
                let last = (1 << 63) - 1;
                let full = numbers(&found).any(|number| number == last);
                assert!(store.unknown_major().is_some() || full);
                assert!(medium.epochs().is_empty());
            }
            Err(error) => panic!("a device that works: {error}"),
        }
    }

    fn every_cut_leaves_one_of_two(&self, medium: &FakeDisk, old: Option<&Record>, new: &Record) {
        let mut blocks = self.blocks;
        for (place, block) in medium.epochs().concat() {
            let copy = (0..COPIES).find(|copy| at(*copy) == (place * BYTES) as u64);
            let copy = copy.expect("nothing but the copies is written");
            let mut torn = blocks;
            torn[copy][..self.torn].copy_from_slice(&block.bytes()[..self.torn]);
            let found = open(torn);
            assert!(found.record() == old || found.record() == Some(new));
            blocks[copy] = *block.bytes();
            assert_eq!(open(blocks).record(), Some(new));
        }
    }

    fn a_record_on_one_copy_is_completed(&self) {
        let medium = self.medium();
        let mut store = Store::open(&medium, PARTITION);
        let Some(before) = store.record().cloned() else {
            assert!(store.complete().is_err());
            return;
        };
        if store.unknown_major().is_some() {
            assert!(store.complete().is_err());
            return;
        }
        assert_eq!(store.complete().unwrap().record(), &before);
        let completed = blocks(&medium);
        for lost in 0..COPIES {
            let mut blocks = completed;
            blocks[lost] = [0; BYTES];
            let found = open(blocks);
            let conflict = |copy: &Copy| matches!(copy, Copy::Conflicting(_));
            if !store.copies().iter().any(conflict) {
                assert_eq!(found.record(), Some(&before), "without copy {lost}");
            }
        }
    }

    fn a_boot_starts_what_it_may(&self) {
        let medium = self.medium();
        let before = Store::open(&medium, PARTITION).record().cloned();
        let platform = Fakes {
            case: self,
            before: before.as_ref(),
        };
        let outcome = Boot::new(&medium, PARTITION, self.slots, platform).run();
        let mut copies = medium.asked().into_iter().filter(|one| one.access != Flush);
        let whole = |one: Asked| one.length == BYTES && one.offset.is_multiple_of(SPACING);
        assert!(copies.all(whole), "nothing else is accessed");
        let Some((slot, kind)) = outcome else {
            return;
        };
        assert!(self.verifies & 1 << slot.index() != 0, "it did not verify");
        if matches!(kind, StartKind::Once | StartKind::Trial) && self.unreadable == 0 {
            let after = open(blocks(&medium)).record().cloned().unwrap();
            assert_eq!(after.armed.unwrap().slot, slot);
            // One that names no image is void, and no reason not to start a trial.
            assert!(kind == StartKind::Trial || after.once.is_none());
            if let (StartKind::Trial, Some(before)) = (kind, before) {
                let left = before.slot(slot).tries_left;
                assert!(after.slot(slot).tries_left < left.max(1));
            }
        }
    }
}

fn numbers(copies: &[Copy; COPIES]) -> impl Iterator<Item = u64> + '_ {
    copies.iter().filter_map(|copy| match copy {
        Copy::Valid(number) | Copy::Conflicting(number) => Some(*number),
        _ => None,
    })
}

fn seal_part(block: &mut Block, part: std::ops::Range<usize>) {
    let end = part.end;
    let hash = blake3::hash(&block[part]);
    block[end..end + 32].copy_from_slice(hash.as_bytes());
}

fn at(copy: usize) -> u64 {
    copy as u64 * SPACING
}

fn open(blocks: Blocks) -> Store<FakeDisk> {
    Store::open(copies(&blocks), PARTITION)
}

/// A platform that holds what the case says.
struct Fakes<'a> {
    case: &'a Case,
    before: Option<&'a Record>,
}

impl Platform for Fakes<'_> {
    type Image = ();
    type Running = (SlotId, StartKind);

    fn load(&mut self, slot: SlotId) -> Result<(Facts, ()), Defect> {
        if self.case.verifies & 1 << slot.index() == 0 {
            return Err(Defect::Bad(Reason::Unreadable, String::new()));
        }
        let known = self.before.filter(|record| record.has(slot));
        let manifest = known.map_or([9; 32], |record| record.slot(slot).manifest);
        let facts = Facts {
            manifest,
            security_version: 7,
            revoke_below: 0,
            key_epoch: None,
            version: "1".into(),
        };
        Ok((facts, ()))
    }

    fn manifest(&mut self, slot: SlotId) -> Result<Facts, Defect> {
        self.load(slot).map(|(facts, ())| facts)
    }

    fn floor(&mut self) -> Kept {
        Kept::Nowhere("no firmware here".into())
    }

    fn raise_floor(&mut self, _: Floor) -> Result<(), String> {
        unreachable!("none is kept")
    }

    fn start(
        &mut self,
        clearance: Clearance,
        _: &Record,
        _: &Facts,
        (): (),
    ) -> Result<(SlotId, StartKind), Why> {
        let (slot, kind) = (clearance.slot(), clearance.kind());
        match self.case.starts & 1 << slot.index() {
            0 => Err(Why::NotStarted("refused".into())),
            _ => Ok((slot, kind)),
        }
    }

    fn tell(&mut self, event: &Event) {
        assert!(!event.to_string().is_empty());
    }

    fn seed(&self) -> u64 {
        u64::from(self.case.starts)
    }
}
