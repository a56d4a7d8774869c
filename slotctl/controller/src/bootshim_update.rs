//! Replaces the bootshim on the ESP by the one that an image brings, so that a power cut
//! leaves the old one or the new one.
//!
//! bootshim starts the one of an image for that image's trial
//! ([`bootshim::chainload`]). Once it has started the slot and production confirms it,
//! this is the order: the program goes into the spare place of the ESP and is read
//! back ([`prepare`]); the slot becomes good in the record; the two places are swapped
//! ([`Ready::put`]). Until the swap the old one starts, which is also what happens
//! after a cut at any moment before it; after it, the new one, which has started a
//! good slot.

use crate::code::Code;
use crate::date::Date;
use crate::disk::{Disk, Slice};
use crate::efi_program::Program;
use crate::efi_variable;
use crate::error::{Error, Result};
use crate::esp::{self, Places};
use crate::floor;
use crate::found::Found;
use crate::lock::What;
use crate::medium::Mode;
use bootshim::boot::Defect;
use bootshim::copies::Durable;
use bootshim::handover::{BOOTSHIM_VARIABLE, Handover};
use bootshim::record::{Digest, MAJOR, SlotId, State};
use images::manifest::Kind;
use images::trust::Trust;

/// What is said when it is done.
pub const RENEWED: &str = "the bootshim of this image is the one that firmware starts now";

/// The bootshim of an image that started this system, where one did.
pub fn started_by() -> Option<Digest> {
    let digest = efi_variable::from_bootshim(BOOTSHIM_VARIABLE).ok()??;
    digest.try_into().ok()
}

/// A bootshim that has started the running slot lies whole in the spare place, and
/// waits there.
#[derive(Debug)]
pub struct Ready<'a> {
    disk: &'a Disk,
    program: Program,
}

/// Proof that the slot which runs was confirmed, and that this is durable.
#[derive(Debug)]
pub struct Confirmed(());

impl Confirmed {
    /// By the record after a commit.
    pub fn by(durable: &Durable, running: &Handover) -> Result<Confirmed> {
        let Handover { slot, manifest, .. } = *running;
        let known = durable.record().slot(slot);
        if known.state != State::Good || known.manifest != manifest {
            return Err(refused(format_args!("slot {slot} is not good")));
        }
        Ok(Confirmed(()))
    }
}

/// Makes ready the bootshim that the running image brings. `started_by` is the one
/// that started it ([`started_by`]). `None` where none is due: the image brings none, it is
/// on the ESP already, or it has not started this slot yet. Where it does not come to
/// the ESP, what firmware starts is untouched.
pub fn prepare<'a>(
    found: &Found<'a>,
    handover: &Handover,
    started_by: Option<Digest>,
) -> Result<Option<Ready<'a>>> {
    let disk = found.disk;
    let Some(brought) = brought(found, handover) else {
        return Ok(None);
    };
    let active = esp::read_program(disk.whole()?, disk.layout())?;
    let _lock = disk.lock(What::Record)?;
    if images::digest(active.bytes()) == brought {
        end_swap(disk)?;
        return Ok(None);
    }
    // A swap would take shim away with the bootshim that it starts.
    if esp::is_behind_shim(disk.whole()?, disk.layout())? {
        return Err(refused("shim starts it here; put it beside shim by hand"));
    }
    let spare = esp::read_spare(disk.whole()?, disk.layout(), active.machine())?;
    let here = images::digest(&spare) == brought;
    let waits = here && Places::find(&disk.esp(Mode::Read)?)?.waits();
    let due = due(waits, started_by == Some(brought));
    if due == Due::Nothing {
        return Ok(None);
    }
    let slot = disk.slot(handover.slot, Mode::Read)?;
    let program = bootshim::slot::bootshim(&slot, found.installed(handover.slot)?);
    let program = program.map_err(unusable)?;
    let program = Program::parse(program.map_or_else(Vec::new, |program| program.to_vec()))?;
    let record = disk.record_to_change()?;
    let old = trusted(disk, &active);
    let shut_out = |slot: &SlotId| {
        let why = found.by(*slot, &trusted(disk, &program)).err()?;
        found.by(*slot, &old).ok().map(|_| (*slot, why))
    };
    let mut slots = record.good().into_iter().chain([handover.slot]);
    check(&active, &program, slots.find_map(|slot| shut_out(&slot)))?;
    if due != Due::Swap {
        put_in_spare(&disk.esp(Mode::WriteExclusive)?, &program, here)?;
        let spare = esp::read_spare(disk.whole()?, disk.layout(), program.machine())?;
        if spare != program.bytes() {
            return Err(refused("the ESP does not give back what was written"));
        }
        // Only what was read back waits.
        let esp = disk.esp(Mode::WriteExclusive)?;
        Places::find(&esp)?.set_waits(&esp, true)?;
    }
    Ok(Some(Ready { disk, program }))
}

