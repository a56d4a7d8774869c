//! Which partitions are ours: the boot record, the slots, the ESP, the data.

use crate::gpt::{Partition, Table};
use crate::guid::Guid;
use crate::record::{MAX_SLOTS, MIN_SLOTS, SlotId};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Type GUID of the boot record partition.
pub const RECORD_TYPE: Guid = Guid::from_written([
    0x5c, 0x1e, 0x0b, 0x9a, 0x7d, 0x2f, 0x4c, 0x83, 0x9b, 0x14, 0x62, 0x6f, 0x6f, 0x74, 0x72, 0x01,
]);
/// Type GUID of every slot.
pub const SLOT_TYPE: Guid = Guid::from_written([
    0x5c, 0x1e, 0x0b, 0x9a, 0x7d, 0x2f, 0x4c, 0x83, 0x9b, 0x14, 0x73, 0x6c, 0x6f, 0x74, 0x73, 0x01,
]);
/// Type GUID of the EFI system partition (UEFI specification, table 5.7).
pub const ESP_TYPE: Guid = Guid::from_written([
    0xc1, 0x2a, 0x73, 0x28, 0xf8, 0x1f, 0x11, 0xd2, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b,
]);
/// Type GUID of the data partition: Linux filesystem data.
pub const DATA_TYPE: Guid = Guid::from_written([
    0x0f, 0xc6, 0x3d, 0xaf, 0x84, 0x83, 0x47, 0x72, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4,
]);
/// Name of the boot record partition.
pub const RECORD_NAME: &str = "bootrecord";
/// Name and filesystem label of the data partition.
pub const DATA_NAME: &str = "data";
/// Smallest record partition: four copies, 256 KiB apart.
pub const RECORD_LEN: u64 = 1024 * 1024;

/// The partitions of a controller's disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The boot record partition; its unique GUID names the disk.
    pub record: Partition,
    /// The slots, `a` first.
    pub slots: Vec<Partition>,
    /// The EFI system partition, where there is one.
    pub esp: Option<Partition>,
    /// The data partition, where there is one.
    pub data: Option<Partition>,
}

/// Why a partition table is not that of a controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayoutError {
    /// No boot record partition, or more than one.
    Records(usize),
    /// No slot partitions, only one, or more than eight.
    Slots(usize),
    /// A partition of the slots' type with a name that is not its turn.
    SlotName(String),
    /// Begin or end is no multiple of 4 KiB.
    Unaligned(String),
    /// The record partition is smaller than 1 MiB.
    RecordTooSmall(u64),
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LayoutError::Records(0) => f.write_str("no boot record partition"),
            LayoutError::Records(n) => write!(f, "{n} boot record partitions instead of one"),
            LayoutError::Slots(0) => f.write_str("no slot partitions"),
            LayoutError::Slots(n) => write!(f, "{n} slot partitions instead of 2 to 8"),
            LayoutError::SlotName(name) => {
                write!(
                    f,
                    "a slot partition is named {name:?}; slots are slot-a, slot-b and so on without a gap"
                )
            }
            LayoutError::Unaligned(name) => {
                write!(
                    f,
                    "partition {name} does not begin and end at multiples of 4 KiB"
                )
            }
            LayoutError::RecordTooSmall(len) => {
                write!(
                    f,
                    "the boot record partition has {len} bytes, it needs 1 MiB"
                )
            }
        }
    }
}

impl core::error::Error for LayoutError {}

impl Layout {
    /// Finds our partitions in a table.
    ///
    /// # Errors
    /// [`LayoutError`] when they are not exactly as a controller has them.
    pub fn find(table: &Table) -> Result<Layout, LayoutError> {
        let of = |kind: Guid| table.partitions.iter().filter(move |p| p.kind == kind);
        let record = match (of(RECORD_TYPE).next(), of(RECORD_TYPE).count()) {
            (Some(record), 1) => record.clone(),
            (_, n) => return Err(LayoutError::Records(n)),
        };
        let mut slots: Vec<Partition> = of(SLOT_TYPE).cloned().collect();
        if !(MIN_SLOTS..=MAX_SLOTS).contains(&slots.len()) {
            return Err(LayoutError::Slots(slots.len()));
        }
        slots.sort_by(|a, b| a.name.cmp(&b.name));
        for (slot, id) in slots.iter().zip(SlotId::all()) {
            if slot.name != id.partition_name() {
                return Err(LayoutError::SlotName(slot.name.clone()));
            }
        }
        if let Some(crooked) = slots.iter().chain([&record]).find(|p| !p.is_aligned()) {
            return Err(LayoutError::Unaligned(crooked.name.clone()));
        }
        if record.extent.len < RECORD_LEN {
            return Err(LayoutError::RecordTooSmall(record.extent.len));
        }
        let esp = of(ESP_TYPE).next().cloned();
        let data = of(DATA_TYPE).find(|p| p.name == DATA_NAME).cloned();
        Ok(Layout {
            record,
            slots,
            esp,
            data,
        })
    }

