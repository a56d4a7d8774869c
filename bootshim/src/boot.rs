//! One start, from the boot record to the kernel: read, choose, commit, verify,
//! start; on failure the next candidate.
//!
//! The UEFI program runs this with the firmware as its [`Platform`], `slotctl
//! next-boot` with one that starts nothing, and the simulator with one that
//! cut the power. The order of operations is here and nowhere else: [`Boot::run`];
//! what a lost record becomes is in `rebuild.rs`.

use crate::chainload::Chainload;
use crate::choice::{self, Situation, Slots, StartKind, Step};
use crate::copies::{COPIES, CommitError, Copy, Durable, Note, Store};
use crate::floor::{Demand, Floor, FloorInForce, Keeper, Kept};
use crate::guid::Guid;
use crate::medium::{Fault, Medium};
use crate::record::{Digest, Reason, Record, SlotId, Stage, State};
use crate::reset::{self, Cause, Meaning};
use crate::state::{self, Next};
use alloc::string::String;
use core::fmt;

mod event;
mod rebuild;

pub use event::{Event, Why};

/// What is known of an image whose manifest and boot payloads verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// BLAKE3 of its manifest.
    pub manifest: Digest,
    /// Its security version.
    pub security_version: u64,
    /// The security versions below this one are dead once it is good.
    pub revoke_below: u64,
    /// The epoch of the key set under which it was accepted; `None` where epochs
    /// decide nothing.
    pub key_epoch: Option<u64>,
    /// Its version, in dpkg's order.
    pub version: String,
}

/// Why a slot does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Defect {
    /// The device did not give its bytes: no judgement on the slot.
    Unreadable(Fault),
    /// It is not what its manifest says, or no trusted key signed that.
    Bad(Reason, String),
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Defect::Unreadable(fault) => write!(f, "unreadable: {fault}"),
            Defect::Bad(reason, detail) if detail.is_empty() => write!(f, "{reason}"),
            Defect::Bad(reason, detail) => write!(f, "{reason}: {detail}"),
        }
    }
}

/// Clearance to start one slot. It exists only where the start is durable in the
/// record, or needs no record: for a good slot, and for the one exception, that
/// nothing can be committed and nothing good starts.
#[derive(Debug)]
pub struct Clearance {
    slot: SlotId,
    kind: StartKind,
}

impl Clearance {
    /// The slot that may start.
    pub fn slot(&self) -> SlotId {
        self.slot
    }

    /// As what.
    pub fn kind(&self) -> StartKind {
        self.kind
    }

    /// For the same start once more, where nothing of it ran.
    fn again(&self) -> Clearance {
        Clearance {
            slot: self.slot,
            kind: self.kind,
        }
    }

    fn armed(proof: &Durable, slot: SlotId, kind: StartKind) -> Option<Clearance> {
        let armed = proof.record().armed?;
        (armed.slot == slot && Some(armed.as_what) == kind.arming())
            .then_some(Clearance { slot, kind })
    }
}

/// What the decision needs from the machine it runs on.
pub trait Platform {
    /// An image in memory, verified, whose very bytes are going to run.
    type Image;
    /// What a start that worked leaves behind; uninhabited where it never
    /// returns.
    type Running;

    /// Reads a slot's manifest and boot payloads, once, and verifies them. Bytes
    /// that could not be read are no defect of the slot.
    fn load(&mut self, slot: SlotId) -> Result<(Facts, Self::Image), Defect>;

    /// Reads a slot's manifest and verifies that, and nothing else of the slot.
    fn manifest(&mut self, slot: SlotId) -> Result<Facts, Defect>;

    /// The floor that the firmware keeps where the operating system cannot lower
    /// it.
    fn floor(&mut self) -> Kept;

    /// Keeps this floor there from now on, whole or not at all. Never asked of a
    /// platform that keeps none. Where the firmware does not, the one before is
    /// still there.
    fn raise_floor(&mut self, floor: Floor) -> Result<(), String>;

