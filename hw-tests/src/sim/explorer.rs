//! Every record state that can be reached, every operation from each, and every
//! cut of each operation.

use super::disk::{Geometry, Place};
use super::firmware::Variable;
use super::image::{Judge, Verdict};
use super::operation::{Bench, Operation};
use super::report::Report;
use super::start::Copies;
use super::visit::Visit;
use super::world::World;
use bootshim::copies::{COPIES, Copy, Store};
use bootshim::guid::Guid;
use bootshim::handover::Handover;
use bootshim::record::{Arming, MINOR, Reason, Record, SlotId, State};
use fakedisk::{BYTES, Block, Content};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Instant;

/// The first states of a way that goes ahead: up to the factory's good slot.
const FACTORY: usize = 5;

/// A disk that can be reached, and what runs from it.
pub(super) struct Node {
    pub(super) content: Content,
    pub(super) running: Option<Handover>,
    /// What its firmware keeps.
    pub(super) variable: Variable,
    /// The state before it, and what led here.
    pub(super) from: Option<(usize, String)>,
}

/// A state that an operation or a cut leads to.
pub(super) struct Successor {
    pub(super) key: u64,
    pub(super) content: Content,
    pub(super) running: Option<Handover>,
    pub(super) variable: Variable,
    pub(super) step: String,
}

/// Explores it level by level, on every core; the same disks every time. `tell`
/// gets a line after each level.
#[must_use]
pub fn explore(world: &World, tell: &dyn Fn(&str)) -> Report {
    let began = Instant::now();
    let explorer = Explorer::new(world);
    let mut nodes = vec![Node {
        content: explorer.geometry.blank(),
        running: None,
        variable: match world.firmware {
            true => Variable::Absent,
            false => Variable::Nowhere,
        },
        from: None,
    }];
    let mut report = Report::default();
    let begin = if world.firmware {
        explorer.go_ahead(&mut nodes);
        FACTORY - 1
    } else {
        explorer.lose_all_good(&mut nodes);
        explorer.leave_behind(&mut nodes);
        0
    };
    let mut level = begin..nodes.len();
    while !level.is_empty() {
        let visited = explorer.visit_all(&nodes, level.clone());
        for (id, (successors, part)) in level.clone().zip(visited) {
            report.add(part);
            for successor in successors {
                if explorer.seen.write().unwrap().insert(successor.key) {
                    nodes.push(Node {
                        content: successor.content,
                        running: successor.running,
                        variable: successor.variable,
                        from: Some((id, successor.step)),
                    });
                }
            }
        }
        report.count_distinct();
        level = level.end..nodes.len().min(world.states.max(level.end));
        tell(&format!(
            "{} s: {} states, {} cut, {} crash states, {} broken",
            began.elapsed().as_secs(),
            nodes.len(),
            level.start,
            report.crashes(),
            report.failed()
        ));
        let done = world.only.is_some_and(|case| case.node < level.start);
        // What breaks first breaks with the shortest way.
        if done || report.failed() > 0 {
            break;
        }
    }
    report.states = u64::try_from(level.start).unwrap();
    report.beyond = u64::try_from(nodes.len() - level.start).unwrap();
    report.contents = u64::try_from(explorer.judge.contents()).unwrap();
    report.took = began.elapsed();
    report
}

/// What all threads share.
pub(super) struct Explorer {
    pub(super) world: World,
    pub(super) geometry: Geometry,
    pub(super) id: Guid,
    pub(super) judge: Judge,
    /// States that were reached before this level.
    pub(super) seen: RwLock<HashSet<u64>>,
    /// States from which a machine on which every trial fails came back.
    pub(super) walked: RwLock<HashSet<u64>>,
    /// States from which resets in a row led on.
    pub(super) left: RwLock<HashSet<u64>>,
    /// States from which starts that never came up led on.
    pub(super) never_up: RwLock<HashSet<u64>>,
}

/// What is durable after a number of flushes.
pub(super) struct Flushed {
    pub(super) content: Content,
    pub(super) copies: [Block; COPIES],
    marks: Vec<u64>,
    pub(super) verdicts: Vec<Arc<Verdict>>,
    mark: u64,
    /// The record that counts there.
    pub(super) record: Option<Record>,
}

