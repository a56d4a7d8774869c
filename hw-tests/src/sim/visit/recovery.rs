//! A disk that a cut left: bootshim starts on it, is cut in turn, finds sectors
//! that died, and goes on until the machine is back in a good slot.

use super::super::cuts::{Cut, Fault, HALF, Tail, tear};
use super::super::explorer::Crash;
use super::super::firmware::Variable;
use super::super::image::Verdict;
use super::super::promise::{After, Broken, Promise};
use super::super::start::{Copies, Dead, Ended, Start};
use super::{Point, Visit};
use bootshim::choice::StartKind;
use bootshim::copies::COPIES;
use bootshim::record::{Record, SlotId, State};
use bootshim::reset::Cause;
use std::sync::Arc;

/// At which reset in a row a good slot is left. A number of its own: that of the
/// product would hold whatever it is.
const LEFT_AT: u8 = 3;

/// After how many starts that never came up one is left where the power may have
/// ended them; so, too.
const NEVER_UP_AT: u8 = 5;

/// A disk that is started from.
struct CrashedDisk<'a> {
    copies: &'a Copies,
    verdicts: &'a [Arc<Verdict>],
    fault: Fault,
    /// A slot that cannot be read.
    unreadable: Option<usize>,
    /// The sequence number that counted before a sector died.
    newest: u64,
    /// What the firmware keeps.
    variable: Variable,
}

impl<'a> CrashedDisk<'a> {
    fn of(crash: &'a Crash, copies: &'a Copies, fault: Fault) -> CrashedDisk<'a> {
        CrashedDisk {
            copies,
            verdicts: &crash.verdicts,
            fault,
            unreadable: None,
            newest: 0,
            variable: crash.variable,
        }
    }
}