    /// Starts a verified image. An error says why it was refused or came back; what could
    /// not be read is no defect of the slot.
    fn start(
        &mut self,
        clearance: Clearance,
        record: &Record,
        facts: &Facts,
        image: Self::Image,
    ) -> Result<Self::Running, Why>;

    /// Told of everything that is found and decided, as it happens.
    fn tell(&mut self, event: &Event);

    /// A number that differs from start to start.
    fn seed(&self) -> u64;

    /// What led to this start, where the hardware says so.
    fn last_reset(&self) -> reset::Cause {
        reset::Cause::Unknown
    }
}

/// A start that fails for want of memory is tried so often before the next slot has
/// its turn.
const FOR_MEMORY: usize = 3;

/// One start of the machine.
#[derive(Debug)]
pub struct Boot<M, H: Platform> {
    store: Store<M>,
    partition: Guid,
    slots: usize,
    platform: H,
    passed: Slots,
    can_commit: bool,
    kept: Kept,
    cause: Cause,
    /// Good slots whose start was counted: once, however often it is tried.
    counted: Slots,
    /// The record for this start alone, where the one on the disk does not count
    /// and cannot be replaced.
    desperate: Option<Record>,
}

impl<M: Medium, H: Platform> Boot<M, H> {
    /// Reads the record from its partition, on a disk with `slots` slots.
    pub fn new(record: M, partition: Guid, slots: usize, platform: H) -> Self {
        let store = Store::open(record, partition);
        let passed = Slots::default();
        Boot {
            store,
            partition,
            slots,
            platform,
            passed,
            can_commit: true,
            kept: Kept::Absent,
            cause: Cause::Unknown,
            counted: Slots::default(),
            desperate: None,
        }
    }

    /// What runs this, back.
    pub fn into_platform(self) -> H {
        self.platform
    }

    /// The platform, while it is running.
    pub fn platform(&mut self) -> &mut H {
        &mut self.platform
    }

    /// The record as it is now.
    pub fn record(&self) -> Option<&Record> {
        self.desperate.as_ref().or(self.store.record())
    }

    /// Chooses and starts, until a slot runs; `None` where none is left.
    pub fn run(&mut self) -> Option<H::Running> {
        self.tell_of_copies();
        self.kept = self.platform.floor();
        self.require_record();
        self.tell_of_floor();
        self.assess_reset();
        loop {
            let Some(record) = self.record().cloned() else {
                return self.nothing();
            };
            let now = Situation {
                passed: self.passed,
                can_commit: self.can_commit,
                seed: self.platform.seed(),
            };
            match choice::next(&record, &now) {
                Step::Nothing => return self.nothing(),
                Step::EndTrial(slot, reason) => self.end_trial(&record, slot, reason),
                Step::Start(slot, kind) => {
                    if let Some(running) = self.attempt(slot, kind) {
                        return Some(running);
                    }
                }
            }
        }
    }

    /// Starts the slot that a person chose at the menu: verified like any other,
    /// and armed where the record can be written. `None` where it did not start.
    pub fn by_hand(&mut self, slot: SlotId) -> Option<H::Running> {
        self.passed = Slots::default();
        let state = self.record().map(|record| record.slot(slot).state);
        let kind = match state {
            Some(State::Good) => StartKind::Good,
            Some(State::Ready | State::Trying | State::Bad) => StartKind::LastResort,
            Some(none @ (State::Empty | State::Writing)) => {
                let why = Why::NotInstalled(none);
                self.platform.tell(&Event::PassedOver(slot, why));
                return None;
            }
            None => return None,
        };
        self.attempt(slot, kind)
    }