    /// The partition of a slot, where the disk has that slot.
    #[must_use]
    pub fn slot(&self, slot: SlotId) -> Option<&Partition> {
        self.slots.get(slot.index())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpt::Source;
    use crate::medium::Extent;
    use alloc::string::ToString;
    use alloc::vec;

    fn partition(kind: Guid, name: &str, start: u64, len: u64) -> Partition {
        let extent = Extent { start, len };
        Partition {
            number: 1,
            kind,
            id: Guid::ZERO,
            name: name.to_string(),
            extent,
        }
    }

    fn table(partitions: Vec<Partition>) -> Table {
        Table {
            disk: Guid::ZERO,
            sector: 512,
            source: Source::Primary,
            partitions,
        }
    }

    fn record() -> Partition {
        partition(RECORD_TYPE, RECORD_NAME, 1 << 20, RECORD_LEN)
    }

    fn slot(name: &str) -> Partition {
        partition(SLOT_TYPE, name, 4 << 20, 1 << 20)
    }

    #[test]
    fn slots_are_found_in_the_order_of_their_letters() {
        let found = Layout::find(&table(vec![slot("slot-b"), record(), slot("slot-a")])).unwrap();
        assert_eq!(found.slots[0].name, "slot-a");
        assert_eq!(found.slots.len(), 2);
    }

    #[test]
    fn esp_and_data_are_found_where_they_are_and_may_be_missing() {
        let ours = [record(), slot("slot-a"), slot("slot-b")];
        let bare = Layout::find(&table(ours.to_vec())).unwrap();
        assert_eq!((bare.esp, bare.data), (None, None));
        let esp = partition(ESP_TYPE, "boot", 8 << 20, 1);
        let other = partition(DATA_TYPE, "home", 9 << 20, 1);
        let data = partition(DATA_TYPE, DATA_NAME, 10 << 20, 1);
        let more = [other, data.clone(), esp.clone()];
        let found = Layout::find(&table(ours.into_iter().chain(more).collect())).unwrap();
        let names = SlotId::all().map(|id| Some(found.slot(id)?.name.clone()));
        let names: Vec<_> = names.flatten().collect();
        assert_eq!(names, ["slot-a", "slot-b"]);
        assert_eq!((found.esp, found.data), (Some(esp), Some(data)));
    }

    #[test]
    fn what_is_wrong_with_the_partitions_is_said_in_words() {
        let cases = [
            (LayoutError::Records(0), "no boot record partition"),
            (
                LayoutError::Records(2),
                "2 boot record partitions instead of one",
            ),
            (LayoutError::Slots(0), "no slot partitions"),
            (LayoutError::Slots(9), "9 slot partitions instead of 2 to 8"),
            (
                LayoutError::SlotName("x".into()),
                "a slot partition is named \"x\"; slots are slot-a, slot-b and so on without a gap",
            ),
            (
                LayoutError::Unaligned("slot-b".into()),
                "partition slot-b does not begin and end at multiples of 4 KiB",
            ),
            (
                LayoutError::RecordTooSmall(4096),
                "the boot record partition has 4096 bytes, it needs 1 MiB",
            ),
        ];
        for (error, words) in cases {
            assert_eq!(error.to_string(), words);
        }
    }

    #[test]
    fn a_disk_that_is_not_a_controllers_is_refused() {
        let mut crooked = slot("slot-b");
        crooked.extent.len += 512;
        let mut small = record();
        small.extent.len = 4096;
        let pair = [slot("slot-a"), slot("slot-b")];
        let with = |more: Vec<Partition>| table(pair.iter().cloned().chain(more).collect());
        let cases = [
            (with(vec![]), LayoutError::Records(0)),
            (with(vec![record(), record()]), LayoutError::Records(2)),
            (table(vec![record()]), LayoutError::Slots(0)),
            (table(vec![record(), slot("slot-a")]), LayoutError::Slots(1)),
            (
                table(vec![record(), slot("slot-a"), slot("slot-c")]),
                LayoutError::SlotName("slot-c".to_string()),
            ),
            (
                table(vec![record(), slot("slot-a"), crooked]),
                LayoutError::Unaligned("slot-b".to_string()),
            ),
            (with(vec![small]), LayoutError::RecordTooSmall(4096)),
        ];
        for (table, expected) in cases {
            assert_eq!(Layout::find(&table).unwrap_err(), expected);
        }
    }
}