/// A disk after a cut.
pub(super) struct Crash {
    pub(super) copies: [Block; COPIES],
    pub(super) verdicts: Vec<Arc<Verdict>>,
    pub(super) mark: u64,
    /// What the firmware kept.
    pub(super) variable: Variable,
}

impl Explorer {
    fn new(world: &World) -> Explorer {
        let geometry = Geometry { slots: world.slots };
        Explorer {
            world: *world,
            geometry,
            id: geometry.id(),
            judge: Judge::new(geometry, world.images, world.firmware),
            seen: RwLock::default(),
            walked: RwLock::default(),
            left: RwLock::default(),
            never_up: RwLock::default(),
        }
    }

    /// Where the firmware keeps the floor, what matters comes after a second slot
    /// is good: the states up to there are walked through, and explored from.
    fn go_ahead(&self, nodes: &mut Vec<Node>) {
        let first = SlotId::new(0);
        let install = |image, slot| Operation::Install {
            image,
            delta: false,
            slot,
            activate: slot.is_none(),
            retry: false,
        };
        let boot = Operation::Boot { refused: false };
        let update = |image| [install(image, None), boot, Operation::Confirm, boot];
        let factory = [Operation::Create, install(0, first), Operation::Provision];
        let way = factory.into_iter().chain([boot]);
        let way = way.chain(update(1)).chain(update(2));
        let way = way.chain([Operation::Hang; 3]);
        self.walk(nodes, way.chain(update(2)).chain(update(2)));
    }

    /// A disk whose record was lost, and then the power in the one start that its only
    /// image was given, lies far from the factory: it is explored from as well.
    fn lose_all_good(&self, nodes: &mut Vec<Node>) {
        let boot = Operation::Boot { refused: false };
        let install = Operation::Install {
            image: 0,
            delta: false,
            slot: SlotId::new(0),
            activate: false,
            retry: false,
        };
        let factory = [Operation::Create, install, Operation::Provision, boot];
        let lost = [Operation::LoseRecord, boot, boot];
        self.walk(nodes, factory.into_iter().chain(lost));
    }

    /// A slot that failed lies below the floor when all that are good are newer. That
    /// takes three slots and many steps: it is explored from as well.
    fn leave_behind(&self, nodes: &mut Vec<Node>) {
        if self.geometry.slots < 3 {
            return;
        }
        let boot = Operation::Boot { refused: false };
        let install = |image, slot, activate| Operation::Install {
            image,
            delta: false,
            slot: SlotId::new(slot),
            activate,
            retry: false,
        };
        let update = |slot| [install(1, slot, true), boot, Operation::Confirm, boot];
        let way = [
            Operation::Create,
            install(0, 0, false),
            Operation::Provision,
            boot,
        ];
        let fails = [Operation::Rollback, boot, Operation::Damaged, boot];
        let way = way
            .into_iter()
            .chain(update(1))
            .chain(fails)
            .chain(update(2));
        self.walk(nodes, way);
    }

    /// Walks from the disk that nothing was done to through these operations.
    fn walk(&self, nodes: &mut Vec<Node>, way: impl Iterator<Item = Operation>) {
        let mut from = 0;
        for operation in way {
            let node = &nodes[from];
            let bench = self.bench();
            let ran = bench.run(&node.content, node.running, node.variable, operation);
            assert!(ran.error.is_none(), "{operation}: {:?}", ran.error);
            nodes.push(Node {
                content: ran.content,
                running: ran.running,
                variable: ran.variable,
                from: Some((from, operation.to_string())),
            });
            from = nodes.len() - 1;
        }
    }

