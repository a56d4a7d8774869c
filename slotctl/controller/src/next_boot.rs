//! What bootshim would choose: asked of the very code that bootshim runs.

use crate::code::Code;
use crate::disk::{Disk, Slice};
use crate::error::{Error, Result};
use crate::floor;
use crate::lock::What;
use crate::medium::Mode;
use crate::overlay::Overlay;
use bootshim::boot::{Boot, Clearance, Defect, Event, Facts, Platform, Why};
use bootshim::choice::StartKind;
use bootshim::floor::{Floor, FloorInForce, Kept};
use bootshim::medium::Medium;
use bootshim::record::{Reason, Record, SlotId, State};
use bootshim::slot::{self, BootImage};
use images::slot_area::Installed;
use images::trust::Trust;

/// What bootshim would do with a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextBoot {
    /// The slot it would start, and as what.
    pub choice: Option<(SlotId, StartKind)>,
    /// Why every other slot is passed over.
    pub passed_over: Vec<(SlotId, String)>,
    /// Every line that bootshim would write.
    pub said: Vec<String>,
    /// The floor that it rests on.
    pub floor: Option<FloorInForce>,
    /// Whether the record changes by it.
    pub changed: bool,
}

/// Asks without writing anything.
///
/// # Errors
/// The operating system's; what is on the disk is answered, not refused.
pub fn ask(disk: &Disk, trusted: &Trust) -> Result<NextBoot> {
    let record = Overlay::new(disk.record(Mode::Read)?);
    run(disk, trusted, record)
}

/// Asks, and commits what bootshim would commit.
///
/// # Errors
/// As [`ask`]; refused on the disk that this controller runs from, where only a
/// real start may cost a try.
pub fn arm(disk: &Disk, trusted: &Trust) -> Result<NextBoot> {
    if disk.handover().is_some() {
        let found = format!("this controller runs from {}", disk.path().display());
        return Err(Error::new(Code::RunningDisk, found)
            .expected("--arm is for disk images")
            .changed("nothing was written"));
    }
    let _lock = disk.lock(What::Record)?;
    run(disk, trusted, disk.record(Mode::Write)?)
}

fn run<M: Medium>(disk: &Disk, trusted: &Trust, record: M) -> Result<NextBoot> {
    let layout = disk.layout();
    let slots = layout.slots.len();
    let lies = |slot| {
        let slice = disk.slot(slot, Mode::Read)?;
        let installed = slot::manifest(&slice, trusted);
        Ok((slice, installed))
    };
    let found = SlotId::all().take(slots).map(lies);
    let platform = Onlooker {
        slots: found.collect::<Result<_>>()?,
        kept: floor::kept(disk),
        floor: None,
        passed: Vec::new(),
        said: Vec::new(),
    };
    let mut boot = Boot::new(record, layout.record.id, slots, platform);
    let before = boot.record().cloned();
    let choice = boot.run();
    let after = boot.record().cloned();
    let changed = after != before;
    let onlooker = boot.into_platform();
    let passed_over = passed_over(slots, choice, after.as_ref(), &onlooker.passed);
    Ok(NextBoot {
        choice,
        passed_over,
        said: onlooker.said,
        floor: onlooker.floor,
        changed,
    })
}

/// A reason for each slot that is not started: what happened to it, or else the
/// state for which its turn did not come.
fn passed_over(
    slots: usize,
    choice: Option<(SlotId, StartKind)>,
    record: Option<&Record>,
    events: &[(SlotId, Why)],
) -> Vec<(SlotId, String)> {
    let others = (0..slots).filter_map(SlotId::new);
    let others = others.filter(|slot| choice.is_none_or(|(chosen, _)| chosen != *slot));
    let why = |slot: SlotId| {
        let event = events.iter().rev().find(|(of, _)| *of == slot);
        event.map(|(_, why)| why.to_string()).unwrap_or_else(|| {
            record.map_or_else(
                || "no record".into(),
                |record| not_its_turn(record, slot, choice),
            )
        })
    };
    others.map(|slot| (slot, why(slot))).collect()
}

fn not_its_turn(record: &Record, slot: SlotId, choice: Option<(SlotId, StartKind)>) -> String {
    let known = record.slot(slot);
    match (known.state, choice) {
        (State::Empty, _) => "empty".into(),
        (State::Writing, _) => "half written".into(),
        (State::Ready, _) => "ready, not activated".into(),
        (State::Bad, _) => format!("bad: {}", known.reason),
        (State::Good, Some((first, StartKind::Good))) => {
            format!("good, slot {first} goes before it")
        }
        (State::Good, Some((first, kind))) => {
            format!("good, slot {first} goes before it as {kind}")
        }
        (State::Trying, Some((first, StartKind::Once))) => {
            format!("on trial, slot {first} goes before it once")
        }
        (State::Trying, _) => "on trial, and the record cannot be written".into(),
        (state, None) => state.to_string(),
    }
}

/// A platform that verifies everything and starts nothing.
struct Onlooker {
    /// Each slot, with its manifest or what is wrong with that.
    slots: Vec<(Slice, Result<Installed, Defect>)>,
    kept: Kept,
    floor: Option<FloorInForce>,
    passed: Vec<(SlotId, Why)>,
    said: Vec<String>,
}

impl Onlooker {
    fn slot(&self, slot: SlotId) -> Result<&(Slice, Result<Installed, Defect>), Defect> {
        let none = || Defect::Bad(Reason::Unreadable, "no such slot".into());
        self.slots.get(slot.index()).ok_or_else(none)
    }
}

impl Platform for Onlooker {
    type Image = BootImage;
    type Running = (SlotId, StartKind);

    fn load(&mut self, slot: SlotId) -> Result<(Facts, BootImage), Defect> {
        let (slice, installed) = self.slot(slot)?;
        let image = slot::boot_image(slice, installed.clone()?)?;
        Ok((image.facts(), image))
    }

    fn manifest(&mut self, slot: SlotId) -> Result<Facts, Defect> {
        let (_, installed) = self.slot(slot)?;
        installed.as_ref().map(slot::facts).map_err(Clone::clone)
    }

    fn floor(&mut self) -> Kept {
        self.kept.clone()
    }

    /// Asking raises nothing; the start itself will.
    fn raise_floor(&mut self, _: Floor) -> Result<(), String> {
        Ok(())
    }

    fn start(
        &mut self,
        clearance: Clearance,
        _: &Record,
        _: &Facts,
        _: BootImage,
    ) -> Result<(SlotId, StartKind), Why> {
        Ok((clearance.slot(), clearance.kind()))
    }

    fn tell(&mut self, event: &Event) {
        if let Event::PassedOver(slot, why) = event {
            self.passed.push((*slot, why.clone()));
        }
        if let Event::Floor { in_force, .. } = event {
            self.floor.get_or_insert(*in_force);
        }
        self.said.push(event.to_string());
    }

    fn seed(&self) -> u64 {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    }
}
