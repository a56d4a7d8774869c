//! What is done to a disk, by the libraries that do it on a controller.

use super::disk::Geometry;
use super::firmware::{Raise, Variable};
use super::image::Judge;
use super::promise::Broken;
use super::start::{Ended, Start, Started};
use bootshim::copies::{COPIES, Note, Store};
use bootshim::handover::Handover;
use bootshim::medium::Window;
use bootshim::record::{Reason, Record, SlotId};
use bootshim::reset::Cause;
use bootshim::state::Next;
use controller::disk::{Device, Disk};
use controller::error::{Error, Result};
use controller::progress::Quiet;
use controller::running::Running;
use fakedisk::{BYTES, Block, Content, Epoch, FakeDisk};
use images::trust::Trust;
use install::activation::{self, How};
use install::source::{Settings, Source};
use install::{Compatible, Request};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Something that is done to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    /// `disk create`: the first record, with nothing installed.
    Create,
    /// `disk create --image`: the factory's image becomes good.
    Provision,
    /// The machine is switched on. `refused`: its firmware does not take the
    /// first kernel.
    Boot { refused: bool },
    /// What runs hangs: the watchdog resets the machine, which says so.
    Hang,
    /// `install`.
    Install {
        image: usize,
        /// Of its delta, which patches and copies what its base holds.
        delta: bool,
        slot: Option<SlotId>,
        activate: bool,
        retry: bool,
    },
    /// `confirm` while an `install` writes its slot.
    ConfirmDuringInstall { image: usize },
    /// `activate`.
    Activate(SlotId),
    /// `activate --once`.
    Once(SlotId),
    /// `rollback`.
    Rollback,
    /// `confirm`.
    Confirm,
    /// `reject`.
    Reject,
    /// The deadline of `watch` passed.
    GiveUp,
    /// The initramfs finds that the root is damaged.
    Damaged,
    /// The system says that it is up.
    Up,
    /// The system goes down in order.
    ShutDown,
    /// All four copies of the record are gone, by whatever hand.
    LoseRecord,
}

impl Operation {
    /// The row of the report that it counts in.
    pub(super) fn name(self) -> &'static str {
        match self {
            Operation::Create | Operation::Provision => "provision",
            Operation::Boot { .. } => "boot",
            Operation::Hang => "reset by the watchdog",
            Operation::Install { delta: true, .. } => "install of a delta",
            Operation::Install { .. } => "install",
            Operation::ConfirmDuringInstall { .. } => "confirm during install",
            Operation::Activate(_) => "activate",
            Operation::Once(_) => "once",
            Operation::Rollback => "rollback",
            Operation::Confirm => "confirm",
            Operation::Reject => "reject",
            Operation::GiveUp => "deadline",
            Operation::Damaged => "damaged root",
            Operation::Up => "up",
            Operation::ShutDown => "orderly shutdown",
            Operation::LoseRecord => "the record is lost",
        }
    }

    /// Whether a person or a script can say it again.
    pub(super) fn is_command(self) -> bool {
        matches!(
            self,
            Operation::Install { .. }
                | Operation::Activate(_)
                | Operation::Once(_)
                | Operation::Rollback
                | Operation::Confirm
                | Operation::Reject
        )
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operation::Create => f.write_str("create"),
            Operation::Boot { refused: true } => f.write_str("boot, first kernel refused"),
            Operation::Install {
                image,
                delta,
                slot,
                activate,
                retry,
            } => {
                let delta = if *delta { "the delta to " } else { "" };
                write!(f, "install {delta}v{}", image + 1)?;
                if let Some(slot) = slot {
                    write!(f, " --slot {slot}")?;
                }
                f.write_str(if *activate { "" } else { " --no-activate" })?;
                f.write_str(if *retry { " --retry" } else { "" })
            }
            Operation::ConfirmDuringInstall { image } => {
                write!(f, "confirm during install v{}", image + 1)
            }
            Operation::Activate(slot) => write!(f, "activate {slot}"),
            Operation::Once(slot) => write!(f, "activate {slot} --once"),
            other => f.write_str(other.name()),
        }
    }
}

