//! One start of bootshim on a simulated disk.

use super::explorer::Crash;
use super::firmware::{Raise, Variable};
use super::image::Verdict;
use super::promise::{Broken, Promise};
use bootshim::boot::{Boot, Clearance, Defect, Event, Facts, Platform, Why};
use bootshim::choice::StartKind;
use bootshim::copies::{COPIES, SPACING, Store};
use bootshim::floor::{Floor, Kept};
use bootshim::guid::Guid;
use bootshim::medium::{Access, Cause, Fault, Medium};
use bootshim::record::{Arming, Record, SlotId, State};
use bootshim::reset::Cause as Reset;
use fakedisk::{BYTES, Block, Epoch};
use std::cell::{Cell, RefCell};
use std::sync::Arc;

/// A sector of the record that cannot be read any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dead {
    pub(super) copy: usize,
    /// Whether a write is accepted all the same, and lost.
    pub(super) swallows: bool,
}

/// The record's partition after a cut.
pub(super) struct Copies {
    blocks: RefCell<[Block; COPIES]>,
    dead: Option<Dead>,
    log: RefCell<Vec<Epoch>>,
    unflushed: Cell<bool>,
}

impl Copies {
    pub(super) fn new(blocks: [Block; COPIES], dead: Option<Dead>) -> Copies {
        Copies {
            blocks: RefCell::new(blocks),
            dead,
            log: RefCell::default(),
            unflushed: Cell::new(false),
        }
    }

    /// What bootshim wrote, flush by flush; the places are the copies.
    pub(super) fn log(&self) -> Vec<Epoch> {
        self.log.borrow().clone()
    }

    pub(super) fn dead(&self) -> Option<Dead> {
        self.dead
    }

    pub(super) fn blocks(&self) -> [Block; COPIES] {
        self.blocks.borrow().clone()
    }

    /// The record that a cut at this moment would leave: none where something
    /// waits for its flush.
    fn durable(&self, id: Guid) -> Option<Record> {
        let flushed = !self.unflushed.get();
        flushed
            .then(|| Store::open(self, id).record().cloned())
            .flatten()
    }

    fn access(&self, access: Access, offset: u64, length: usize) -> Result<usize, Fault> {
        assert_eq!(length, BYTES, "bootshim takes the copies whole");
        assert_eq!(offset % SPACING, 0, "bootshim takes nothing but the copies");
        let copy = usize::try_from(offset / SPACING).unwrap();
        let dead = self.dead.filter(|dead| dead.copy == copy);
        match dead {
            Some(dead) if access == Access::Read || !dead.swallows => Err(Fault {
                access,
                offset,
                length: u64::try_from(length).unwrap(),
                cause: Cause::Device(5),
            }),
            _ => Ok(copy),
        }
    }
}

impl Medium for Copies {
    fn len(&self) -> u64 {
        SPACING * u64::try_from(COPIES).unwrap()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Fault> {
        let copy = self.access(Access::Read, offset, buf.len())?;
        buf.copy_from_slice(self.blocks.borrow()[copy].bytes());
        Ok(())
    }
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Fault> {
        let copy = self.access(Access::Write, offset, data.len())?;
        let block = Block::new(data.try_into().unwrap());
        let mut log = self.log.borrow_mut();
        if !self.unflushed.replace(true) {
            log.push(Epoch::new());
        }
        log.last_mut().unwrap().push((copy, block.clone()));
        self.blocks.borrow_mut()[copy] = block;
        Ok(())
    }
    fn flush(&self) -> Result<(), Fault> {
        self.unflushed.set(false);
        Ok(())
    }
}

/// What started.
#[derive(Clone, Debug)]
pub(super) struct Started {
    pub(super) slot: SlotId,
    pub(super) kind: StartKind,
    /// The record that was handed over.
    pub(super) record: Record,
}

/// How a start went.
pub(super) struct Ended {
    pub(super) started: Option<Started>,
    /// The record as it was found.
    pub(super) found: Option<Record>,
    /// The record afterwards.
    pub(super) record: Option<Record>,
    /// The firmware's variable afterwards.
    pub(super) variable: Variable,
    /// When it was written.
    pub(super) raises: Vec<Raise>,
    pub(super) broken: Vec<Broken>,
}

/// One start: the slots and the firmware of the machine, and what led to it.
pub(super) struct Start<'a> {
    pub(super) id: Guid,
    /// What lies in its slots.
    pub(super) verdicts: &'a [Arc<Verdict>],
    /// A slot that cannot be read.
    pub(super) unreadable: Option<usize>,
    /// How many kernels its firmware refuses.
    pub(super) refuses: usize,
    /// What its firmware keeps.
    pub(super) variable: Variable,
    /// What led to the start.
    pub(super) reset: Reset,
}

