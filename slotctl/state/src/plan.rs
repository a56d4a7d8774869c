//! What is to be done with the data partition before the units of a slot start, before a
//! flip, and afterwards. Pure: what was found goes in, what to do comes out.
//!
//! A slot finds what the record chooses: the directory of its slot, manifest and number.
//! Where there is none it is made, from what the same image left last or from the image
//! itself; what is copied forward comes from the last good slot. Nothing here changes
//! what another slot may need.

use crate::activation::Activation;
use crate::declared::{Declared, Formats, Kept, Kind};
use bootshim::record::{Record, SlotId, State};
use std::fmt;

/// The directory of an activation. It is there as a whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Directory {
    /// Whose it is.
    pub activation: Activation,
    /// Whether what is copied forward is in it: as a whole, once.
    pub forwarded: bool,
    /// The formats that its image reads, of all paths that other images see.
    pub formats: Formats,
}

/// What lies on the data partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Found {
    /// The directories of activations.
    pub directories: Vec<Directory>,
    /// The shared paths that are there, and their formats.
    pub shared: Formats,
}

impl Found {
    /// The directory of an activation.
    pub fn directory(&self, activation: &Activation) -> Option<&Directory> {
        let same = |directory: &&Directory| directory.activation == *activation;
        self.directories.iter().find(same)
    }

    /// The youngest directory that the same image in the same slot left under another
    /// number.
    fn own(&self, now: &Activation, forwarded: bool) -> Option<Activation> {
        let own = self.directories.iter().filter(|directory| {
            let other = directory.activation.number != now.number;
            other && directory.activation.same_image(now) && (directory.forwarded || !forwarded)
        });
        own.map(|directory| directory.activation)
            .min_by_key(|activation| activation.age(now))
    }
}

/// What something is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The root of the slot that starts.
    Image,
    /// What an activation left; what is not there either is as the image has it.
    Of(Activation),
}

/// A program would meet what a later one wrote.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TooNew {
    /// Where.
    pub path: Kept,
    /// The format of the data.
    pub data: u32,
    /// The highest format that the image reads.
    pub reads: u32,
}

impl fmt::Display for TooNew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TooNew { path, data, reads } = self;
        write!(f, "{path} has format {data}, the image reads up to {reads}")
    }
}

/// A slot that starts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Starting {
    /// The slot, its image and its number.
    pub activation: Activation,
    /// Whether it is good: then there is nothing better to start in its place.
    pub is_good: bool,
    /// The other good slots, the one that ran last first.
    pub other_good: Vec<Activation>,
}

impl Starting {
    /// By the record, as bootshim left it; `None` where no image lies in the slot.
    pub fn of(record: &Record, slot: SlotId) -> Option<Starting> {
        let others = record.good().into_iter().filter(|good| *good != slot);
        Some(Starting {
            activation: Activation::of(record, slot)?,
            is_good: record.slot(slot).state == State::Good,
            other_good: others
                .filter_map(|good| Activation::of(record, good))
                .collect(),
        })
    }
}

/// What is done before the units of a slot start, in this order. Each step that is there
/// already is left out, so that a start after a cut goes on with the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// Makes the directory of the activation.
    pub make: Option<Source>,
    /// Makes what is copied forward in it, at once.
    pub forward: Option<Source>,
    /// Of that, what begins as the image has it, since the image is too old for it.
    pub left_behind: Vec<TooNew>,
    /// What the shared paths have from now on, those that are not there among them: no
    /// program writes a higher format.
    pub shared: Formats,
    /// Shared paths that the units do not get. Only a good slot starts so.
    pub withheld: Vec<TooNew>,
}

/// What is done before the units of a slot start.
///
/// # Errors
/// The shared paths that a slot which is not good is too old for: its start fails.
pub fn start(
    declared: &Declared,
    found: &Found,
    starting: &Starting,
) -> Result<Steps, Vec<TooNew>> {
    let withheld = too_new(declared, Kind::Shared, &found.shared);
    if !withheld.is_empty() && !starting.is_good {
        return Err(withheld);
    }
    let here = found.directory(&starting.activation);
    let make = match here {
        Some(_) => None,
        None => Some(source(found.own(&starting.activation, false))),
    };
    let forward = match here {
        Some(Directory {
            forwarded: true, ..
        }) => None,
        _ => Some(forward_from(found, starting)),
    };
    let left_behind = match forward {
        Some(Source::Of(from)) => {
            let left = found.directory(&from).map(|directory| &directory.formats);
            left.map(|formats| too_new(declared, Kind::CopyForward, formats))
        }
        _ => None,
    };
    Ok(Steps {
        make,
        forward,
        left_behind: left_behind.unwrap_or_default(),
        shared: shared_formats(declared, found, starting),
        withheld,
    })
}

