//! What is done for each piece of an image: nothing where it lies in the slot
//! already, a copy where another slot holds it, or its chunk is read.

use super::holdings::{Holdings, Place};
use images::group::Group;
use images::head::Head;
use images::index::Piece;
use std::ops::Range;

/// How a piece gets into the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It was read there and is right.
    Kept,
    /// It is copied from another slot.
    Held(Place),
    /// It comes out of its chunk.
    Chunk,
}

/// A way for each piece.
#[derive(Debug)]
pub(super) struct Plan {
    ways: Vec<Way>,
}

/// How many bytes go which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// Content that lies in the slot already.
    pub(super) kept: u64,
    /// Content that is copied from other slots.
    pub(super) held: u64,
    /// Packed chunks that are read.
    pub(super) packed: u64,
}

impl Plan {
    /// `kept` says which pieces lie in the slot already; `holdings` are those
    /// that may be copied.
    pub(super) fn new(head: &Head, kept: &[bool], holdings: Option<&Holdings>) -> Plan {
        let way = |(number, piece): (usize, &Piece)| {
            if kept.get(number) == Some(&true) {
                return Way::Kept;
            }
            let place = holdings.and_then(|holdings| holdings.find(&piece.hash));
            place.map_or(Way::Chunk, Way::Held)
        };
        let pieces = head.index.pieces().iter().enumerate();
        Plan {
            ways: pieces.map(way).collect(),
        }
    }

    /// The ways of some pieces, in their order.
    pub(super) fn of(&self, pieces: Range<usize>) -> &[Way] {
        self.ways.get(pieces).unwrap_or_default()
    }

    /// Changes the way of some pieces.
    pub(super) fn change(&mut self, pieces: Range<usize>, change: impl FnMut(&mut Way)) {
        let ways = self.ways.get_mut(pieces).unwrap_or_default();
        ways.iter_mut().for_each(change);
    }

    /// Whether a group has anything to be done.
    pub(super) fn is_open(&self, group: &Group<'_>) -> bool {
        let ways = self.of(range(group.first, group.pieces.len()));
        ways.iter().any(|way| *way != Way::Kept)
    }

    /// Whether a chunk has to be read.
    pub(super) fn wants(&self, first: usize, count: usize) -> bool {
        self.of(range(first, count)).contains(&Way::Chunk)
    }

    /// What it comes to.
    pub(super) fn sums(&self, head: &Head) -> Sums {
        let mut sums = Sums::default();
        for (way, piece) in self.ways.iter().zip(head.index.pieces()) {
            match way {
                Way::Kept => sums.kept += u64::from(piece.length),
                Way::Held(_) => sums.held += u64::from(piece.length),
                Way::Chunk => {}
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
