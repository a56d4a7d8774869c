//! What must hold of a disk once its device works again.

use crate::ground::{Ground, record, slot};
use bootshim::choice::StartKind;
use bootshim::copies::{COPIES, SPACING};
use bootshim::medium::{Access, Extent};
use bootshim::record::SlotId;
use controller::disk::Disk;
use controller::found::Found;
use controller::next_boot::{self, NextBoot};
use controller::progress::Quiet;
use controller::verify;
use fakedisk::{BYTES, Content, FakeDisk, Injection};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a byte of the disk belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Record,
    Slot(usize),
    Elsewhere,
}

/// What the access touches that goes wrong; `None` for a flush.
pub fn place_of(injection: &Injection) -> Option<Place> {
    let (access, offset) = injection.place;
    (access != Access::Flush).then(|| place(offset))
}

fn place(at: u64) -> Place {
    let layout = &Ground::get().layout;
    let within = |part: &Extent| (part.start..part.start + part.len).contains(&at);
    let slots = &layout.slots;
    match slots.iter().position(|slot| within(&slot.extent)) {
        Some(slot) => Place::Slot(slot),
        None if within(&layout.record.extent) => Place::Record,
        None => Place::Elsewhere,
    }
}

/// What differs between two disks. Of the record only its copies may.
pub fn changed(before: &Content, after: &Content) -> Result<BTreeSet<Place>, String> {
    let start = Ground::get().layout.record.extent.start;
    let mut changed = BTreeSet::new();
    for block in before.differs(after) {
        let at = (block * BYTES) as u64;
        let found = place(at);
        let copy = at.checked_sub(start);
        let copy = copy.is_some_and(|at| at % SPACING == 0 && at < SPACING * COPIES as u64);
        if found == Place::Elsewhere || found == Place::Record && !copy {
            return Err(format!("the block at {at} was written"));
        }
        changed.insert(found);
    }
    Ok(changed)
}

/// The disk, on a device that works.
pub fn healed(content: &Content) -> Disk {
    Disk::on(Arc::new(FakeDisk::of(content.clone())), None).unwrap()
}

/// The next start reaches a slot that verifies in full; which, and as what.
pub fn next_start(disk: &Disk) -> Result<(SlotId, StartKind), String> {
    let ground = Ground::get();
    let next: NextBoot = next_boot::arm(disk, &ground.trusted).map_err(|e| e.to_string())?;
    let (started, kind) = next.choice.ok_or("nothing starts once it works again")?;
    verifies(disk, started)?;
    Ok((started, kind))
}

/// Every byte of the slot is right.
pub fn verifies(disk: &Disk, slot: SlotId) -> Result<(), String> {
    let (record, _) = disk.read_record().map_err(|error| error.to_string())?;
    let found = Found::new(disk, record, &Ground::get().trusted);
    verify::slot(&found, slot, &Quiet)
        .map(drop)
        .map_err(|error| format!("slot {slot} does not verify: {error}"))
}

/// The next install, of this version, simply works, and starts next.
pub fn next_install_works(disk: &Disk, version: usize) -> Result<(), String> {
    let ground = Ground::get();
    let done = ground
        .install(disk, version, true)
        .map_err(|error| format!("the next install: {error}"))?;
    match next_start(disk)? {
        (started, StartKind::Trial) if started == done.slot => Ok(()),
        (started, kind) => Err(format!("after the next install slot {started} as {kind}")),
    }
}

/// Nothing became good that was not, and slot a still is; no number fell.
pub fn no_success_was_invented(before: &Content, after: &Content) -> Result<(), String> {
    let now = record(after);
    let Some(was) = record(before) else {
        return match now.filter(|now| !now.good().is_empty()) {
            Some(now) => Err(format!("{:?} became good", now.good())),
            None => Ok(()),
        };
    };
    let now = now.ok_or("the record is lost")?;
    let good = now.good();
    if good != [slot(0)] {
        return Err(format!("good are {good:?}"));
    }
    if now.sequence < was.sequence || now.floor < was.floor {
        return Err("sequence or floor fell".into());
    }
    Ok(())
}
