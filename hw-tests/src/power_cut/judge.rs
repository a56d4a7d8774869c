//! Whether a disk that a cut left still does what was promised, by the code of
//! bootshim and of slotctl.

use super::rebuilt::Rebuilt;
use bootshim::boot::{Boot, Clearance, Defect, Event, Facts, Platform, Why};
use bootshim::choice::StartKind;
use bootshim::copies::Store;
use bootshim::floor::{Floor, Kept};
use bootshim::layout::Layout;
use bootshim::medium::{Medium, Window};
use bootshim::record::{DEFAULT_TRIES, Digest, Reason, Record, SlotId};
use bootshim::slot;
use controller::disk::Disk;
use controller::found::Found;
use controller::overlay::Overlay;
use controller::progress::Quiet;
use controller::verify;
use std::collections::HashMap;
use std::sync::Arc;

/// What the first start from a disk does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// Which slot starts.
    pub slot: SlotId,
    /// As what.
    pub kind: StartKind,
    /// The version of its image.
    pub version: String,
}

type Loaded = HashMap<(SlotId, u128), Result<Facts, Defect>>;
type Verified = HashMap<(SlotId, u128, Digest), Result<(), String>>;

/// Judges disks with one past. What was verified once is known by its content,
/// so that thousands of disks take seconds.
#[derive(Debug, Default)]
pub struct Judge {
    loaded: Loaded,
    verified: Verified,
}

impl Judge {
    /// Starts `disk` again and again, as if every system that came up did
    /// nothing, until a good slot has started. Each slot that starts is verified
    /// whole. The number of its record must not be below `durable`.
    pub fn judge(&mut self, disk: &Rebuilt, durable: u64) -> Result<Started, String> {
        let layout = disk.before().layout();
        let record = Overlay::new(Window::new(disk, layout.record.extent));
        let now = stored(&record, layout).ok_or("no copy of the record is valid")?;
        if now.sequence < durable {
            let now = now.sequence;
            return Err(format!("the record fell from number {durable} to {now}"));
        }
        if now.good().is_empty() {
            return Err("no slot is good".into());
        }
        let limit = layout
            .slots
            .len()
            .saturating_add(usize::from(DEFAULT_TRIES) * 3);
        let mut first = None;
        for _ in 0..limit {
            let started = self.start(disk, &record)?;
            let good = started.kind == StartKind::Good;
            first = first.or(Some(started));
            if good {
                return first.ok_or_else(String::new);
            }
        }
        Err(format!("no good slot has started after {limit} starts"))
    }

    /// The record that counts on `disk`.
    #[must_use]
    pub fn record(disk: &Rebuilt) -> Option<Record> {
        let layout = disk.before().layout();
        stored(Window::new(disk, layout.record.extent), layout)
    }

    fn start<M: Medium>(&mut self, disk: &Rebuilt, record: &M) -> Result<Started, String> {
        let layout = disk.before().layout();
        let platform = Witness {
            disk,
            loaded: &mut self.loaded,
            said: Vec::new(),
        };
        let mut boot = Boot::new(record, layout.record.id, layout.slots.len(), platform);
        let outcome = boot.run();
        let after = boot.record().cloned();
        let said = boot.into_platform().said;
        let (Some(started), Some(after)) = (outcome, after) else {
            return Err(format!("nothing starts: {}", said.join(" · ")));
        };
        self.verify(disk, &after, started.slot)
            .map_err(|why| format!("{why}, and it starts as {}", started.kind))?;
        Ok(started)
    }

    fn verify(&mut self, disk: &Rebuilt, record: &Record, slot: SlotId) -> Result<(), String> {
        let known = (slot, disk.content().slot(slot), record.slot(slot).manifest);
        let verified = self.verified.entry(known).or_insert_with(|| {
            let trusted = disk.before().trusted();
            Disk::on(Arc::new(disk.clone()), None)
                .and_then(|disk| {
                    let found = Found::new(&disk, record.clone(), trusted);
                    verify::slot(&found, slot, &Quiet).map(drop)
                })
                .map_err(|error| error.found)
        });
        verified.clone()
    }
}

fn stored<M: Medium>(record: M, layout: &Layout) -> Option<Record> {
    let store = Store::open(record, layout.record.id);
    store.record().cloned()
}

/// A platform that verifies everything and starts nothing.
struct Witness<'a> {
    disk: &'a Rebuilt,
    loaded: &'a mut Loaded,
    said: Vec<String>,
}

impl Platform for Witness<'_> {
    type Image = ();
    type Running = Started;

    fn load(&mut self, slot: SlotId) -> Result<(Facts, ()), Defect> {
        let known = (slot, self.disk.content().slot(slot));
        let disk = self.disk;
        let facts = self.loaded.entry(known).or_insert_with(|| {
            let no_slot = || Defect::Bad(Reason::Unreadable, "no such slot".into());
            let partition = disk.before().layout().slot(slot).ok_or_else(no_slot)?;
            let image = slot::load(
                &Window::new(disk, partition.extent),
                disk.before().trusted(),
            )?;
            Ok(image.facts())
        });
        facts.clone().map(|facts| (facts, ()))
    }

    fn manifest(&mut self, slot: SlotId) -> Result<Facts, Defect> {
        self.load(slot).map(|(facts, ())| facts)
    }

    fn floor(&mut self) -> Kept {
        Kept::Nowhere("the disk alone".into())
    }

    fn raise_floor(&mut self, _: Floor) -> Result<(), String> {
        unreachable!("none is kept")
    }

    fn start(
        &mut self,
        clearance: Clearance,
        _: &Record,
        facts: &Facts,
        (): (),
    ) -> Result<Started, Why> {
        Ok(Started {
            slot: clearance.slot(),
            kind: clearance.kind(),
            version: facts.version.clone(),
        })
    }

    fn tell(&mut self, event: &Event) {
        self.said.push(event.to_string());
    }

    fn seed(&self) -> u64 {
        0
    }
}
