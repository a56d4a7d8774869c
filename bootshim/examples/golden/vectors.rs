//! The golden vectors, as `docs/boot-record.md` lists them.

use bootshim::copies::{COPIES, CommitError, Note, Store};
use bootshim::guid::Guid;
use bootshim::record::{Arming, Reason, Record, Slot, SlotId, Stage, State};
use bootshim::state::{self, Next};
use fakedisk::{BYTES, FakeDisk, blocks, copies};
use std::error::Error;

/// The block of one copy.
pub type Block = [u8; BYTES];

/// The blocks of the four copies.
pub type Blocks = [Block; COPIES];

/// `00112233-4455-6677-8899-aabbccddeeff`.
pub const PARTITION: Guid = Guid::from_written([
    0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
]);

const BLANK: Block = [0; BYTES];

/// A reader on such blocks.
pub fn open(blocks: &Blocks) -> Store<FakeDisk> {
    Store::open(copies(blocks), PARTITION)
}

/// Every vector with its name.
pub fn all() -> Result<Vec<(&'static str, Blocks)>, Box<dyn Error>> {
    let alone = |block: Block| [block, BLANK, BLANK, BLANK];
    let [g4, g5, g6] = [numbered(4)?, numbered(5)?, numbered(6)?];
    let mut torn = g6;
    for (to, from) in torn.iter_mut().zip(g4).skip(300) {
        *to = from;
    }
    let elsewhere = sealed(g5, &[(24, 0)]);
    Ok(vec![
        ("fresh", fresh()?),
        ("trial-armed-with-note", alone(trial()?)),
        ("last-failure", alone(failure()?)),
        ("later-minor", alone(later_minor()?)),
        ("last-minor", alone(last_minor()?)),
        ("eight-slots", alone(eight_slots()?)),
        ("watchdog-resets", alone(watchdog_resets()?)),
        ("starts", alone(starts()?)),
        ("good-on-trial", alone(good_on_trial()?)),
        ("activations", alone(activations()?)),
        ("orders", alone(orders()?)),
        ("note-with-more", alone(note_with_more()?)),
        ("newest-on-one-copy", [g5, g5, g6, g4]),
        ("torn-write", [g5, g5, torn, g4]),
        ("equal-numbers", [g4, g4, g5, sealed(g5, &[(13, 4)])]),
        (
            "unknown-major",
            [g5, g5, g4, sealed(g6, &[(8, 2), (96, 255)])],
        ),
        ("copied-from-elsewhere", [elsewhere; COPIES]),
        (
            "number-too-high",
            [g4, sealed(g4, &[(23, 128)]), BLANK, BLANK],
        ),
        ("all-lost", [BLANK, torn, [255; BYTES], elsewhere]),
    ])
}

/// A new disk with three slots, as the factory writes it.
fn fresh() -> Result<Blocks, CommitError> {
    let memory = copies(&[BLANK; COPIES]);
    Store::open(&memory, PARTITION)
        .commit_everywhere(Next::by_hand(Record::new(PARTITION, 3)), Note::default())?;
    Ok(blocks(&memory))
}

/// Slot b runs on trial for the second time; the first start was given up.
fn trial() -> Result<Block, Box<dyn Error>> {
    let (a, b) = (id("a")?, id("b")?);
    let mut record = Record::from(state::activate(&installed()?, b, 3)?);
    record.sequence = 7;
    let record = state::arm(&record, b, Arming::Trial);
    let record = state::give_up_start(&record, b, Reason::Deadline)?;
    let mut record = Record::from(state::arm(&record, b, Arming::Trial));
    record.once = Some(a);
    let note = Note::new("check web: connection refused after 5min – überfällig");
    Ok(block(record, note, 9)?)
}

/// Slot b is bad, slot a boots.
fn failure() -> Result<Block, Box<dyn Error>> {
    let b = id("b")?;
    let mut record = Record::from(state::activate(&installed()?, b, 2)?);
    record.sequence = 19;
    let record = state::arm(&record, b, Arming::Trial);
    let record = state::fail(&record, b, Reason::Exhausted, Stage::Started);
    Ok(block(record.into(), Note::default(), 20)?)
}

/// As a later minor than 2 was thought of before there was one: minor 3 has since given
/// a meaning to the byte in the slot.
fn later_minor() -> Result<Block, Box<dyn Error>> {
    let plain = block(installed()?, Note::default(), 5)?;
    let unknown = [
        (10, 3),
        (45, 1),
        (47, 2),
        (64, 3),
        (95, 4),
        (97, 200),
        (101, 7),
    ];
    Ok(sealed(plain, &unknown))
}

/// The last minor: every byte that this one keeps is in use, and an unknown reason.
fn last_minor() -> Result<Block, Box<dyn Error>> {
    let plain = block(installed()?, Note::default(), 6)?;
    let kept = [47].into_iter().chain(66..72).zip(1..);
    let unknown = [(10, 255), (11, 255), (97, 201)];
    Ok(sealed(plain, &kept.chain(unknown).collect::<Vec<_>>()))
}

/// Eight slots in every state, and the largest numbers.
fn eight_slots() -> Result<Block, CommitError> {
    let mut record = Record::new(PARTITION, 8);
    let order = [0, 1, 2, 3, 4, 5, 4, 5].map(|place| State::ALL.get(place).copied());
    for ((id, state), fill) in record.ids().zip(order).zip(1u8..) {
        let state = state.unwrap_or(State::Empty);
        if state != State::Empty {
            record.set_slot(id, full_slot(state, fill));
        }
    }
    record.default_tries = 99;
    record.floor = u64::MAX;
    block(record, Note::new("x"), (1 << 63) - 1)
}

