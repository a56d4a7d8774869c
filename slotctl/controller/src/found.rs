//! A controller as it was found: the record, the floor, and for each slot the signed
//! manifest that lies there or what is wrong with it. It is taken once per command;
//! what a command decides by are functions of it, and none reads a manifest again.

use crate::code::Code;
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::floor;
use crate::medium::Mode;
use crate::verify;
use bootshim::boot::Defect;
use bootshim::floor::{FloorInForce, Kept};
use bootshim::record::{Reason, Record, SlotId};
use bootshim::slot::Area;
use images::manifest::Manifest;
use images::slot_area::Installed;
use images::trust::Trust;

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
    slots: Vec<Content>,
}

/// What lies in a slot.
#[derive(Clone, Debug)]
struct Content {
    area: Result<Area, Defect>,
    installed: Result<Installed, Defect>,
}

impl<'a> Found<'a> {
    /// Reads the manifest of every slot. What is wrong with one is found, and no error.
    pub fn new(disk: &'a Disk, record: Record, trusted: &Trust) -> Found<'a> {
        let content = |slot| {
            let area = read_area(disk, slot);
            let installed = area.clone().and_then(|area| area.open(trusted));
            Content { area, installed }
        };
        Found {
            slots: record.ids().map(content).collect(),
            kept: floor::kept(disk),
            disk,
            trusted: trusted.clone(),
            record,
        }
    }

    /// The floor that counts, and whose it is.
    pub fn floor(&self) -> FloorInForce {
        FloorInForce::of(&self.kept, self.record.floor)
    }

    /// The slot that runs.
    pub fn running(&self) -> Option<SlotId> {
        self.disk.running(&self.record)
    }

    /// What is installed in a slot, whatever the record says of it.
    pub fn slot(&self, slot: SlotId) -> Result<&Installed, Defect> {
        let content = self.slots.get(slot.index()).ok_or_else(none)?;
        content.installed.as_ref().map_err(Clone::clone)
    }

    /// The same, with an error that names the slot.
    pub fn installed(&self, slot: SlotId) -> Result<&Installed> {
        self.slot(slot)
            .map_err(|defect| verify::defect(slot, defect))
    }

    /// What would be installed in a slot by the word of others.
    pub fn by(&self, slot: SlotId, others: &Trust) -> Result<Installed, Defect> {
        let content = self.slots.get(slot.index()).ok_or_else(none)?;
        content.area.as_ref().map_err(Clone::clone)?.open(others)
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

fn none() -> Defect {
    Defect::Bad(Reason::Unreadable, "no such slot".into())
}

#[cfg(test)]
mod tests;
