//! What of an image lies on the disk already, in the slot that is written or in
//! another, and need not be fetched: found before anything is written, and decided
//! for each piece.

use crate::source::Source;
use bootshim::medium::Medium;
use bootshim::record::{SlotId, State};
use controller::code::Code;
use controller::disk::Slice;
use controller::error::{Error, Result};
use controller::found::Found;
use controller::medium::Mode;
use controller::size;
use controller::verify;
use images::Digest;
use images::group::Group;
use images::head::Head;
use images::index::{Index, Piece};
use images::manifest::Manifest;
use images::table::Base;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;

/// What is on the disk that an image can be made of.
#[derive(Default)]
pub(super) struct Reuse {
    before: Before,
    /// The slot that a delta is made against.
    pub(super) base: Option<(SlotId, Slice)>,
    /// The slots whose pieces are known.
    others: Vec<Slice>,
    places: HashMap<Digest, Place>,
    /// Why a slot that holds an image is of no use.
    useless: Vec<String>,
}

/// What lies in the slot that is to be written.
#[derive(Default)]
enum Before {
    /// Nothing that is known.
    #[default]
    Nothing,
    /// What an install that did not come to its end has left.
    Half,
    /// An image.
    Image(Index),
}

/// Where a piece lies in another slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    other: usize,
    offset: u64,
}

impl Reuse {
    /// Looks at the slots; `target` is to be written. Those that are not written
    /// are looked through where that saves reading `source`, or stands in for a
    /// patch that fails.
    pub(super) fn find(
        found: &Found<'_>,
        target: SlotId,
        source: &Source,
        head: &Head,
    ) -> Result<Reuse> {
        let base = head.table.base().map(|base| find_base(found, target, base));
        let base = base.transpose()?;
        let last = base.as_ref().map(|(slot, _)| *slot);
        let mut reuse = Reuse {
            base,
            ..Reuse::default()
        };
        if last.is_some() || source.is_remote() {
            reuse.add_others(found, target, last);
        }
        reuse.before = match found.record.slot(target).state {
            State::Writing => Before::Half,
            // One whose index cannot be read is written whole. That the record
            // knows of no image does not say that none lies there.
            _ => verify::index(found, target).map_or(Before::Nothing, Before::Image),
        };
        Ok(reuse)
    }

    /// Reads the index of every slot but `target` that holds an image. That a
    /// piece is there is believed only when it was read. The slot `base` comes
    /// last: a piece stands in where a patch against that slot fails.
    fn add_others(&mut self, found: &Found<'_>, target: SlotId, base: Option<SlotId>) {
        let mut slots: Vec<_> = found.record.slots().collect();
        slots.sort_by_key(|(id, _)| Some(*id) == base);
        for (id, slot) in slots {
            if id == target || matches!(slot.state, State::Empty | State::Writing) {
                continue;
            }
            if let Err(error) = self.add(found, id) {
                self.useless.push(error.found);
            }
        }
    }

    fn add(&mut self, found: &Found<'_>, slot: SlotId) -> Result<()> {
        let slice = found.disk.slot(slot, Mode::Read)?;
        let other = self.others.len();
        for piece in verify::index(found, slot)?.pieces() {
            let offset = piece.offset;
            let place = Place { other, offset };
            self.places.entry(piece.hash).or_insert(place);
        }
        self.others.push(slice);
        Ok(())
    }

    /// Where a piece with this hash lies in another slot.
    pub(super) fn place_of(&self, hash: &Digest) -> Option<Place> {
        self.places.get(hash).copied()
    }

    /// Reads from another slot; whether it could be read.
    pub(super) fn read(&self, place: Place, buffer: &mut [u8]) -> bool {
        let other = self.others.get(place.other);
        other.is_some_and(|slot| slot.read_at(place.offset, buffer).is_ok())
    }

    /// Which pieces of the new image may lie in the slot already, at their place:
    /// it is for the caller to read them.
    pub(super) fn may_be_kept(&self, index: &Index) -> Vec<bool> {
        let pieces = index.pieces();
        match &self.before {
            Before::Nothing => vec![false; pieces.len()],
            Before::Half => vec![true; pieces.len()],
            Before::Image(old) => {
                let mut old = old.pieces().iter().peekable();
                let same = |piece: &Piece| {
                    while old.next_if(|old| old.offset < piece.offset).is_some() {}
                    old.peek().is_some_and(|old| *old == piece)
                };
                pieces.iter().map(same).collect()
            }
        }
    }