impl<'a> Start<'a> {
    /// With this disk, switched on.
    pub(super) fn of(id: Guid, crash: &'a Crash) -> Start<'a> {
        Start {
            id,
            verdicts: &crash.verdicts,
            unreadable: None,
            refuses: 0,
            variable: crash.variable,
            reset: Reset::Other,
        }
    }

    /// Starts it from these copies of the record.
    pub(super) fn run(&self, copies: &Copies) -> Ended {
        let written = || copies.log.borrow().iter().map(Epoch::len).sum();
        self.run_from(copies, &|| copies.durable(self.id), &written)
    }

    /// Starts it. `durable` is the record that a cut at that moment would leave,
    /// `written` how much of the disk was written by then.
    pub(super) fn run_from<M: Medium>(
        &self,
        record: &M,
        durable: &dyn Fn() -> Option<Record>,
        written: &dyn Fn() -> usize,
    ) -> Ended {
        let platform = Watching {
            start: self,
            durable,
            written,
            variable: self.variable,
            raises: Vec::new(),
            found: None,
            refuses: self.refuses,
            committed: true,
            broken: Vec::new(),
        };
        let mut boot = Boot::new(record, self.id, self.verdicts.len(), platform);
        let found = boot.record().cloned();
        boot.platform().found.clone_from(&found);
        let started = boot.run();
        let record = boot.record().cloned();
        let platform = boot.into_platform();
        Ended {
            started,
            found,
            record,
            variable: platform.variable,
            raises: platform.raises,
            broken: platform.broken,
        }
    }
}

/// A platform that watches what bootshim does at the moment it does it.
struct Watching<'a> {
    start: &'a Start<'a>,
    durable: &'a dyn Fn() -> Option<Record>,
    written: &'a dyn Fn() -> usize,
    variable: Variable,
    raises: Vec<Raise>,
    found: Option<Record>,
    refuses: usize,
    /// Whether every commit so far went well.
    committed: bool,
    broken: Vec<Broken>,
}

impl Watching<'_> {
    /// At the moment of a start that has to be durable, it is.
    fn watch(&mut self, slot: SlotId, kind: StartKind, record: &Record) {
        let Some(arming) = kind.arming() else { return };
        if kind == StartKind::LastResort && !self.committed {
            // The one exception: nothing can be committed, nothing good starts.
            return;
        }
        let mut fails = |promise, words: String| self.broken.push(Broken { promise, words });
        let Some(durable) = (self.durable)() else {
            fails(
                Promise::Durable,
                format!("slot {slot} started before the flush of its arming"),
            );
            return;
        };
        let armed = durable.armed.map(|armed| (armed.slot, armed.as_what));
        if durable != *record || armed != Some((slot, arming)) {
            let words =
                format!("slot {slot} started as {kind}, and on the disk {armed:?} is armed");
            fails(Promise::Durable, words);
        }
        if arming == Arming::Once && durable.once.is_some() {
            fails(
                Promise::OnceCleared,
                format!("slot {slot} started once and is still to be started once"),
            );
        }
        let found = self.found.as_ref();
        let Some(before) = found.map(|found| *found.slot(slot)) else {
            return;
        };
        let after = durable.slot(slot);
        let cost = u8::from(before.state == State::Trying);
        let left = before.tries_left.saturating_sub(cost);
        let none = kind == StartKind::Trial && before.tries_left == 0;
        if none || after.attempts <= before.attempts || after.tries_left > left {
            let words = format!(
                "slot {slot} started as {kind}: tries {} then {}, attempts {} then {}",
                before.tries_left, after.tries_left, before.attempts, after.attempts
            );
            fails(Promise::Durable, words);
        }
    }
}

impl Platform for Watching<'_> {
    type Image = ();
    type Running = Started;

    fn load(&mut self, slot: SlotId) -> Result<(Facts, ()), Defect> {
        if self.start.unreadable == Some(slot.index()) {
            return Err(Defect::Unreadable(Fault {
                access: Access::Read,
                offset: 0,
                length: 4096,
                cause: Cause::Device(5),
            }));
        }
        let verdict = &self.start.verdicts[slot.index()];
        verdict.load.clone().map(|facts| (facts, ()))
    }

    fn manifest(&mut self, slot: SlotId) -> Result<Facts, Defect> {
        self.load(slot).map(|(facts, ())| facts)
    }

    fn floor(&mut self) -> Kept {
        self.variable.kept()
    }

    fn raise_floor(&mut self, to: Floor) -> Result<(), String> {
        assert_ne!(self.variable, Variable::Nowhere, "none is kept");
        self.variable = Variable::Holds(to);
        let at = (self.written)();
        self.raises.push(Raise { at, to });
        Ok(())
    }

    fn start(
        &mut self,
        clearance: Clearance,
        record: &Record,
        facts: &Facts,
        (): (),
    ) -> Result<Started, Why> {
        let (slot, kind) = (clearance.slot(), clearance.kind());
        if facts.manifest != record.slot(slot).manifest {
            let words = format!("slot {slot} started with another image than the record says");
            self.broken.push(Broken {
                promise: Promise::Signed,
                words,
            });
        }
        self.watch(slot, kind, record);
        if self.refuses > 0 {
            self.refuses -= 1;
            return Err(Why::NotStarted("the firmware does not take it".into()));
        }
        let record = record.clone();
        Ok(Started { slot, kind, record })
    }

    fn tell(&mut self, event: &Event) {
        self.committed &= !matches!(event, Event::CommitFailed(_) | Event::UnknownMajor(_));
    }

    fn seed(&self) -> u64 {
        0
    }

    fn last_reset(&self) -> Reset {
        self.start.reset
    }
}
