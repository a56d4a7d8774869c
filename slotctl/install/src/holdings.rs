//! What lies in the slots that are not written: pieces that need not be fetched,
//! and the content that a delta is made against.

use bootshim::record::{Record, SlotId, State};
use controller::code::Code;
use controller::disk::{Disk, Slice};
use controller::error::{Error, Result};
use controller::medium::Mode;
use controller::verify;
use images::Digest;
use images::manifest::Manifest;
use images::table::Base;
use images::trust::Trust;
use std::collections::HashMap;
use std::fmt::Write as _;

/// Where a piece lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Which of the holdings' slots.
    pub(super) slot: usize,
    /// Where in it, in bytes.
    pub(super) offset: u64,
}

/// All pieces of all slots that hold an image, by their hash.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    /// The slots.
    pub(super) slots: Vec<(SlotId, Slice)>,
    places: HashMap<Digest, Place>,
    /// Why a slot that holds an image is of no use.
    pub(super) useless: Vec<String>,
}

impl Holdings {
    /// Reads the index of every slot but `target` that holds an image. That a
    /// piece is there is believed only when it was read. The slot `base` comes
    /// last: a piece stands in where a patch against that slot fails.
    pub(super) fn read(
        disk: &Disk,
        record: &Record,
        target: SlotId,
        base: Option<SlotId>,
        trusted: &Trust,
    ) -> Holdings {
        let mut holdings = Holdings::default();
        let mut slots: Vec<_> = record.slots().collect();
        slots.sort_by_key(|(id, _)| Some(*id) == base);
        for (id, slot) in slots {
            if id == target || matches!(slot.state, State::Empty | State::Writing) {
                continue;
            }
            if let Err(error) = holdings.add(disk, id, trusted) {
                holdings.useless.push(error.found);
            }
        }
        holdings
    }

    fn add(&mut self, disk: &Disk, slot: SlotId, trusted: &Trust) -> Result<()> {
        let medium = disk.slot(slot, Mode::Read)?;
        let index = verify::installed_index(&medium, slot, trusted)?;
        let number = self.slots.len();
        for piece in index.pieces() {
            let offset = piece.offset;
            let place = Place {
                slot: number,
                offset,
            };
            self.places.entry(piece.hash).or_insert(place);
        }
        self.slots.push((slot, medium));
        Ok(())
    }

    /// Where a piece with this hash lies.
    pub(super) fn find(&self, hash: &Digest) -> Option<Place> {
        self.places.get(hash).copied()
    }

    /// The slot at a place.
    pub(super) fn slot(&self, place: Place) -> Option<&(SlotId, Slice)> {
        self.slots.get(place.slot)
    }
}

/// The slot that holds what a delta is made against.
///
/// # Errors
/// When there is none: what is where instead.
pub(super) fn base(
    disk: &Disk,
    record: &Record,
    target: SlotId,
    base: &Base,
    trusted: &Trust,
) -> Result<(SlotId, Slice)> {
    let mut looked = String::new();
    for (id, slot) in record.slots() {
        let holds = match slot.state {
            State::Empty | State::Writing => Err(format!("is {}", slot.state)),
            _ => disk
                .manifest(id, trusted)
                .map_err(|defect| format!("has none: {defect}")),
        };
        let instead = match holds {
            Ok(installed) if installed.digest != base.manifest => {
                format!("holds {}", installed.manifest.version)
            }
            // Where the ground ends is signed in both.
            Ok(installed) if installed.manifest.content_len != base.content_len => {
                return Err(other_length(base, id, &installed.manifest));
            }
            Ok(_) if id == target => "holds it, and is the one to be written".into(),
            Ok(_) => return Ok((id, disk.slot(id, Mode::Read)?)),
            Err(instead) => instead,
        };
        let comma = if looked.is_empty() { "" } else { ", " };
        let _ = write!(looked, "{comma}slot {id} {instead}");
    }
    let found = format!(
        "this is a delta from {} (manifest {}…)",
        base.version,
        short(&base.manifest)
    );
    Err(Error::new(Code::MissingBase, found)
        .expected(format!("which no slot holds for it: {looked}"))
        .advice("install the full image"))
}

fn other_length(base: &Base, slot: SlotId, installed: &Manifest) -> Error {
    let found = format!(
        "the delta says that its base has {} bytes of content",
        base.content_len
    );
    Error::new(Code::NotIntact, found)
        .expected(format!(
            "{} in slot {slot} has {}",
            installed.version, installed.content_len
        ))
        .advice("make the delta again")
}

fn short(digest: &Digest) -> String {
    digest.iter().take(6).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
