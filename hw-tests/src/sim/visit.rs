//! One state: every operation from it, and every cut of each operation. What a
//! cut left is held against the promises in [`recovery`].

mod recovery;

use super::cuts::{self, Cut, Fault, Grain};
use super::disk::Place;
use super::explorer::{Explorer, Flushed, Node, Successor, apply, badness, behaviour};
use super::firmware::{Raise, Variable};
use super::operation::{Operation, Ran};
use super::promise::{self, Before, Broken, Promise, in_order};
use super::report::{Report, Violation};
use super::world::Case;
use bootshim::handover::Handover;
use bootshim::record::{Arming, Reason, Record, SlotId, State};
use bootshim::state;
use controller::code::{Code, Exit};
use fakedisk::Content;
use std::collections::{HashMap, HashSet};

/// One state, from which every operation is run and cut.
pub(super) struct Visit<'a> {
    explorer: &'a Explorer,
    nodes: &'a [Node],
    id: usize,
    grain: Grain,
    before: Before,
    /// What was durable when the power was cut.
    durable: Before,
    report: Report,
    successors: Vec<Successor>,
    /// The keys of these.
    reached: HashSet<u64>,
}

impl<'a> Visit<'a> {
    pub(super) fn new(
        explorer: &'a Explorer,
        nodes: &'a [Node],
        id: usize,
        record: Option<Record>,
        grain: Grain,
    ) -> Visit<'a> {
        Visit {
            grain,
            explorer,
            nodes,
            id,
            durable: Before { record: None },
            before: Before { record },
            report: Report::default(),
            successors: Vec::new(),
            reached: HashSet::new(),
        }
    }

    pub(super) fn done(self) -> (Vec<Successor>, Report) {
        (self.successors, self.report)
    }

    /// Runs it, holds it against the promises, and cuts it everywhere.
    pub(super) fn operation(&mut self, number: usize, operation: Operation) {
        let node = &self.nodes[self.id];
        let ran = self
            .explorer
            .bench()
            .run(&node.content, node.running, node.variable, operation);
        self.report.operations += 1;
        for broken in self.of_operation(operation, &ran) {
            let point = Point {
                number,
                operation,
                crash: 0,
            };
            self.violation(&point, "not cut at all".into(), broken);
        }
        if ran.epochs.is_empty() && ran.error.is_some() {
            return;
        }
        let (running, variable) = (ran.running, ran.variable);
        self.reach(&ran.content, running, variable, operation.to_string());
        if !(ran.epochs.is_empty() && ran.raises.is_empty()) {
            self.cut(number, operation, &ran);
        }
    }

    /// What must hold of an operation that nothing cut.
    fn of_operation(&mut self, operation: Operation, ran: &Ran) -> Vec<Broken> {
        let mut broken = ran.broken.clone();
        let mut fail = |promise, words: String| broken.push(Broken { promise, words });
        let places = ran.epochs.iter().flatten().map(|(place, _)| *place);
        let record = self.before.record.as_ref();
        let own = self.nodes[self.id].running.filter(|running| {
            record.is_some_and(|record| record.slot(running.slot).manifest == running.manifest)
        });
        for place in places {
            if let (Place::Slot(slot), Some(running)) = (self.explorer.geometry.place(place), own)
                && running.slot.index() == slot
            {
                fail(
                    Promise::OneGood,
                    format!("slot {} runs and is written", running.slot),
                );
            }
            if self.explorer.geometry.place(place) == Place::Elsewhere {
                fail(
                    Promise::OnlyWriting,
                    format!("block {place} belongs to neither record nor slots"),
                );
            }
        }
        if !ran.flushed {
            fail(Promise::Durable, "the last write was not flushed".into());
        }
        if let Some(words) = self.unexpected(operation, ran) {
            fail(Promise::SameEnd, words);
        }
        if let Operation::Install { image, .. } = operation
            && ran.error.is_none()
            && self.explorer.judge.images[image].key_epoch < self.epoch()
        {
            let words = format!("{operation}, whose key set is below the floor");
            fail(Promise::FloorHolds, words);
        }
        // Where there are three good slots, a second one goes back further.
        let good = record.map_or(0, |record| record.good().len());
        let further = operation == Operation::Rollback && good > 2;
        if operation.is_command() && ran.error.is_none() && !further {
            self.report.promise(Promise::SameEnd);
            let again =
                self.explorer
                    .bench()
                    .run(&ran.content, ran.running, ran.variable, operation);
            if let Some(words) = self.differs(ran, &again) {
                fail(Promise::SameEnd, words);
            }
        }
        for (promise, kept) in self.of_command(operation, ran) {
            self.report.promise(promise);
            if let Err(words) = kept {
                fail(promise, words);
            }
        }
        if let (Operation::ShutDown, None) = (operation, &ran.error) {
            self.report.promise(Promise::TryGivenBack);
            let running = self.nodes[self.id].running;
            let after = self.explorer.record(&ran.content);
            let (was, now) = (self.before.record.as_ref(), after.as_ref());
            if let (Some(was), Some(now), Some(running)) = (was, now, running)
                && let Err(words) = in_order(was, running.slot, now)
            {
                fail(Promise::TryGivenBack, words);
            }
        }
        broken
    }

    /// What must hold of what was done, by the record before and after.
    fn of_command(&self, operation: Operation, ran: &Ran) -> Vec<(Promise, Result<(), String>)> {
        let Some(was) = self.before.record.as_ref() else {
            return Vec::new();
        };
        let Some(now) = self.explorer.record(&ran.content) else {
            return Vec::new();
        };
        let mut held = Vec::new();
        if let Some(kept) = stays_good(operation, was, &now) {
            held.push((Promise::StaysGood, kept));
        }
        if ran.error.is_none()
            && let Some(expected) = starts_next(operation, was, &now)
            && self.is_told(ran, &now, expected)
        {
            let boot = Operation::Boot { refused: false };
            let started = self
                .explorer
                .bench()
                .run(&ran.content, None, ran.variable, boot);
            let slot = started.running.map(|running| running.slot);
            let kept = match slot == Some(expected) {
                true => Ok(()),
                false => Err(format!("{operation} is done, and {slot:?} starts")),
            };
            held.push((Promise::Starts, kept));
        }
        if was.known_good().is_none()
            && let Some(kept) = self.heals(operation, ran, was, &now)
        {
            held.push((Promise::Heals, kept));
        }
        held
    }

    /// Whether the command could know what bootshim knows: on these disks nothing tells
    /// it the firmware's floor of security versions, as bootshim does on a controller.
    /// Where the firmware keeps none, the record has the floor, and both know it.
    fn is_told(&self, ran: &Ran, now: &Record, slot: SlotId) -> bool {
        let images = &self.explorer.judge.images;
        let installed = now.slot(slot).manifest;
        let image = images.iter().find(|image| image.digest == installed);
        let hidden = match ran.variable {
            Variable::Holds(floor) => floor.security_version,
            Variable::Nowhere | Variable::Absent => 0,
        };
        image.is_some_and(|image| image.security_version >= hidden)
    }

    /// Without a good slot: what runs is confirmed, whatever state it has, and what
    /// may start is not written while something else is free.
    fn heals(
        &self,
        operation: Operation,
        ran: &Ran,
        was: &Record,
        now: &Record,
    ) -> Option<Result<(), String>> {
        let running = self.nodes[self.id].running;
        let flushed = self.explorer.flushed(self.nodes[self.id].content.clone());
        let whole = |slot: SlotId| flushed.verdicts[slot.index()].whole.is_some();
        match operation {
            Operation::Confirm => {
                let slot = running
                    .filter(|r| was.slot(r.slot).manifest == r.manifest)?
                    .slot;
                let armed = was.armed.filter(|armed| armed.slot == slot)?;
                let known = was.slot(slot);
                let bad = known.state == State::Bad && armed.as_what == Arming::LastResort;
                if !bad || known.reason == Reason::Rejected || !whole(slot) {
                    return None;
                }
                let kept = match (&ran.error, now.known_good() == Some(slot)) {
                    (None, true) => Ok(()),
                    (Some(error), _) if error.code == Code::BelowFloor => Ok(()),
                    (error, _) => Err(format!("slot {slot} runs and is not confirmed: {error:?}")),
                };
                Some(kept)
            }
            Operation::Install { slot: None, .. } if ran.error.is_none() => {
                let in_use = running.map(|running| running.slot);
                let may_start = |slot: SlotId| {
                    let known = was.slot(slot);
                    whole(slot)
                        && matches!(known.state, State::Ready | State::Bad)
                        && matches!(badness(known.reason), Reason::Exhausted | Reason::Rejected)
                };
                let written = was.ids().find(|slot| {
                    was.slot(*slot).manifest != now.slot(*slot).manifest && may_start(*slot)
                })?;
                let free = was.ids().find(|slot| {
                    in_use != Some(*slot) && was.trial() != Some(*slot) && !may_start(*slot)
                });
                Some(match free {
                    None => Ok(()),
                    Some(free) => Err(format!("slot {written} was written, slot {free} was free")),
                })
            }
            _ => None,
        }
    }

    /// The lowest epoch that may be installed: that of the newest good slot, and
    /// of the floor that the system that runs was told of.
    fn epoch(&self) -> u64 {
        let node = &self.nodes[self.id];
        let told = node.running.map_or(0, |_| node.variable.floor(0).key_epoch);
        let images = &self.explorer.judge.images;
        let good = self.before.record.iter().flat_map(|record| record.slots());
        let good = good.filter(|(_, slot)| slot.state == State::Good);
        let of = |digest| images.iter().find(|image| image.digest == digest);
        let epochs = good.filter_map(|(_, slot)| of(slot.manifest).map(|image| image.key_epoch));
        epochs.max().unwrap_or(0).max(told)
    }

    /// A command is done or refused; and an install that could be done is.
    fn unexpected(&self, operation: Operation, ran: &Ran) -> Option<String> {
        let error = ran.error.as_ref()?;
        if error.exit() != Exit::Refused {
            return Some(format!("{operation} fails: {error}"));
        }
        let record = self.before.record.as_ref()?;
        let of_trial = matches!(
            operation,
            Operation::Confirm | Operation::Reject | Operation::GiveUp | Operation::ShutDown
        );
        let running = self.nodes[self.id].running.filter(|running| {
            record.slot(running.slot).manifest == running.manifest
                && record.trial() == Some(running.slot)
                && record.armed.is_some_and(|armed| armed.slot == running.slot)
        });
        if of_trial && running.is_some() {
            return Some(format!(
                "{operation} of the running trial is refused: {error}"
            ));
        }
        let Operation::Install {
            image, slot: None, ..
        } = operation
        else {
            return None;
        };
        // Of a delta whose base is nowhere nothing can be made.
        if error.code == Code::MissingBase {
            return None;
        }
        let image = &self.explorer.judge.images[image];
        let in_use = self.nodes[self.id].running.map(|running| running.slot);
        let failed = |(_, slot): (SlotId, &bootshim::record::Slot)| {
            slot.state == State::Bad && slot.manifest == image.digest
        };
        let may = state::write_target(record, in_use, None).is_ok()
            && image.security_version >= record.floor
            && image.key_epoch >= self.epoch()
            && !record.slots().any(failed);
        may.then(|| format!("{operation} is blocked: {error}"))
    }

    fn differs(&self, first: &Ran, second: &Ran) -> Option<String> {
        let record = |ran: &Ran| {
            let record = self.explorer.record(&ran.content)?;
            Some(behaviour(&record))
        };
        if let Some(error) = &second.error
            && error.exit() != Exit::Refused
        {
            return Some(format!("the second time it fails: {error}"));
        }
        (record(first) != record(second)).then(|| "the second time leads elsewhere".into())
    }

    /// A state that can be reached.
    pub(super) fn reach(
        &mut self,
        content: &Content,
        running: Option<Handover>,
        variable: Variable,
        step: String,
    ) {
        let flushed = self.explorer.flushed(content.clone());
        let key = self
            .explorer
            .key(&flushed.copies, &flushed.verdicts, running, variable);
        if self.is_new(key) {
            self.successors.push(Successor {
                key,
                content: flushed.content,
                running,
                variable,
                step,
            });
        }
    }

    /// Whether a state was reached neither before this level nor from here.
    fn is_new(&mut self, key: u64) -> bool {
        !self.explorer.seen.read().unwrap().contains(&key) && self.reached.insert(key)
    }

    fn cut(&mut self, number: usize, operation: Operation, ran: &Ran) {
        let explorer = self.explorer;
        let contents = cuts::flushed(&self.nodes[self.id].content, &ran.epochs);
        let flushed: Vec<Flushed> = contents
            .iter()
            .map(|content| explorer.flushed(content.clone()))
            .collect();
        let is_record = |place: usize| matches!(explorer.geometry.place(place), Place::Copy(_));
        let grain = self.grain;
        let mut crashes = 0;
        let mut marks: HashMap<u64, bool> = HashMap::new();
        let before = self.nodes[self.id].variable;
        let mut visit = |cut: &Cut<'_>, variable: Variable| {
            crashes += 1;
            let mut crash = explorer.crash(&flushed[cut.flushes], cut.changed);
            crash.variable = variable;
            crash.mark ^= variable.mark();
            // The same bytes once, and once more where they lead further.
            let led = marks.insert(crash.mark, cut.goes_on);
            let fresh = led.is_none_or(|led| cut.goes_on && !led);
            self.durable.record = match cut.fault {
                // What a lie made durable is not known.
                Fault::Lied => self.before.record.clone(),
                _ => flushed[cut.flushes].record.clone(),
            };
            let point = Point {
                number,
                operation,
                crash: crashes,
            };
            self.judge(&point, cut, &crash, fresh);
            if cut.goes_on {
                let flushed = &flushed[cut.flushes];
                let key = explorer.key(&crash.copies, &crash.verdicts, None, variable);
                if self.is_new(key) {
                    self.successors.push(Successor {
                        key,
                        content: apply(&flushed.content, cut.changed),
                        running: None,
                        variable,
                        step: format!("{operation}, {}", cut.how),
                    });
                }
            }
        };
        cuts::enumerate(&contents, &ran.epochs, grain, &is_record, &mut |cut| {
            let begun = |raise: &&Raise| raise.at <= cut.flushes && !cut.changed.is_empty();
            let there = ran.raises.iter().rfind(begun);
            visit(cut, there.map_or(before, |raise| Variable::Holds(raise.to)));
            // What a flush that lied lost was lost before or after it rose.
            if cut.fault == Fault::Lied && !ran.raises.is_empty() {
                visit(cut, ran.variable);
            }
        });
        // The variable is written between two flushes: cut right behind it.
        for raise in &ran.raises {
            let behind = Cut {
                fault: Fault::Cut,
                how: cuts::How::Cut {
                    flushes: raise.at,
                    writes: 0,
                },
                flushes: raise.at,
                changed: &[],
                goes_on: true,
            };
            visit(&behind, Variable::Holds(raise.to));
        }
        for mark in marks.into_keys() {
            self.report.mark(mark);
        }
    }

    fn way(&self, point: &Point) -> Vec<String> {
        let mut way = vec![point.operation.to_string()];
        let mut node = &self.nodes[self.id];
        while let Some((from, step)) = &node.from {
            way.push(step.clone());
            node = &self.nodes[*from];
        }
        way.reverse();
        way
    }

    fn violation(&mut self, point: &Point, cut: String, broken: Broken) {
        let case = Case {
            full: self.explorer.world.full,
            slots: self.explorer.world.slots,
            firmware: self.explorer.world.firmware,
            node: self.id,
            operation: point.number,
            crash: point.crash,
        };
        self.report.broken(Violation {
            promise: broken.promise,
            words: broken.words,
            way: self.way(point),
            cut,
            case: case.to_string(),
        });
    }
}