    fn visit_all(
        &self,
        nodes: &[Node],
        level: std::ops::Range<usize>,
    ) -> Vec<(Vec<Successor>, Report)> {
        let next = AtomicUsize::new(level.start);
        let visited = Mutex::new(Vec::new());
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    loop {
                        let id = next.fetch_add(1, Ordering::Relaxed);
                        if id >= level.end {
                            break;
                        }
                        let done = self.visit(nodes, id);
                        visited.lock().unwrap().push((id, done));
                    }
                });
            }
        });
        let mut visited = visited.into_inner().unwrap();
        visited.sort_by_key(|(id, _)| *id);
        visited.into_iter().map(|(_, done)| done).collect()
    }

    pub(super) fn bench(&self) -> Bench<'_> {
        Bench {
            judge: &self.judge,
            geometry: self.geometry,
            id: self.id,
            tries: self.world.tries,
        }
    }

    fn visit(&self, nodes: &[Node], id: usize) -> (Vec<Successor>, Report) {
        let node = &nodes[id];
        let record = self.record(&node.content);
        let operations = self.operations(node, record.as_ref());
        let grain = self.world.grain(id);
        let mut visit = Visit::new(self, nodes, id, record, grain);
        for (number, operation) in operations.into_iter().enumerate() {
            visit.operation(number, operation);
        }
        if node.running.is_some() {
            visit.reach(&node.content, None, node.variable, "power off".into());
        }
        visit.done()
    }

    pub(super) fn record(&self, content: &Content) -> Option<Record> {
        let copies = self.copies(content);
        Store::open(Copies::new(copies, None), self.id)
            .record()
            .cloned()
    }

    fn copies(&self, content: &Content) -> [Block; COPIES] {
        std::array::from_fn(|copy| content.get(self.geometry.copy(copy)).clone())
    }

    /// What can be done here.
    fn operations(&self, node: &Node, record: Option<&Record>) -> Vec<Operation> {
        let boots = [false, true].map(|refused| Operation::Boot { refused });
        let install = |image, slot, activate, retry| Operation::Install {
            image,
            delta: false,
            slot,
            activate,
            retry,
        };
        let delta = |image| Operation::Install {
            image,
            delta: true,
            slot: None,
            activate: true,
            retry: true,
        };
        let Some(record) = record else {
            let new = node.from.is_none().then_some(Operation::Create);
            return new.into_iter().chain(boots).collect();
        };
        let factory = record.known_good().is_none() && node.running.is_none();
        if factory {
            // An older and a newer image, in either slot, before one of them is made good;
            // and one in the slot that the command chooses, beside what failed.
            let mut operations = vec![Operation::Provision, boots[0]];
            operations.push(install(1, None, false, false));
            for slot in self.geometry.ids().take(2) {
                let each = 0..usize::from(self.world.images.min(2));
                operations.extend(each.map(|image| install(image, Some(slot), false, false)));
            }
            return operations;
        }
        let images = 0..usize::from(self.world.images);
        if node.running.is_none() {
            let mut operations = boots.to_vec();
            operations.push(Operation::LoseRecord);
            operations.extend(
                images
                    .clone()
                    .map(|image| install(image, None, true, false)),
            );
            operations.extend(images.map(delta));
            return operations;
        }
        let mut operations = vec![
            Operation::Confirm,
            Operation::Reject,
            Operation::GiveUp,
            Operation::ShutDown,
            Operation::Rollback,
        ];
        if self.world.firmware {
            operations.push(Operation::Hang);
        }
        for slot in self.geometry.ids() {
            operations.extend([Operation::Activate(slot), Operation::Once(slot)]);
        }
        if record.good().len() > 1 {
            operations.push(Operation::Up);
        }
        let armed = record.armed.map(|armed| armed.slot);
        let on_trial = node.running.is_some_and(|running| {
            armed == Some(running.slot) && record.trial() == Some(running.slot)
        });
        if on_trial {
            let during = |image| Operation::ConfirmDuringInstall { image };
            operations.extend(images.clone().map(during));
        }
        // The only good slot stays what it is, with a reason.
        if on_trial || record.good().len() > 1 {
            operations.push(Operation::Damaged);
        }
        for image in images {
            operations.push(install(image, None, true, false));
            operations.push(install(image, None, false, true));
            operations.push(delta(image));
            let each = self.geometry.ids().map(Some);
            operations.extend(each.map(|slot| install(image, slot, true, true)));
        }
        operations
    }

    pub(super) fn flushed(&self, content: Content) -> Flushed {
        let slots = 0..self.geometry.slots;
        Flushed {
            copies: self.copies(&content),
            marks: slots
                .clone()
                .map(|slot| content.fingerprint(self.geometry.slot(slot)))
                .collect(),
            verdicts: slots.map(|slot| self.judge.slot(&content, slot)).collect(),
            mark: content.fingerprint(0..content.blocks()),
            record: self.record(&content),
            content,
        }
    }

    pub(super) fn crash(&self, flushed: &Flushed, changed: &[(usize, Block)]) -> Crash {
        let mut crash = Crash {
            copies: flushed.copies.clone(),
            verdicts: flushed.verdicts.clone(),
            mark: flushed.mark,
            variable: Variable::Nowhere,
        };
        let mut marks = flushed.marks.clone();
        for (place, block) in changed {
            let old = flushed.content.get(*place);
            crash.mark ^= old.mark(*place) ^ block.mark(*place);
            match self.geometry.place(*place) {
                Place::Copy(copy) => crash.copies[copy] = block.clone(),
                Place::Slot(slot) => {
                    let inside = place - self.geometry.slot(slot).start;
                    marks[slot] ^= old.mark(inside) ^ block.mark(inside);
                }
                // Judged where the operation is.
                Place::Elsewhere => {}
            }
        }
        for (slot, (mark, was)) in marks.iter().zip(&flushed.marks).enumerate() {
            if mark != was {
                crash.verdicts[slot] = self.judge.verdict(*mark, || {
                    let place = self.geometry.slot(slot);
                    let content = apply(&flushed.content, changed);
                    content.bytes(place.start * BYTES..place.end * BYTES)
                });
            }
        }
        crash
    }

    /// What of a disk matters for everything that can still happen: two disks
    /// with the same key behave the same, as long as no sector dies.
    pub(super) fn key(
        &self,
        copies: &[Block; COPIES],
        verdicts: &[Arc<Verdict>],
        running: Option<Handover>,
        variable: Variable,
    ) -> u64 {
        let store = Store::open(Copies::new(copies.clone(), None), self.id);
        let mut hasher = DefaultHasher::new();
        match store.record() {
            Some(record) => {
                let valid = |copy: &Copy| *copy == Copy::Valid(record.sequence);
                let holders = store.copies().iter().filter(|copy| valid(copy)).count();
                (behaviour(record), holders).hash(&mut hasher);
            }
            None => 0.hash(&mut hasher),
        }
        for verdict in verdicts {
            let loads = verdict.load.as_ref().ok().map(|facts| facts.manifest);
            (loads, verdict.whole).hash(&mut hasher);
        }
        running
            .map(|handover| (handover.slot, handover.manifest))
            .hash(&mut hasher);
        variable.mark().hash(&mut hasher);
        hasher.finish()
    }
}

