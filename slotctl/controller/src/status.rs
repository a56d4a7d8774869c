//! What is on a disk: slots, states, what runs, what boots next and why, the
//! last failure.

use crate::bootshim_update;
use crate::disk::Disk;
use crate::efi_variable;
use crate::error::Result;
use crate::floor;
use bootshim::choice::{self, Situation, Slots, StartKind};
use bootshim::copies::{Copy, Note};
use bootshim::floor::Counts;
use bootshim::handover::WATCHDOG_VARIABLE;
use bootshim::hardware::watchdog::Report;
use bootshim::record::{Record, Slot, SlotId, State};
use images::trust::Trust;

/// What is on a disk.
#[derive(Clone, Debug)]
pub struct Status {
    /// The record that counts.
    pub record: Record,
    /// The words beside it.
    pub note: Note,
    /// What was found where its copies lie.
    pub copies: [Copy; 4],
    /// A slot each, with the version that its manifest gives.
    pub versions: Vec<Option<String>>,
    /// The slot that runs, where this controller runs from this disk.
    pub running: Option<SlotId>,
    /// The floor that counts, and whose it is.
    pub floor: Counts,
    /// What bootshim told of the hardware's watchdog, where this controller runs
    /// from this disk and it told anything.
    pub watchdog: Option<Report>,
    /// The image that runs brings a bootshim which firmware does not start yet.
    pub bootshim_missing: bool,
    /// What boots next, if everything verifies.
    pub next: Option<(SlotId, StartKind)>,
}

impl Status {
    /// Reads it; nothing is written.
    ///
    /// # Errors
    /// The operating system's; a lost record.
    pub fn read(disk: &Disk, trusted: &Trust) -> Result<Status> {
        let store = disk.store()?;
        let (record, note) = disk.read_record()?;
        let version = |(slot, known): (SlotId, &Slot)| {
            let installed = !matches!(known.state, State::Empty | State::Writing);
            let manifest = installed
                .then(|| disk.manifest(slot, trusted).ok())
                .flatten();
            manifest
                .filter(|m| m.digest == known.manifest)
                .map(|m| m.manifest.version)
        };
        let now = Situation {
            passed: Slots::default(),
            can_commit: store.unknown_major().is_none(),
            seed: 0,
        };
        Ok(Status {
            versions: record.slots().map(version).collect(),
            floor: floor::counts(disk, &record),
            running: disk.running(&record),
            watchdog: disk.handover().and_then(|_| watchdog()),
            bootshim_missing: disk
                .handover()
                .is_some_and(|handover| bootshim_update::is_missing(disk, handover, trusted)),
            // By the record alone; `next-boot` verifies the slots too.
            next: choice::first(&record, &now),
            copies: *store.copies(),
            note,
            record,
        })
    }

    /// The version in a slot, where its manifest is authentic.
    #[must_use]
    pub fn version(&self, slot: SlotId) -> Option<&str> {
        self.versions.get(slot.index())?.as_deref()
    }

    /// How many copies of the record hold a valid one.
    #[must_use]
    pub fn copies_valid(&self) -> usize {
        self.copies
            .iter()
            .filter(|copy| matches!(copy, Copy::Valid(_)))
            .count()
    }
}

fn watchdog() -> Option<Report> {
    Report::parse(&efi_variable::from_bootshim(WATCHDOG_VARIABLE).ok()??)
}