impl Visit<'_> {
    /// Starts bootshim on it, and holds what happens against the promises.
    pub(super) fn judge(&mut self, point: &Point, cut: &Cut<'_>, crash: &Crash, fresh: bool) {
        if let Some(only) = self.explorer.world.only {
            if !point.is(only, self.id) {
                return;
            }
            println!("{}", self.way(point).join("\n"));
            println!("{}: {}", cut.fault.words(), cut.how);
        }
        if !fresh {
            // Judged before.
            self.report.crash(point.operation.name(), cut.fault, false);
            return;
        }
        let copies = Copies::new(crash.copies.clone(), None);
        let ended = self.start(point, cut, &CrashedDisk::of(crash, &copies, cut.fault));
        if !cut.goes_on {
            return;
        }
        self.second_cuts(point, cut, crash, &copies, &ended);
        let newest = ended.found.as_ref().map_or(0, |record| record.sequence);
        self.dying(point, cut, crash, newest);
        self.left(point, cut, crash);
        self.never_up(point, cut, crash);
        if let Some(record) = ended.found.filter(|record| record.known_good().is_some()) {
            self.comes_back(point, cut, crash, &record);
        }
    }

    fn start(&mut self, point: &Point, cut: &Cut<'_>, disk: &CrashedDisk<'_>) -> Ended {
        let CrashedDisk {
            copies,
            verdicts,
            fault,
            unreadable,
            newest,
            variable,
        } = *disk;
        let start = Start {
            id: self.explorer.id,
            verdicts,
            unreadable,
            refuses: 0,
            variable,
            reset: Cause::Other,
        };
        let ended = start.run(copies);
        let sequence = ended.found.as_ref().map_or(0, |record| record.sequence);
        let after = After {
            judge: &self.explorer.judge,
            fault,
            verdicts,
            unreadable,
            lost: sequence < newest,
            variable,
            ended: &ended,
        };
        let report = &mut self.report;
        let broken = after.broken(&self.durable, &mut |promise| report.promise(promise));
        report.crash(point.operation.name(), fault, !broken.is_empty());
        if self.explorer.world.only.is_some() {
            println!("{}: found {:#?}", fault.words(), ended.found);
            println!("started {:#?}", ended.started);
        }
        for broken in broken {
            let cut = match fault == cut.fault {
                true => format!("{}: {}", fault.words(), cut.how),
                false => format!("{}, then {}", cut.how, fault.words()),
            };
            self.violation(point, cut, broken);
        }
        ended
    }

    /// Whatever bootshim wrote is cut as well: each write is not there, there,
    /// or torn.
    fn second_cuts(
        &mut self,
        point: &Point,
        cut: &Cut<'_>,
        crash: &Crash,
        first: &Copies,
        ended: &Ended,
    ) {
        let mut blocks = crash.copies.clone();
        let there = |written: usize| {
            let raise = ended.raises.iter().rfind(|raise| raise.at <= written);
            raise.map_or(crash.variable, |raise| Variable::Holds(raise.to))
        };
        for (written, (copy, block)) in first.log().into_iter().flatten().enumerate() {
            let old = blocks[copy].clone();
            let torn = tear(&old, &block, HALF, Tail::Random, 2);
            for held in [old, torn, block.clone()] {
                blocks[copy] = held;
                let copies = Copies::new(blocks.clone(), None);
                let disk = CrashedDisk::of(crash, &copies, Fault::Second);
                let variable = there(written);
                self.start(point, cut, &CrashedDisk { variable, ..disk });
            }
            blocks[copy] = block;
        }
        if ended.variable != crash.variable {
            let copies = Copies::new(blocks, None);
            let disk = CrashedDisk::of(crash, &copies, Fault::Second);
            let variable = ended.variable;
            self.start(point, cut, &CrashedDisk { variable, ..disk });
        }
    }

    /// One sector can never be read again: of each copy of the record, and of
    /// each slot.
    fn dying(&mut self, point: &Point, cut: &Cut<'_>, crash: &Crash, newest: u64) {
        for copy in 0..COPIES {
            for swallows in [false, true] {
                let dead = Some(Dead { copy, swallows });
                let copies = Copies::new(crash.copies.clone(), dead);
                let disk = CrashedDisk {
                    newest,
                    ..CrashedDisk::of(crash, &copies, Fault::Dying)
                };
                let ended = self.start(point, cut, &disk);
                let found = ended.found.map_or(0, |record| record.sequence);
                let newest = if found < newest { u64::MAX } else { 0 };
                let variable = ended.variable;
                self.comes_back_to_life(point, cut, crash, &copies, newest, variable);
            }
        }
        for slot in 0..crash.verdicts.len() {
            let copies = Copies::new(crash.copies.clone(), None);
            let disk = CrashedDisk {
                unreadable: Some(slot),
                ..CrashedDisk::of(crash, &copies, Fault::Dying)
            };
            let ended = self.start(point, cut, &disk);
            let of = |record: &Option<Record>| {
                let id = SlotId::new(slot)?;
                record.as_ref().map(|record| record.slot(id).state)
            };
            if of(&ended.found) == Some(State::Good) && of(&ended.record) != Some(State::Good) {
                let words = "a good slot that cannot be read is not good any more".into();
                let promise = Promise::OneGood;
                self.violation(point, cut.how.to_string(), Broken { promise, words });
            }
        }
    }

    /// The sector can be read again, and holds what it held before.
    fn comes_back_to_life(
        &mut self,
        point: &Point,
        cut: &Cut<'_>,
        crash: &Crash,
        dead: &Copies,
        newest: u64,
        variable: Variable,
    ) {
        let mut blocks = dead.blocks();
        if let Some(dead) = dead.dead() {
            blocks[dead.copy] = crash.copies[dead.copy].clone();
        }
        let copies = Copies::new(blocks, None);
        let disk = CrashedDisk {
            newest,
            variable,
            ..CrashedDisk::of(crash, &copies, Fault::Dying)
        };
        self.start(point, cut, &disk);
    }

    /// The machine is started again and again, and never says that it is well.
    fn comes_back(&mut self, point: &Point, cut: &Cut<'_>, crash: &Crash, record: &Record) {
        let variable = crash.variable;
        let key = self
            .explorer
            .key(&crash.copies, &crash.verdicts, None, variable);
        if self.explorer.walked.read().unwrap().contains(&key) {
            return;
        }
        self.report.promise(Promise::ComesBack);
        let tries = record.trial().map_or(0, |trial| record.slot(trial).tries);
        let limit = 3 * usize::from(tries) + crash.verdicts.len();
        let mut start = Start::of(self.explorer.id, crash);
        let mut blocks = crash.copies.clone();
        for _ in 0..limit {
            let copies = Copies::new(blocks, None);
            let ended = start.run(&copies);
            start.variable = ended.variable;
            if ended
                .started
                .is_some_and(|started| started.kind == StartKind::Good)
            {
                self.explorer.walked.write().unwrap().insert(key);
                return;
            }
            blocks = copies.blocks();
        }
        let words = format!("not back in a good slot after {limit} starts");
        let promise = Promise::ComesBack;
        self.violation(point, cut.how.to_string(), Broken { promise, words });
    }

    /// Whatever was cut: a good slot that the watchdog ends again and again is
    /// left at the third reset, and not before, where another good one is.
    fn left(&mut self, point: &Point, cut: &Cut<'_>, crash: &Crash) {
        if !self.explorer.world.firmware {
            return;
        }
        let key = self
            .explorer
            .key(&crash.copies, &crash.verdicts, None, crash.variable);
        if !self.explorer.left.write().unwrap().insert(key) {
            return;
        }
        let start = Start::of(self.explorer.id, crash);
        let copies = Copies::new(crash.copies.clone(), None);
        let first = start.run(&copies);
        let Some(slot) = self.certain(crash, &first) else {
            return;
        };
        self.report.promise(Promise::Left);
        let hanging = Start {
            reset: Cause::Watchdog,
            variable: first.variable,
            ..start
        };
        let row = first.record.as_ref().and_then(Record::starts);
        let counted = row.map_or(0, |(_, starts)| starts);
        if let Err(words) = left_at(hanging, copies, slot, last(LEFT_AT, counted)) {
            let promise = Promise::Left;
            self.violation(point, cut.how.to_string(), Broken { promise, words });
        }
    }

    /// Whatever was cut: a good slot whose system has said that it is up, and does not
    /// any more, is left after its starts, and not before, where another good one is;
    /// however often the power fails, it is not.
    fn never_up(&mut self, point: &Point, cut: &Cut<'_>, crash: &Crash) {
        let key = self
            .explorer
            .key(&crash.copies, &crash.verdicts, None, crash.variable);
        if !self.explorer.never_up.write().unwrap().insert(key) {
            return;
        }
        let start = Start::of(self.explorer.id, crash);
        let copies = Copies::new(crash.copies.clone(), None);
        let first = start.run(&copies);
        let (Some(slot), Some(record)) = (self.certain(crash, &first), &first.record) else {
            return;
        };
        if !record.says_when_up(slot) {
            return;
        }
        self.report.promise(Promise::NeverUp);
        let counted = record.starts().map_or(0, |(_, starts)| starts);
        let again = |reset| Start {
            reset,
            variable: first.variable,
            ..Start::of(self.explorer.id, crash)
        };
        let same = || Copies::new(copies.blocks(), None);
        let (three, five) = (last(LEFT_AT, counted), last(NEVER_UP_AT, counted));
        let power = unpowered(again(Cause::PowerOn), same(), slot);
        let restarted = left_at(again(Cause::Restart), same(), slot, three);
        let left = left_at(again(Cause::Other), same(), slot, five);
        for words in [power, restarted, left].into_iter().filter_map(Result::err) {
            let promise = Promise::NeverUp;
            self.violation(point, cut.how.to_string(), Broken { promise, words });
        }
    }

    /// The good slot that started, where there is another that could, and no trial
    /// or one-shot around it that the watchdog could have ended as well.
    fn certain(&self, crash: &Crash, ended: &Ended) -> Option<SlotId> {
        let (started, record) = (ended.started.as_ref()?, ended.record.as_ref()?);
        let after = After {
            judge: &self.explorer.judge,
            fault: Fault::Cut,
            verdicts: &crash.verdicts,
            unreadable: None,
            lost: false,
            variable: crash.variable,
            ended,
        };
        let certain = started.kind == StartKind::Good
            && record.known_good() == Some(started.slot)
            && record.armed.is_none()
            && record.trial().is_none()
            && record.once.is_none()
            && after.startable(record) > 1;
        certain.then_some(started.slot)
    }
}

