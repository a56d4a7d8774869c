//! What is on the disk that an image can be made of, found before anything is
//! written.

use super::holdings::{self, Holdings};
use super::plan::Sums;
use crate::source::Source;
use bootshim::record::{Record, SlotId, State};
use controller::disk::{Disk, Slice};
use controller::error::Result;
use controller::medium::Mode;
use controller::size;
use controller::verify;
use images::head::Head;
use images::index::{Index, Piece};
use images::trust::Trust;

/// What is on the disk that an image can be made of.
pub(super) struct Ground {
    before: Before,
    /// The slot that a delta is made against.
    pub(super) base: Option<(SlotId, Slice)>,
    /// The other slots.
    pub(super) holdings: Holdings,
}

/// What lies in the slot that is to be written.
enum Before {
    /// Nothing that is known.
    Nothing,
    /// What an install that did not come to its end has left.
    Half,
    /// An image.
    Image(Index),
}

impl Ground {
    /// Nothing to make an image of.
    #[cfg(test)]
    pub(super) fn nothing() -> Ground {
        Ground {
            before: Before::Nothing,
            base: None,
            holdings: Holdings::default(),
        }
    }

    /// Looks at the slots; `target` is to be written. Those that are not written
    /// are looked through where that saves reading `source`, or stands in for a
    /// patch that fails.
    ///
    /// # Errors
    /// When a delta's base is in no other slot.
    pub(super) fn find(
        disk: &Disk,
        record: &Record,
        target: SlotId,
        source: &Source,
        head: &Head,
        trusted: &Trust,
    ) -> Result<Ground> {
        let base = head.table.base();
        let base = base.map(|base| holdings::base(disk, record, target, base, trusted));
        let base = base.transpose()?;
        let last = base.as_ref().map(|(slot, _)| *slot);
        let holdings = if base.is_some() || source.is_remote() {
            Holdings::read(disk, record, target, last, trusted)
        } else {
            Holdings::default()
        };
        Ok(Ground {
            base,
            before: Before::look(disk, record, target, trusted),
            holdings,
        })
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
        if let Some((base, (slot, _))) = head.table.base().zip(self.base.as_ref()) {
            words.push(format!(
                "delta from {} in slot {slot}: {} instead of {}",
                base.version,
                size::words(head.header.file_length()),
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
        let useless = self.holdings.useless.iter();
        words.extend(useless.map(|why| format!("nothing is reused of {why}")));
        let head_len = head.header.payload_offset();
        words.push(format!(
            "{} to fetch, of an image of {}",
            size::words(sums.packed.saturating_add(head_len)),
            size::words(head.header.file_length())
        ));
        words
    }
}

impl Before {
    fn look(disk: &Disk, record: &Record, slot: SlotId, trusted: &Trust) -> Before {
        let index = || {
            let medium = disk.slot(slot, Mode::Read).ok()?;
            verify::installed_index(&medium, slot, trusted).ok()
        };
        match record.slot(slot).state {
            State::Writing => Before::Half,
            // One whose index cannot be read is written whole. That the record
            // knows of no image does not say that none lies there.
            _ => index().map_or(Before::Nothing, Before::Image),
        }
    }
}