fn source(from: Option<Activation>) -> Source {
    from.map_or(Source::Image, Source::Of)
}

/// From the last good slot, which does not run and so has come to its end. A good slot
/// takes nothing from another: it goes on with its own.
fn forward_from(found: &Found, starting: &Starting) -> Source {
    let last_good = starting.other_good.first().filter(|_| !starting.is_good);
    let last_good = last_good.and_then(|activation| found.directory(activation));
    let last_good = last_good.filter(|directory| directory.forwarded);
    let from = last_good.map(|directory| directory.activation);
    source(from.or_else(|| found.own(&starting.activation, true)))
}

fn too_new(declared: &Declared, kind: Kind, formats: &Formats) -> Vec<TooNew> {
    let compare = |path: &Kept, reads| {
        let data = formats.get(path).copied().unwrap_or(0);
        (data > reads).then(|| TooNew {
            path: path.clone(),
            data,
            reads,
        })
    };
    declared
        .of(kind)
        .filter_map(|declaration| compare(&declaration.path, declaration.format))
        .collect()
}

/// The format of a shared path rises only where every good slot reads it, one of which
/// nobody knows what it reads not among them, and only by the start of a good slot: until
/// the confirm nothing changes that the way back needs.
fn shared_formats(declared: &Declared, found: &Found, starting: &Starting) -> Formats {
    let of = |path: &Kept, own: u32, unknown: u32| {
        let others = starting.other_good.iter().map(|other| {
            let formats = found.directory(other).map(|directory| &directory.formats);
            // One that does not have the path does not mind.
            formats.map_or(unknown, |formats| {
                formats.get(path).copied().unwrap_or(u32::MAX)
            })
        });
        others.min().unwrap_or(u32::MAX).min(own)
    };
    let shared = declared.of(Kind::Shared).map(|declaration| {
        let (path, own) = (&declaration.path, declaration.format);
        let format = match found.shared.get(path) {
            // Nobody has written there yet.
            None => of(path, own, u32::MAX),
            Some(format) if starting.is_good => of(path, own, 0).max(*format),
            Some(format) => *format,
        };
        (path.clone(), format)
    });
    shared.collect()
}

/// Why a flip would come to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotReady {
    /// The image is too old for what is shared.
    TooNew(Vec<TooNew>),
    /// Every number of this slot and image has a directory: they must be collected first.
    NoNumber,
}

/// What a flip chooses, and what its directory is made of: beside everything that is
/// there. `now` is the slot as the record has it, with the image that is to start. What
/// is copied forward follows when the slot starts: the last good one still runs.
///
/// # Errors
/// Where the slot would not start, or its state would not be told from another.
pub fn prepare(
    declared: &Declared,
    found: &Found,
    now: &Activation,
) -> Result<(Activation, Source), NotReady> {
    let too_new = too_new(declared, Kind::Shared, &found.shared);
    if !too_new.is_empty() {
        return Err(NotReady::TooNew(too_new));
    }
    let taken = |next: &Activation| found.directory(next).is_some();
    let next = now.after(taken).ok_or(NotReady::NoNumber)?;
    let left = found.directory(now).map(|directory| directory.activation);
    let left = left.or_else(|| found.own(&next, false));
    Ok((next, source(left)))
}

/// The partition has less room than a flip needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom {
    /// Bytes that are to be free.
    pub needed: u64,
    /// Bytes that are.
    pub free: u64,
}

/// Whether there is room for `copies` bytes on a partition with `free` of `size` bytes:
/// a twentieth stays free, since the last good slot writes on until it ends.
///
/// # Errors
/// How much is missing.
pub fn check_room(copies: u64, free: u64, size: u64) -> Result<(), NoRoom> {
    let needed = copies.saturating_add(size / 20);
    if needed <= free {
        return Ok(());
    }
    Err(NoRoom { needed, free })
}

/// The directories that no slot needs: of each slot that holds an image stays the one
/// that the record names, and where that is not whole, what it would be made of.
pub fn collect(found: &Found, record: &Record) -> Vec<Activation> {
    let mut needed = Vec::new();
    for now in record.ids().filter_map(|slot| Activation::of(record, slot)) {
        needed.push(now);
        let whole = found.directory(&now).is_some_and(|here| here.forwarded);
        if !whole {
            needed.extend(found.own(&now, false));
            needed.extend(found.own(&now, true));
        }
    }
    let all = found
        .directories
        .iter()
        .map(|directory| directory.activation);
    all.filter(|activation| !needed.contains(activation))
        .collect()
}

#[cfg(test)]
mod tests;