fn full_slot(state: State, fill: u8) -> Slot {
    let manifest = if state == State::Writing { 0 } else { fill };
    Slot {
        state,
        reason: Reason::from_code(fill),
        priority: 255 - fill,
        tries: 99,
        tries_left: 99 - fill,
        attempts: 65535,
        security_version: u64::MAX - u64::from(fill),
        manifest: [manifest; 32],
        activation: 0,
    }
}

/// Slots a and b good, b above a; slot c empty.
fn two_good() -> Result<Record, Box<dyn Error>> {
    let b = id("b")?;
    let on_trial = state::activate(&installed()?, b, 3)?;
    let armed = state::arm(&on_trial, b, Arming::Trial);
    Ok(state::confirm(&armed, b, &[0xb2; 32])?.into())
}

/// Minor 1: the watchdog ended two starts of slot b in a row.
fn watchdog_resets() -> Result<Block, Box<dyn Error>> {
    let mut record = two_good()?;
    record.set_watchdog_resets(Some((id("b")?, 2)));
    Ok(block(record, Note::default(), 31)?)
}

/// Minor 2: slots a and b have said that they are up; two starts of b since have not.
fn starts() -> Result<Block, Box<dyn Error>> {
    let mut record = two_good()?;
    for (letter, manifest) in [("a", 0xa1), ("b", 0xb2)] {
        record = state::came_up(&record, id(letter)?, &[manifest; 32])?.into();
    }
    record.set_starts(Some((id("b")?, 2)));
    Ok(block(record, Note::default(), 32)?)
}

/// Slot a was good and is on trial: it has its priority still.
fn good_on_trial() -> Result<Block, Box<dyn Error>> {
    let record = state::activate(&two_good()?, id("a")?, 3)?;
    Ok(block(record.into(), Note::default(), 33)?)
}

/// Minor 3: slot b is on trial again under the number 255, slot a has never had one.
fn activations() -> Result<Block, Box<dyn Error>> {
    let (before, b) = (two_good()?, id("b")?);
    let (a, note) = (id("a")?, Note::default());
    let on_trial = state::activate(&before, a, 3)?;
    let a_again = state::confirm(&state::arm(&on_trial, a, Arming::Trial), a, &[0xa1; 32])?;
    let flip = state::activate(&a_again, b, 3)?;
    Ok(block(
        state::number(&a_again, flip, b, 255).into(),
        note,
        35,
    )?)
}

/// Minor 4: an order was accepted whose counter has a value in each of its bytes.
fn orders() -> Result<Block, Box<dyn Error>> {
    let accepted = state::accept_order(&two_good()?, 0xfedc_ba98_7654);
    Ok(block(accepted.into(), Note::default(), 36)?)
}

/// A note with a byte behind it that is not zero, under a right hash: no note.
fn note_with_more() -> Result<Block, Box<dyn Error>> {
    let mut block = block(installed()?, Note::new("why"), 34)?;
    if let Some((area, hash)) = block
        .get_mut(512..)
        .and_then(|area| area.split_at_mut_checked(3552))
    {
        if let Some(behind) = area.get_mut(100) {
            *behind = 1;
        }
        hash.copy_from_slice(blake3::hash(area).as_bytes());
    }
    Ok(block)
}

/// Slot a good, slot b ready, slot c empty.
fn installed() -> Result<Record, Box<dyn Error>> {
    let (a, b) = (id("a")?, id("b")?);
    let mut record = Record::new(PARTITION, 3);
    for (id, manifest, security) in [(a, 0xa1, 7), (b, 0xb2, 8)] {
        let writing = state::begin_writing(&record, id, None)?;
        record = state::finish_writing(&writing, id, [manifest; 32], security)?.into();
    }
    Ok(state::provision(&record, a)?.into())
}

/// The same record under this number.
fn numbered(number: u8) -> Result<Block, Box<dyn Error>> {
    Ok(block(installed()?, Note::default(), number.into())?)
}

fn id(letter: &str) -> Result<SlotId, Box<dyn Error>> {
    letter
        .parse()
        .map_err(|_| "not the letter of a slot".into())
}

/// A record and its note as a commit writes them, under this number.
fn block(record: Record, note: Note, number: u64) -> Result<Block, CommitError> {
    let memory = copies(&[BLANK; COPIES]);
    Store::open(&memory, PARTITION).commit_everywhere(Next::by_hand(record), note)?;
    let [block, ..] = blocks(&memory);
    let bytes: Vec<(usize, u8)> = (16..24).zip(number.to_le_bytes()).collect();
    Ok(sealed(block, &bytes))
}

/// A block with single bytes of its record changed, and the hash to match.
fn sealed(mut block: Block, changes: &[(usize, u8)]) -> Block {
    for (at, value) in changes {
        if let Some(byte) = block.get_mut(*at) {
            *byte = *value;
        }
    }
    let (hashed, rest) = block.split_at_mut(480);
    for (to, from) in rest.iter_mut().zip(blake3::hash(hashed).as_bytes()) {
        *to = *from;
    }
    block
}