/// Which operation is cut, and which of its crash states this is.
struct Point {
    number: usize,
    operation: Operation,
    crash: usize,
}

impl Point {
    fn is(&self, case: Case, node: usize) -> bool {
        (case.node, case.operation, case.crash) == (node, self.number, self.crash)
    }
}

/// A slot that was good is lost by a failure alone, or where an image is put over it.
fn stays_good(operation: Operation, was: &Record, now: &Record) -> Option<Result<(), String>> {
    let fails = matches!(
        operation,
        Operation::Reject | Operation::GiveUp | Operation::Damaged | Operation::ShutDown
    );
    let boots = matches!(operation, Operation::Boot { .. } | Operation::Hang);
    if fails || boots || operation == Operation::LoseRecord {
        return None;
    }
    let stays = |slot: &SlotId| {
        promise::good(now).contains(slot) || was.slot(*slot).manifest != now.slot(*slot).manifest
    };
    let lost = promise::good(was).into_iter().find(|slot| !stays(slot));
    Some(match lost {
        None => Ok(()),
        Some(lost) => Err(format!(
            "slot {lost} was good, and is {}",
            now.slot(lost).state
        )),
    })
}

/// The slot that is to start after a command was done, where it says so. What was on
/// trial before stays so, with the tries that it has left.
fn starts_next(operation: Operation, was: &Record, now: &Record) -> Option<SlotId> {
    let new_trial = || now.trial().filter(|trial| was.trial() != Some(*trial));
    match operation {
        Operation::Once(slot) => Some(slot),
        _ if now.once.is_some() => None,
        Operation::Activate(slot) if now.trial().is_none() => Some(slot),
        Operation::Rollback if now.trial().is_none() => now.known_good(),
        Operation::Activate(_) | Operation::Rollback => new_trial(),
        Operation::Install { activate: true, .. } => new_trial(),
        _ => None,
    }
}