    /// Starts the slot that another bootshim has armed and hands over, and no
    /// other. Nothing is written: the record is that one's, which goes on when this
    /// comes back. A cut at any moment costs the try that was spent before.
    pub fn resume(&mut self, chainload: &Chainload) -> Result<H::Running, Why> {
        let (slot, kind) = (chainload.slot, StartKind::Trial);
        self.can_commit = false;
        self.kept = self.platform.floor();
        self.tell_of_floor();
        if !self
            .record()
            .is_some_and(|record| chainload.is_armed_in(record))
        {
            // Not one of the copies that can be read has it armed.
            let unreadable = self.store.copies().iter().find_map(|copy| match copy {
                Copy::Unreadable(fault) => Some(Defect::Unreadable(*fault).into()),
                _ => None,
            });
            return Err(self.pass_over(slot, unreadable.unwrap_or(Why::NotArmed)));
        }
        // The record on the disk has it armed: that is what a clearance stands for.
        self.start(Clearance { slot, kind })
            .map_err(|why| self.pass_over(slot, why))
    }

    fn nothing(&mut self) -> Option<H::Running> {
        self.platform.tell(&Event::Nothing);
        None
    }

    fn tell_of_copies(&mut self) {
        let newest = self.store.record().map(|record| record.sequence);
        for copy in 0..COPIES {
            match self.store.copies().get(copy) {
                Some(Copy::Valid(_)) | None => {}
                Some(lost) if newest.is_some() || !is_blank(lost) => {
                    self.platform.tell(&Event::CopyLost(copy, *lost));
                }
                Some(_) => {}
            }
        }
    }

    /// What the end of the last start means, before anything is chosen. Cut before
    /// the commit is durable, one reset fewer is counted; cut after it, it is not
    /// counted twice: the hardware's mark does not outlive the power.
    fn assess_reset(&mut self) {
        self.cause = self.platform.last_reset();
        let Some(record) = self.record().filter(|_| self.can_commit).cloned() else {
            return;
        };
        let (next, meaning) = reset::assess(&record, self.cause);
        if !matches!(meaning, Meaning::Nothing | Meaning::Left(..)) {
            self.platform.tell(&Event::Ended(meaning));
        }
        if next == record {
            return;
        }
        let note = match meaning {
            Meaning::Left(slot, reason) => Note::new(&alloc::format!("slot {slot}: {reason}")),
            _ => self.store.note(),
        };
        match (self.store.commit(next, note), meaning) {
            (Ok(_), Meaning::Left(slot, reason)) => self
                .platform
                .tell(&Event::PassedOver(slot, Why::Left(reason))),
            (Ok(_), _) => {}
            (Err(error), _) => self.commit_failed(error),
        }
    }

    /// Counts the start of a good slot that another one could take over from. It is
    /// no leave to start: a good slot starts whether or not it could be written, and
    /// a cut before the kernel costs a count that the next power-on takes back. A record
    /// that was made anew in memory has no good slot, so what is counted is on the disk.
    fn count_start(&mut self, record: &Record, slot: SlotId) {
        if !self.can_commit || self.counted.contains(slot) {
            return;
        }
        self.counted.insert(slot);
        let counted = reset::count(record, slot, self.cause);
        if counted == *record {
            return;
        }
        let (note, counted) = (self.store.note(), self.following(counted));
        if let Err(error) = self.store.commit(counted, note) {
            self.commit_failed(error);
        }
    }

    fn end_trial(&mut self, record: &Record, slot: SlotId, reason: Reason) {
        // The note is about this trial only where its system left a reason.
        let note = match record.slot(slot).reason {
            Reason::None => Note::new(&alloc::format!(
                "slot {slot}: {reason}; its system never said why"
            )),
            _ => self.store.note(),
        };
        let ended = state::fail(record, slot, reason, stage_of(reason));
        let ended = self.following(ended);
        match self.store.commit(ended, note) {
            Ok(_) => self
                .platform
                .tell(&Event::PassedOver(slot, Why::TrialOver(reason))),
            Err(error) => self.commit_failed(error),
        }
    }

    /// Commits what has to be, verifies, starts. Comes back with `None` when the
    /// slot did not start; the record knows why by then.
    fn attempt(&mut self, slot: SlotId, kind: StartKind) -> Option<H::Running> {
        let clearance = self.clear(slot, kind)?;
        self.passed.insert(slot);
        self.start(clearance)
            .map_err(|why| self.pass_over(slot, why))
            .ok()
    }