pub(super) fn apply(content: &Content, changed: &[(usize, Block)]) -> Content {
    let mut content = content.clone();
    for (place, block) in changed {
        content.set(*place, block.clone());
    }
    content
}

/// A record without what decides nothing.
pub(super) fn behaviour(record: &Record) -> Record {
    let mut record = record.clone();
    record.sequence = 1;
    record.minor = MINOR;
    record.last_failure = None;
    if record.known_good().is_some() {
        record.last_booted = None;
    }
    // Neither confirmed nor given back once its trial has ended, but as last resort.
    record.armed = record.armed.filter(|armed| {
        let state = record.slot(armed.slot).state;
        matches!(state, State::Trying | State::Ready)
            || state == State::Bad && armed.as_what == Arming::LastResort
    });
    for slot in record.ids() {
        let mut known = *record.slot(slot);
        known.reason = match (known.state, known.reason) {
            (State::Good, Reason::None) => Reason::None,
            (State::Good, reason) if reason.is_left() => Reason::Watchdog,
            // It goes behind the other good ones.
            (State::Good, _) => Reason::Damaged,
            // Without a good slot it says whether the slot may be written first, and
            // who may confirm it.
            (State::Bad, reason) => badness(reason),
            _ => Reason::None,
        };
        // It names a directory on the data partition, and decides nothing here.
        known.activation = 0;
        if known.state != State::Trying {
            (known.tries, known.tries_left, known.attempts) = (0, 0, 0);
        }
        record.set_slot(slot, known);
    }
    record
}

/// Of the reasons why a slot is bad one for each that decides something.
pub(super) fn badness(reason: Reason) -> Reason {
    match reason {
        Reason::Rejected => reason,
        Reason::Damaged | Reason::NotAuthentic | Reason::WrongManifest | Reason::BelowFloor => {
            Reason::Damaged
        }
        _ => Reason::Exhausted,
    }
}