    /// What is saved, and what is not and why: said before anything is fetched.
    pub(super) fn announcement(&self, head: &Head, sums: &Sums, source: &Source) -> Vec<String> {
        let mut words = Vec::new();
        let image = size::words(head.header.file_length());
        if let Some((base, (slot, _))) = head.table.base().zip(self.base.as_ref()) {
            words.push(format!(
                "delta from {} in slot {slot}: {image} instead of {}",
                base.version,
                size::words(base.full_len)
            ));
        }
        if sums.kept > 0 {
            words.push(format!(
                "{} of {} lie in the slot already",
                size::words(sums.kept),
                size::words(head.manifest.content_len)
            ));
        }
        if !source.is_remote() {
            return words;
        }
        if sums.held > 0 {
            words.push(format!(
                "{} are copied from other slots",
                size::words(sums.held)
            ));
        } else if !source.seeks() {
            words.push("nothing is reused: the server gives the image only as a whole".into());
        }
        let useless = self.useless.iter();
        words.extend(useless.map(|why| format!("nothing is reused of {why}")));
        let fetched = sums.packed.saturating_add(head.header.payload_offset());
        words.push(format!(
            "{} to fetch, of an image of {image}",
            size::words(fetched)
        ));
        words
    }
}

/// The slot that holds what a delta is made against.
fn find_base(found: &Found<'_>, target: SlotId, base: &Base) -> Result<(SlotId, Slice)> {
    let mut looked = String::new();
    for (id, slot) in found.record.slots() {
        let holds = match slot.state {
            State::Empty | State::Writing => Err(format!("is {}", slot.state)),
            _ => found
                .slot(id)
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
            Ok(_) => return Ok((id, found.disk.slot(id, Mode::Read)?)),
            Err(instead) => instead,
        };
        let comma = if looked.is_empty() { "" } else { ", " };
        let _ = write!(looked, "{comma}slot {id} {instead}");
    }
    let short: String = images::hex(&base.manifest).chars().take(12).collect();
    let found = format!("this is a delta from {} (manifest {short}…)", base.version);
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

/// Where a piece comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was read in the slot and is right.
    Kept,
    /// It is copied from another slot.
    Held(Place),
    /// It comes out of its chunk.
    Chunk,
}

/// Where each piece of an image comes from.
#[derive(Debug)]
pub(super) struct Origins(Vec<Origin>);

/// How many bytes come from where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// Content that lies in the slot already.
    pub(super) kept: u64,
    /// Content that is copied from other slots.
    pub(super) held: u64,
    /// Packed chunks that are read.
    pub(super) packed: u64,
}

impl Origins {
    /// `kept` says which pieces lie in the slot already; those of `others` may be
    /// copied.
    pub(super) fn new(head: &Head, kept: &[bool], others: Option<&Reuse>) -> Origins {
        let origin = |(number, piece): (usize, &Piece)| {
            if kept.get(number) == Some(&true) {
                return Origin::Kept;
            }
            let place = others.and_then(|others| others.place_of(&piece.hash));
            place.map_or(Origin::Chunk, Origin::Held)
        };
        Origins(head.index.pieces().iter().enumerate().map(origin).collect())
    }

    /// Those of some pieces, in their order.
    pub(super) fn of(&self, pieces: Range<usize>) -> &[Origin] {
        self.0.get(pieces).unwrap_or_default()
    }

    /// Changes those of some pieces.
    pub(super) fn change(&mut self, pieces: Range<usize>, change: impl FnMut(&mut Origin)) {
        let origins = self.0.get_mut(pieces).unwrap_or_default();
        origins.iter_mut().for_each(change);
    }

    /// Whether a group has anything to be done.
    pub(super) fn is_open(&self, group: &Group<'_>) -> bool {
        let origins = self.of(range(group.first, group.pieces.len()));
        origins.iter().any(|origin| *origin != Origin::Kept)
    }

    /// Whether a chunk has to be read.
    pub(super) fn wants(&self, first: usize, count: usize) -> bool {
        self.of(range(first, count)).contains(&Origin::Chunk)
    }

    /// What it comes to.
    pub(super) fn sums(&self, head: &Head) -> Sums {
        let mut sums = Sums::default();
        for (origin, piece) in self.0.iter().zip(head.index.pieces()) {
            match origin {
                Origin::Kept => sums.kept += u64::from(piece.length),
                Origin::Held(_) => sums.held += u64::from(piece.length),
                Origin::Chunk => {}
            }
        }
        let wanted = head
            .chunks()
            .filter(|chunk| self.wants(chunk.first, chunk.pieces.len()));
        sums.packed = wanted.map(|chunk| u64::from(chunk.entry.length)).sum();
        sums
    }
}

/// So many pieces from this one on.
pub(super) fn range(first: usize, count: usize) -> Range<usize> {
    first..first.saturating_add(count)
}