    /// Verifies and starts. Want of memory is no verdict on a slot, and may be
    /// chance: a kernel chooses its own place. So the same start, which is paid for
    /// once, is tried again, by a platform that holds less from then on.
    fn start(&mut self, clearance: Clearance) -> Result<H::Running, Why> {
        for _ in 1..FOR_MEMORY {
            match self.verify_and_start(clearance.again()) {
                Err(why) if why.is_for_memory() => {
                    self.platform.tell(&Event::Again(clearance.slot, why));
                }
                ended => return ended,
            }
        }
        self.verify_and_start(clearance)
    }

    fn verify_and_start(&mut self, clearance: Clearance) -> Result<H::Running, Why> {
        let (slot, kind) = (clearance.slot, clearance.kind);
        let record = self.record().ok_or(Why::NotArmed)?.clone();
        let (facts, image) = self.platform.load(slot)?;
        let in_force = FloorInForce::of(&self.kept, record.floor).floor;
        let demand = self.demand(&record, slot, &facts);
        let required = Floor {
            security_version: demand.required(in_force.security_version),
            ..in_force
        };
        check(&record, slot, &facts, required)?;
        let due = match kind {
            StartKind::Good => Floor {
                security_version: demand.due(in_force.security_version),
                key_epoch: demand.due_epoch(in_force),
            },
            _ => in_force,
        };
        self.keep_floor(in_force, due);
        if kind == StartKind::Good {
            self.count_start(&record, slot);
        }
        self.platform.tell(&Event::Starting {
            slot,
            kind,
            tries_left: record.slot(slot).tries_left,
            version: facts.version.clone(),
        });
        self.platform.start(clearance, &record, &facts, image)
    }

    /// Clears a slot to start, by the commit that this needs.
    fn clear(&mut self, slot: SlotId, kind: StartKind) -> Option<Clearance> {
        let Some(arming) = kind.arming() else {
            return Some(Clearance { slot, kind });
        };
        if !self.can_commit {
            // The one exception: nothing can be committed, and nothing good starts.
            return (kind == StartKind::LastResort).then_some(Clearance { slot, kind });
        }
        let record = self.record()?.clone();
        let note = self.store.note();
        let armed = self.following(state::arm(&record, slot, arming));
        match self.store.commit(armed.clone(), note) {
            Ok(durable) => Clearance::armed(&durable, slot, kind),
            Err(error) => {
                // It may lie there all the same, with a try spent on nothing.
                self.give_back(slot, &armed);
                self.commit_failed(error);
                None
            }
        }
    }

    /// The slot did not start, and is not to blame: that costs it no try. The start
    /// stays counted, so that this has an end. Cut before this is durable, the try is
    /// gone; cut after it, nothing runs that it was spent on.
    fn give_back(&mut self, slot: SlotId, armed: &Record) {
        if let Ok(next) = state::give_back(armed, slot) {
            let next = self.following(next);
            // What cannot be written now was said, or is with the next commit.
            let _ = self.store.commit(next, self.store.note());
        }
    }

    /// Writes down what a slot itself is to blame for, and says it.
    fn pass_over(&mut self, slot: SlotId, why: Why) -> Why {
        match &why {
            Why::Defect(Defect::Bad(reason, detail)) => {
                self.note_failure(slot, *reason, Stage::Verify, detail);
            }
            Why::NotStarted(words) => {
                self.note_failure(slot, Reason::NotStarted, Stage::Load, words);
            }
            why if why.is_for_memory() && self.can_commit => {
                if let Some(armed) = self.store.record().cloned() {
                    self.give_back(slot, &armed);
                }
            }
            // A device that fails now may not fail next time.
            _ => {}
        }
        self.platform.tell(&Event::PassedOver(slot, why.clone()));
        why
    }

    /// Writes down that a slot failed, unless that is known: a start that finds
    /// the same as the last one writes nothing.
    fn note_failure(&mut self, slot: SlotId, reason: Reason, stage: Stage, words: &str) {
        let Some(record) = self.store.record().filter(|_| self.can_commit).cloned() else {
            return;
        };
        let before = record.slot(slot);
        if before.reason == reason && before.state != State::Trying {
            return;
        }
        let note = Note::new(&alloc::format!("slot {slot}: {reason}: {words}"));
        let failed = self.following(state::fail(&record, slot, reason, stage));
        if let Err(error) = self.store.commit(failed, note) {
            self.commit_failed(error);
        }
    }

