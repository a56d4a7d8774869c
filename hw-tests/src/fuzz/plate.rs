//! A disk in memory: what is never written stands still and is shared, what is
//! written lies over it.

use bootshim::guid::Guid;
use bootshim::layout::{RECORD_LEN, RECORD_NAME, RECORD_TYPE, SLOT_TYPE};
use bootshim::medium::{Access, BLOCK, Cause, Fault, Medium, check_range};
use bootshim::record::SlotId;
use gpt::GptConfig;
use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;
use gpt::partition::Partition;
use gpt::partition_types::{OperatingSystem, Type};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{Cursor, Seek};
use std::sync::{Arc, Mutex};
use uuid::Uuid;

const BYTES: usize = 4096;
const MIB: u64 = 1 << 20;
/// Room for the manifest area, and 24 KiB of content and its index.
const SLOT: u64 = 88 << 10;
const SLOTS: usize = 3;

/// A disk with this content, and what was written to it.
pub(super) struct Plate {
    ground: Arc<Vec<u8>>,
    over: Mutex<BTreeMap<u64, [u8; BYTES]>>,
}

impl Plate {
    pub(super) fn new(ground: Arc<Vec<u8>>) -> Plate {
        let over = Mutex::default();
        Plate { ground, over }
    }

    /// The blocks whose bytes are not what they were.
    pub(super) fn changed(&self) -> BTreeSet<u64> {
        let over = self.over.lock().unwrap();
        let was = |place: u64| &self.ground[usize::try_from(place).unwrap() * BYTES..][..BYTES];
        let differs = over.iter().filter(|(place, now)| was(**place) != *now);
        differs.map(|(place, _)| *place).collect()
    }

    /// All its bytes.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.ground.len()];
        self.read_at(0, &mut bytes).unwrap();
        bytes
    }
}

impl Medium for Plate {
    fn len(&self) -> u64 {
        u64::try_from(self.ground.len()).unwrap()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Fault> {
        check_range(Access::Read, offset, buf.len(), self.len())?;
        let at = usize::try_from(offset).unwrap();
        let end = at + buf.len();
        buf.copy_from_slice(&self.ground[at..end]);
        let over = self.over.lock().unwrap();
        let blocks = offset / BLOCK..=u64::try_from(end).unwrap() / BLOCK;
        for (place, block) in over.range(blocks) {
            let place = usize::try_from(*place).unwrap() * BYTES;
            let (from, to) = (place.max(at), (place + BYTES).min(end));
            if from < to {
                buf[from - at..to - at].copy_from_slice(&block[from - place..to - place]);
            }
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Fault> {
        check_range(Access::Write, offset, data.len(), self.len())?;
        if !offset.is_multiple_of(BLOCK) || !data.len().is_multiple_of(BYTES) {
            return Err(Fault {
                access: Access::Write,
                offset,
                length: u64::try_from(data.len()).unwrap(),
                cause: Cause::Unaligned,
            });
        }
        let mut over = self.over.lock().unwrap();
        for (place, block) in (offset / BLOCK..).zip(data.chunks(BYTES)) {
            over.insert(place, block.try_into().unwrap());
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), Fault> {
        Ok(())
    }
}

impl fmt::Debug for Plate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a disk in memory")
    }
}

/// A disk with its partition table and nothing else: boot record, three slots.
pub(super) fn blank() -> Vec<u8> {
    let slots = (SLOTS as u64) * SLOT;
    let len = 2 * MIB + slots + 64 * 1024;
    let mut disk = Cursor::new(vec![0; usize::try_from(len).unwrap()]);
    let sectors = u32::try_from(len / 512).unwrap();
    ProtectiveMBR::with_lb_size(sectors - 1)
        .overwrite_lba0(&mut disk)
        .unwrap();
    disk.rewind().unwrap();
    let record = partition(RECORD_TYPE, RECORD_NAME, MIB, RECORD_LEN);
    let slots = SlotId::all().take(SLOTS).zip(0u64..).map(|(id, place)| {
        let start = 2 * MIB + place * SLOT;
        partition(SLOT_TYPE, &id.partition_name(), start, SLOT)
    });
    let partitions: BTreeMap<u32, Partition> =
        (1..).zip(std::iter::once(record).chain(slots)).collect();
    let config = GptConfig::new()
        .writable(true)
        .logical_block_size(LogicalBlockSize::Lb512);
    let mut table = config
        .create_from_device(disk, Some(Uuid::from_u128(1)))
        .unwrap();
    table.update_partitions(partitions).unwrap();
    table.write().unwrap().into_inner()
}

fn partition(kind: Guid, name: &str, start: u64, len: u64) -> Partition {
    Partition {
        part_type_guid: Type {
            guid: Uuid::from_bytes(kind.written()),
            os: OperatingSystem::None,
        },
        part_guid: Uuid::from_u128(u128::from(start) << 64 | 0x5107),
        first_lba: start / 512,
        last_lba: (start + len) / 512 - 1,
        flags: 0,
        name: name.into(),
    }
}