/// What comes next for a bootshim that firmware does not start yet.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    /// Into the spare place.
    Spare,
    /// It waits there, whole.
    Swap,
}

/// By whether it waits in the spare place, and whether it has started the slot. What
/// waits has, before the start that was cut.
fn due(waits: bool, has_started: bool) -> Due {
    match (waits, has_started) {
        (true, _) => Due::Swap,
        (false, true) => Due::Spare,
        (false, false) => Due::Nothing,
    }
}

fn trusted(disk: &Disk, program: &Program) -> Trust {
    let trust = program.trust().trust();
    trust.with_epoch_floor(floor::key_epoch(disk))
}

/// The bootshim is in its place: ends a swap that was cut within its sector, where
/// one was.
fn end_swap(disk: &Disk) -> Result<()> {
    match Places::find(&disk.esp(Mode::Read)?) {
        Ok(places) if places.is_whole() => Ok(()),
        Ok(_) => {
            let esp = disk.esp(Mode::WriteExclusive)?;
            Places::find(&esp)?.set_waits(&esp, false)
        }
        // An ESP that others made, with this bootshim on it: nothing is due.
        Err(error) if error.code == Code::NoSparePlace => Ok(()),
        Err(error) => Err(error),
    }
}

fn put_in_spare(esp: &Slice, program: &Program, here: bool) -> Result<()> {
    let mut places = Places::find(esp)?;
    // While the spare is written nothing in it waits.
    places.set_waits(esp, false)?;
    if here {
        return Ok(());
    }
    esp::write_spare(esp, program, Date::from_environment()?)
}

/// Whether the image that runs brings a bootshim which is not the one that firmware
/// starts.
pub fn is_missing(found: &Found<'_>) -> bool {
    let disk = found.disk;
    let brought = disk
        .handover()
        .and_then(|handover| brought(found, handover));
    brought.is_some_and(|digest| {
        let active = disk
            .whole()
            .and_then(|whole| esp::read_program(whole, disk.layout()));
        active.is_ok_and(|active| images::digest(active.bytes()) != digest)
    })
}

/// The bootshim that the image brings which runs. What runs is what was started, or
/// nothing is known of it.
fn brought(found: &Found<'_>, handover: &Handover) -> Option<Digest> {
    let installed = found.slot(handover.slot).ok()?;
    let bootshim = installed.manifest.payload(Kind::Bootshim)?.hash;
    (installed.digest == handover.manifest).then_some(bootshim)
}

impl Ready<'_> {
    /// Swaps the two places, so that firmware starts it from now on. Refused where
    /// something else waits by now, and firmware does not start it already.
    pub fn put(self, _: Confirmed) -> Result<()> {
        let _lock = self.disk.lock(What::Record)?;
        let esp = self.disk.esp(Mode::WriteExclusive)?;
        let places = Places::find(&esp)?;
        let (whole, layout) = (self.disk.whole()?, self.disk.layout());
        let spare = esp::read_spare(whole, layout, self.program.machine())?;
        if places.waits() && spare == self.program.bytes() {
            return places.swap(&esp);
        }
        // Another process may have been faster.
        let active = esp::read_program(self.disk.whole()?, layout)?;
        if active.bytes() != self.program.bytes() {
            return Err(refused("what waits on the ESP is not what was put there"));
        }
        Ok(())
    }
}

/// What the new one must be: for this machine, and no worse than the one before for
/// anything that starts now. `shut_out` is a slot that only the old one starts.
fn check(active: &Program, program: &Program, shut_out: Option<(SlotId, Defect)>) -> Result<()> {
    if program.machine() != active.machine() {
        return Err(refused("it is for another kind of processor"));
    }
    let major = program.trust().record_major;
    if major != MAJOR {
        let words = format_args!("it reads the boot record format {major}, here is {MAJOR}");
        return Err(refused(words));
    }
    match shut_out {
        Some((slot, why)) => Err(refused(format_args!(
            "it would not start slot {slot}: {why}"
        ))),
        None => Ok(()),
    }
}

fn unusable(defect: Defect) -> Error {
    refused(format_args!("it cannot be read from its slot: {defect}"))
}

fn refused(why: impl std::fmt::Display) -> Error {
    let found = format!("the bootshim of this image does not come to the ESP: {why}");
    Error::new(Code::BootshimNotRenewed, found).changed("the one before still starts")
}

#[cfg(test)]
mod tests;