/// An operation that was run to its end.
pub(super) struct Ran {
    pub(super) content: Content,
    pub(super) running: Option<Handover>,
    pub(super) variable: Variable,
    pub(super) raises: Vec<Raise>,
    pub(super) epochs: Vec<Epoch>,
    /// Whether the last write was flushed.
    pub(super) flushed: bool,
    /// Why it was not done.
    pub(super) error: Option<Error>,
    pub(super) broken: Vec<Broken>,
}

/// A disk, and what runs from it.
pub(super) struct Bench<'a> {
    pub(super) judge: &'a Judge,
    pub(super) geometry: Geometry,
    pub(super) id: bootshim::guid::Guid,
    pub(super) tries: u8,
}

impl Bench<'_> {
    /// Runs it on this disk.
    pub(super) fn run(
        &self,
        content: &Content,
        running: Option<Handover>,
        variable: Variable,
        operation: Operation,
    ) -> Ran {
        if operation == Operation::LoseRecord {
            return self.lose_record(content.clone(), variable);
        }
        let disk = Arc::new(FakeDisk::of(content.clone()));
        let (mut after, mut broken) = (running, Vec::new());
        let (mut kept, mut raises) = (variable, Vec::new());
        let done = match operation {
            Operation::Boot { .. } | Operation::Hang => {
                let ended = self.boot(&disk, content, variable, operation);
                after = ended.started.as_ref().map(|started| self.handover(started));
                (kept, raises) = (ended.variable, ended.raises);
                broken = ended.broken;
                Ok(())
            }
            Operation::Create => self.create(&disk),
            _ => self.command(&disk, running, variable, operation),
        };
        if operation == Operation::ShutDown {
            after = None;
        }
        Ran {
            content: disk.content(),
            running: after,
            variable: kept,
            raises,
            epochs: disk.epochs(),
            flushed: !disk.is_unflushed(),
            error: done.err(),
            broken,
        }
    }

    /// It is not an operation that could be cut, but what others come after.
    fn lose_record(&self, mut content: Content, variable: Variable) -> Ran {
        for copy in 0..COPIES {
            content.set(self.geometry.copy(copy), Block::new([0; BYTES]));
        }
        Ran {
            content,
            running: None,
            variable,
            raises: Vec::new(),
            epochs: Vec::new(),
            flushed: true,
            error: None,
            broken: Vec::new(),
        }
    }

    fn create(&self, disk: &Arc<FakeDisk>) -> Result<()> {
        let mut record = Record::new(self.id, self.geometry.slots);
        record.default_tries = self.tries;
        let window = Window::new(disk, self.geometry.record());
        Store::open(window, self.id).commit_everywhere(Next::by_hand(record), Note::default())?;
        Ok(())
    }

    fn boot(
        &self,
        disk: &Arc<FakeDisk>,
        content: &Content,
        variable: Variable,
        operation: Operation,
    ) -> Ended {
        let verdicts: Vec<_> = (0..self.geometry.slots)
            .map(|slot| self.judge.slot(content, slot))
            .collect();
        let start = Start {
            id: self.id,
            verdicts: &verdicts,
            unreadable: None,
            refuses: usize::from(operation == Operation::Boot { refused: true }),
            variable,
            reset: match operation {
                Operation::Hang => Cause::Watchdog,
                _ => Cause::Other,
            },
        };
        let window = Window::new(disk, self.geometry.record());
        let durable = || {
            let flushed = !disk.is_unflushed();
            flushed
                .then(|| Store::open(&window, self.id).record().cloned())
                .flatten()
        };
        let written = || {
            assert!(!disk.is_unflushed(), "the floor rises between two commits");
            disk.epochs().len()
        };
        start.run_from(&window, &durable, &written)
    }

    fn handover(&self, started: &Started) -> Handover {
        Handover {
            slot: started.slot,
            disk: self.id,
            boot: started.record.sequence,
            manifest: started.record.slot(started.slot).manifest,
        }
    }

    fn command(
        &self,
        device: &Arc<FakeDisk>,
        running: Option<Handover>,
        variable: Variable,
        operation: Operation,
    ) -> Result<()> {
        // As bootshim told it to the system that runs.
        let epoch = running.map_or(0, |_| variable.floor(0).key_epoch);
        let trusted = self.judge.trusted.clone().with_epoch_floor(epoch);
        let disk = Disk::on(Arc::clone(device) as Arc<dyn Device>, running)?;
        let trial = || Running::new(&disk, disk.handover().expect("a running system"));
        match operation {
            Operation::Install {
                image,
                delta,
                slot,
                activate,
                retry,
            } => {
                let image = &self.judge.images[image];
                let file = if delta { &image.delta } else { &image.file };
                let request = Request {
                    slot,
                    tries: None,
                    activate,
                    retry,
                    dry_run: false,
                    allow_downgrade: true,
                    machine: None,
                };
                self.install(&disk, &trusted, file, &request)
            }
            Operation::ConfirmDuringInstall { image } => {
                let slots = self.geometry.slot(0).start;
                let on = Arc::clone(device);
                let confirm = move || {
                    let disk = Disk::on(on, running).expect("the same disk");
                    let running = disk.handover().expect("a running system");
                    Running::new(&disk, running).confirm().expect("a trial");
                };
                device.interrupt(slots, Box::new(confirm));
                let request = Request {
                    slot: None,
                    tries: None,
                    activate: true,
                    retry: false,
                    dry_run: false,
                    allow_downgrade: true,
                    machine: None,
                };
                self.install(&disk, &trusted, &self.judge.images[image].file, &request)
            }
            Operation::Provision => {
                let first = SlotId::new(0).unwrap();
                disk.provision(first).map(drop)
            }
            Operation::Activate(slot) => self.activate(&disk, &trusted, slot, How::Trial(None)),
            Operation::Once(slot) => self.activate(&disk, &trusted, slot, How::Once),
            Operation::Rollback => {
                activation::rollback(&disk, Ok(trusted.clone()), &Quiet).map(drop)
            }
            Operation::Confirm => {
                let proven = trial().prove(|| Ok(trusted.clone()), &Quiet)?;
                let confirmed = match proven {
                    Some(proven) => {
                        trial().confirm_last_resort(&proven, bootshim::state::Judge::Checks)
                    }
                    None => trial().confirm(),
                };
                confirmed.map(drop)
            }
            Operation::Reject => trial().reject("no").map(drop),
            Operation::GiveUp => trial().give_up_start("late").map(drop),
            Operation::Damaged => trial().root_failed(Reason::Damaged, "a block").map(drop),
            Operation::Up => trial().came_up().map(drop),
            Operation::ShutDown => trial().shut_down().map(drop),
            Operation::Create
            | Operation::Boot { .. }
            | Operation::Hang
            | Operation::LoseRecord => unreachable!(),
        }
    }

    fn install(&self, disk: &Disk, trusted: &Trust, file: &Path, request: &Request) -> Result<()> {
        let file = file.display().to_string();
        let mut source = Source::open(&file, &Settings::default())?;
        // Not what the disk says: that would be on the ESP, which this disk is without.
        let here = Compatible::Named {
            name: "plc".into(),
            from: "the simulator".into(),
        };
        install::install(disk, trusted, &here, &mut source, request, &Quiet).map(drop)
    }

    fn activate(&self, disk: &Disk, trusted: &Trust, slot: SlotId, how: How) -> Result<()> {
        activation::activate(disk, slot, how, Ok(trusted.clone()), &Quiet).map(drop)
    }
}
