//! A controller as it was found: the record, the floor, and for each slot the signed
//! manifest that lies there or what is wrong with it. It is taken once per command;
//! what a command decides by are functions of it. A slot is read when it is first asked
//! for, and never again: a sector that hardly reads in a slot that nobody asks for costs
//! nobody time.

use crate::code::Code;
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::floor;
use crate::medium::Mode;
use bootshim::boot::Defect;
use bootshim::floor::{FloorInForce, Kept};
use bootshim::record::{Reason, Record, SlotId};
use bootshim::slot::Area;
use images::manifest::Manifest;
use images::slot_area::Installed;
use images::trust::Trust;
use std::cell::OnceCell;

/// A controller as it was found.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    /// Its disk.
    pub disk: &'a Disk,
    /// Whose signatures count.
    pub trusted: Trust,
    /// The record that counts.
    pub record: Record,
    kept: Kept,
    slots: Vec<OnceCell<Content>>,
}

/// What lies in a slot.
#[derive(Clone, Debug)]
struct Content {
    area: Result<Area, Defect>,
    installed: Result<Installed, Defect>,
}

impl<'a> Found<'a> {
    /// With this record and these keys; no slot is read yet.
    pub fn new(disk: &'a Disk, record: Record, trusted: &Trust) -> Found<'a> {
        Found {
            slots: record.ids().map(|_| OnceCell::new()).collect(),
            kept: floor::kept(disk),
            disk,
            trusted: trusted.clone(),
            record,
        }
    }

    fn content(&self, slot: SlotId) -> Result<&Content, Defect> {
        let none = || Defect::Bad(Reason::Unreadable, "no such slot".into());
        let content = self.slots.get(slot.index()).ok_or_else(none)?;
        Ok(content.get_or_init(|| {
            let area = read_area(self.disk, slot);
            let opened = area.as_ref().map_err(Clone::clone);
            let installed = opened.and_then(|area| area.open(&self.trusted));
            Content { area, installed }
        }))
    }

    /// The floor in force, and whose it is.
    pub fn floor(&self) -> FloorInForce {
        FloorInForce::of(&self.kept, self.record.floor)
    }

    /// The slot that runs.
    pub fn running(&self) -> Option<SlotId> {
        self.disk.running(&self.record)
    }

    /// What is installed in a slot, whatever the record says of it.
    pub fn slot(&self, slot: SlotId) -> Result<&Installed, Defect> {
        self.content(slot)?.installed.as_ref().map_err(Clone::clone)
    }

    /// The same, with an error that names the slot.
    pub fn installed(&self, slot: SlotId) -> Result<&Installed> {
        self.slot(slot).map_err(|found| defect(slot, found))
    }

    /// What would be installed in a slot by the word of others.
    pub fn by(&self, slot: SlotId, others: &Trust) -> Result<Installed, Defect> {
        let area = self.content(slot)?.area.as_ref();
        area.map_err(Clone::clone)?.open(others)
    }

    /// The manifest of a slot, if it is the one that the record says was installed
    /// there.
    pub fn manifest(&self, slot: SlotId) -> Result<&Manifest> {
        let installed = self.installed(slot)?;
        if installed.digest != self.record.slot(slot).manifest {
            let found = format!("slot {slot} holds another image than the one installed there");
            return Err(Error::new(Code::NotIntact, found));
        }
        Ok(&installed.manifest)
    }
}

fn read_area(disk: &Disk, slot: SlotId) -> Result<Area, Defect> {
    let slice = disk.slot(slot, Mode::Read);
    Area::read(&slice.map_err(|error| Defect::Bad(Reason::Unreadable, error.to_string()))?)
}

/// What is wrong with the manifest of a slot.
fn defect(slot: SlotId, defect: Defect) -> Error {
    let error = match defect {
        Defect::Unreadable(fault) => Error::fault("reading the manifest", fault),
        // Whole, and too old: so `install` says of the same image.
        old @ Defect::Bad(Reason::BelowFloor, _) => Error::new(Code::BelowFloor, old.to_string()),
        bad @ Defect::Bad(..) => Error::new(Code::NotIntact, bad.to_string()),
    };
    in_slot(slot, error)
}

/// An error that names the slot.
pub(crate) fn in_slot(slot: SlotId, error: Error) -> Error {
    let found = format!("slot {slot}: {}", error.found);
    Error { found, ..error }
}

#[cfg(test)]
mod tests;
