//! The disk that is simulated: a real partition table, a record, and slots just
//! large enough for a small image.

use super::block::{BYTES, Content};
use bootshim::copies::COPIES;
use bootshim::guid::Guid;
use bootshim::layout::{Layout, RECORD_NAME, RECORD_TYPE, SLOT_TYPE};
use bootshim::medium::Extent;
use bootshim::record::SlotId;
use gpt::GptConfig;
use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;
use gpt::partition::Partition;
use gpt::partition_types::{OperatingSystem, Type};
use std::collections::BTreeMap;
use std::io::{Cursor, Seek};
use std::ops::Range;
use uuid::Uuid;

/// Where the record begins, in blocks.
const RECORD: usize = 256;
/// From one copy of it to the next.
const SPACING: usize = 64;
/// Where the first slot begins.
const SLOTS: usize = 512;
/// How long a slot is: six blocks of content, its index, the manifest area.
pub(super) const SLOT: usize = 23;
/// Room for the second table.
const BACK: usize = 16;

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
        let len = (SLOTS + self.slots * SLOT + BACK) * BYTES;
        let mut disk = Cursor::new(vec![0; len]);
        let sectors = u32::try_from(len / 512).unwrap();
        ProtectiveMBR::with_lb_size(sectors - 1)
            .overwrite_lba0(&mut disk)
            .unwrap();
        disk.rewind().unwrap();
        let record = (1, partition(RECORD_TYPE, RECORD_NAME, self.record(), 1));
        let slots = (2..).zip(self.ids()).map(|(number, id)| {
            let place = extent(self.slot(id.index()));
            (
                number,
                partition(SLOT_TYPE, &id.partition_name(), place, number),
            )
        });
        let partitions: BTreeMap<u32, Partition> = [record].into_iter().chain(slots).collect();
        let config = GptConfig::new()
            .writable(true)
            .logical_block_size(LogicalBlockSize::Lb512);
        let mut table = config
            .create_from_device(disk, Some(Uuid::from_u128(1)))
            .unwrap();
        table.update_partitions(partitions).unwrap();
        Content::of(table.write().unwrap().get_ref())
    }

    /// The GUID of its record's partition.
    pub(super) fn id(self) -> Guid {
        let whole = super::recorder::Recorder::new(self.blank());
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

fn partition(kind: Guid, name: &str, place: Extent, number: u32) -> Partition {
    Partition {
        part_type_guid: Type {
            guid: Uuid::from_bytes(kind.written()),
            os: OperatingSystem::None,
        },
        part_guid: Uuid::from_u128(u128::from(number) << 64 | 0x5107),
        first_lba: place.start / 512,
        last_lba: (place.start + place.len) / 512 - 1,
        flags: 0,
        name: name.into(),
    }
}
