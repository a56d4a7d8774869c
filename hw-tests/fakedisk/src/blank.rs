//! The smallest disk of a controller, before anything is installed.

use crate::Content;
use bootshim::guid::Guid;
use bootshim::layout::{RECORD_LEN, RECORD_NAME, RECORD_TYPE, SLOT_TYPE};
use bootshim::record::SlotId;
use gpt::GptConfig;
use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;
use gpt::partition::Partition;
use gpt::partition_types::{OperatingSystem, Type};
use std::io::{Cursor, Seek};
use uuid::Uuid;

const RECORD: u64 = 1 << 20;
const SLOTS: u64 = RECORD + RECORD_LEN;

/// A disk with its GPT and nothing else: the boot record at 1 MiB, from 2 MiB on
/// so many slots of this length, and behind them room for the second table.
#[must_use]
pub fn blank(slots: usize, slot: u64) -> Content {
    let len = SLOTS + slots as u64 * slot + (64 << 10);
    let mut disk = Cursor::new(vec![0; usize::try_from(len).unwrap()]);
    let sectors = u32::try_from(len / 512).unwrap();
    let protective = ProtectiveMBR::with_lb_size(sectors - 1);
    protective.overwrite_lba0(&mut disk).unwrap();
    disk.rewind().unwrap();
    let record = (RECORD_TYPE, RECORD_NAME.into(), RECORD, RECORD_LEN);
    let slots = SlotId::all().take(slots).zip(0..).map(|(id, place)| {
        let start = SLOTS + place * slot;
        (SLOT_TYPE, id.partition_name(), start, slot)
    });
    let partitions = (1..).zip(std::iter::once(record).chain(slots));
    let partitions = partitions.map(|(number, place)| (number, partition(number, place)));
    let config = GptConfig::new()
        .writable(true)
        .logical_block_size(LogicalBlockSize::Lb512);
    let mut table = config
        .create_from_device(disk, Some(Uuid::from_u128(1)))
        .unwrap();
    table.update_partitions(partitions.collect()).unwrap();
    Content::of(table.write().unwrap().get_ref())
}

fn partition(number: u32, (kind, name, start, len): (Guid, String, u64, u64)) -> Partition {
    Partition {
        part_type_guid: Type {
            guid: Uuid::from_bytes(kind.written()),
            os: OperatingSystem::None,
        },
        part_guid: Uuid::from_u128(u128::from(number) << 64 | 0x5107),
        first_lba: start / 512,
        last_lba: (start + len) / 512 - 1,
        flags: 0,
        name,
    }
}