/// Which start from now on is that of another slot, where `limit` starts in a row leave
/// one and `counted` of them have been.
fn last(limit: u8, counted: u8) -> u8 {
    (limit + 1).saturating_sub(counted).clamp(1, limit)
}

/// `slot` runs from this disk, and its starts go on ending in the same way: at the
/// `last` of them it is left, and not before.
fn left_at(mut start: Start<'_>, mut copies: Copies, slot: SlotId, last: u8) -> Result<(), String> {
    for number in 1..=last {
        copies = Copies::new(copies.blocks(), None);
        let ended = start.run(&copies);
        start.variable = ended.variable;
        let now = ended.started.map(|started| started.slot);
        if (now == Some(slot)) == (number == last) || now.is_none() {
            let now = now.map_or("none".into(), |now| now.to_string());
            return Err(format!(
                "slot {slot} ran, slot {now} at start {number} of the {last} that it has"
            ));
        }
    }
    Ok(())
}

/// `slot` runs from this disk, and the power fails again and again.
fn unpowered(start: Start<'_>, mut copies: Copies, slot: SlotId) -> Result<(), String> {
    for cut in 0..2 * NEVER_UP_AT {
        copies = Copies::new(copies.blocks(), None);
        let ended = start.run(&copies);
        let now = ended.started.map(|started| started.slot);
        if now != Some(slot) {
            return Err(format!("slot {slot} ran, {now:?} after {cut} power cuts"));
        }
    }
    Ok(())
}