    fn tell_of_floor(&mut self) {
        let hint = self.record().map_or(0, |record| record.floor);
        let in_force = FloorInForce::of(&self.kept, hint);
        let kept = self.kept.clone();
        self.platform.tell(&Event::Floor {
            in_force,
            kept,
            hint,
        });
    }

    /// What the good slots ask of the floor, and one that was good before its trial
    /// and may be so again: the one that is being started by what was loaded, the
    /// others by their manifests.
    fn demand(&mut self, record: &Record, slot: SlotId, loaded: &Facts) -> Demand {
        let mut demand = Demand::default();
        let again = record.trial().filter(|trial| record.was_good(*trial));
        for good in record.good().into_iter().chain(again) {
            let facts = if good == slot {
                Some(loaded.clone())
            } else {
                self.platform.manifest(good).ok()
            };
            let installed = record.slot(good).manifest;
            demand.add(facts.filter(|facts| facts.manifest == installed).as_ref());
        }
        demand
    }

    /// A slot is verified and about to start. For a good one the floor follows. A
    /// power cut before it leaves the lower floor, and the next start raises it; a
    /// cut after it finds a floor that this slot and every good one that may start
    /// still reach, whether or not this start comes to its end. Nothing is written
    /// where the floor is there and high enough.
    ///
    /// For any other slot it stays as it is, and is kept where the firmware keeps
    /// none: once the variable exists the system that starts cannot make one of its
    /// name.
    fn keep_floor(&mut self, in_force: Floor, due: Floor) {
        match &self.kept {
            Kept::Here(_) if due == in_force => return,
            Kept::Nowhere(_) => return,
            Kept::Here(_) | Kept::Absent | Kept::Garbage(_) => {}
        }
        match self.platform.raise_floor(due) {
            Ok(()) => self.kept = Kept::Here(due),
            // A start must not depend on it: the floor that counted still does.
            Err(words) => self.platform.tell(&Event::FloorNotRaised(words)),
        }
        self.tell_of_floor();
    }

    /// A record that is about to be written anyway: its hint becomes the floor
    /// that the firmware keeps. One that somebody put too high or too low on the
    /// disk ends here.
    fn following(&self, mut next: Next) -> Next {
        let in_force = FloorInForce::of(&self.kept, next.floor);
        if in_force.keeper == Keeper::Firmware {
            next.0.floor = in_force.floor.security_version;
        }
        next
    }

    fn commit_failed(&mut self, error: CommitError) {
        self.can_commit = false;
        self.platform.tell(&Event::CommitFailed(error));
    }
}

/// What the record demands of a slot beyond being authentic.
fn check(record: &Record, slot: SlotId, facts: &Facts, floor: Floor) -> Result<(), Defect> {
    if record.slot(slot).manifest != facts.manifest {
        return Err(Defect::Bad(Reason::WrongManifest, String::new()));
    }
    if facts.security_version < floor.security_version {
        let words = alloc::format!(
            "security version {}, the floor is {}",
            facts.security_version,
            floor.security_version
        );
        return Err(Defect::Bad(Reason::BelowFloor, words));
    }
    if let Some(epoch) = facts.key_epoch.filter(|epoch| *epoch < floor.key_epoch) {
        let words = alloc::format!("key set of epoch {epoch}, the floor is {}", floor.key_epoch);
        return Err(Defect::Bad(Reason::BelowFloor, words));
    }
    Ok(())
}

fn stage_of(reason: Reason) -> Stage {
    match reason {
        Reason::Exhausted => Stage::Started,
        _ => Stage::Watch,
    }
}

fn is_blank(copy: &Copy) -> bool {
    matches!(copy, Copy::Invalid(crate::record::Invalid::NotARecord))
}

#[cfg(test)]
mod tests;
