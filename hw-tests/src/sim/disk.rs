//! The disk that is simulated: a real partition table, a record, and slots just
//! large enough for a small image.

use bootshim::copies::COPIES;
use bootshim::guid::Guid;
use bootshim::layout::Layout;
use bootshim::medium::Extent;
use bootshim::record::SlotId;
use fakedisk::{BYTES, Content, FakeDisk};
use std::ops::Range;

/// Where the record begins, in blocks.
const RECORD: usize = 256;
/// From one copy of it to the next.
const SPACING: usize = 64;
/// Where the first slot begins.
const SLOTS: usize = 512;
/// How long a slot is: six blocks of content, its index, the manifest area.
pub(super) const SLOT: usize = 23;

/// Where everything lies, in blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub(super) slots: usize,
}

/// What a block of the disk belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// This copy of the record.
    Copy(usize),
    /// This slot.
    Slot(usize),
    /// Nothing that may ever be written.
    Elsewhere,
}

impl Geometry {
    pub(super) fn ids(self) -> impl Iterator<Item = SlotId> {
        (0..self.slots).filter_map(SlotId::new)
    }

    pub(super) fn slot(self, slot: usize) -> Range<usize> {
        let first = SLOTS + slot * SLOT;
        first..first + SLOT
    }

    pub(super) fn copy(self, copy: usize) -> usize {
        RECORD + copy * SPACING
    }

    pub(super) fn record(self) -> Extent {
        extent(RECORD..RECORD + COPIES * SPACING)
    }

    pub(super) fn place(self, block: usize) -> Place {
        let copy = (0..COPIES).find(|copy| self.copy(*copy) == block);
        let slot = (0..self.slots).find(|slot| self.slot(*slot).contains(&block));
        match (copy, slot) {
            (Some(copy), _) => Place::Copy(copy),
            (None, Some(slot)) => Place::Slot(slot),
            (None, None) => Place::Elsewhere,
        }
    }

    /// A disk with its table, and nothing else.
    pub(super) fn blank(self) -> Content {
        fakedisk::blank(self.slots, (SLOT * BYTES) as u64)
    }

    /// The GUID of its record's partition.
    pub(super) fn id(self) -> Guid {
        let whole = FakeDisk::of(self.blank());
        let table = bootshim::gpt::read_any_sector(&whole).unwrap();
        Layout::find(&table).unwrap().record.id
    }
}

fn extent(blocks: Range<usize>) -> Extent {
    Extent {
        start: u64::try_from(blocks.start * BYTES).unwrap(),
        len: u64::try_from(blocks.len() * BYTES).unwrap(),
    }
}
