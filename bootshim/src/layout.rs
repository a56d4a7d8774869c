//! Which partitions are ours: the boot record, the slots, the ESP, the data.

use crate::gpt::{Cut, Gpt, Partition};
use crate::guid::Guid;
use crate::record::{MAX_SLOTS, MIN_SLOTS, SlotId};
use alloc::format;
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

/// Why a partition table is not that of a controller. Numbers are those of the
/// entries, from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// No boot record partition, or more than one.
    #[error(fmt = records)]
    Records(usize),
    /// No slot partitions, only one, or more than eight.
    #[error(fmt = slots)]
    Slots(usize),
    /// Two slots have the same name.
    #[error("slot partitions {0} and {1} are both named {2:?}")]
    SameName(u32, u32, String),
    /// A partition of the slots' type with a name that is not its turn.
    #[error("a slot partition is named {1:?}; slots are slot-a, slot-b and so on without a gap")]
    SlotName(u32, String),
    /// Begin or end is no multiple of 4 KiB.
    #[error("partition {1} does not begin and end at multiples of 4 KiB")]
    Unaligned(u32, String),
    /// The record partition is smaller than 1 MiB.
    #[error("the boot record partition has {0} bytes, it needs 1 MiB")]
    RecordTooSmall(u64),
    /// One of ours shares a byte with another partition.
    #[error("GPT entries {0} and {1} overlap")]
    Overlap(u32, u32),
    /// One of ours has the same unique GUID as another partition.
    #[error("GPT entries {0} and {1} have the same GUID")]
    SameGuid(u32, u32),
    /// The device ends before the record partition does.
    #[error("the boot record lies beyond the end: {0}")]
    RecordCut(Cut),
}

fn records(n: &usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match n {
        0 => f.write_str("no boot record partition"),
        n => write!(f, "{n} boot record partitions instead of one"),
    }
}

fn slots(n: &usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match n {
        0 => f.write_str("no slot partitions"),
        n => write!(f, "{n} slot partitions instead of 2 to 8"),
    }
}

impl LayoutError {
    /// What mends the disk.
    pub fn mend(&self) -> String {
        match self {
            LayoutError::Records(0) => {
                format!(
                    "put the factory image on it; `sgdisk -t N:{RECORD_TYPE}` gives a partition that only lost its type that type back"
                )
            }
            LayoutError::Slots(0 | 1) => {
                format!(
                    "put the factory image on it; `sgdisk -t N:{SLOT_TYPE}` gives a partition that only lost its type that type back"
                )
            }
            LayoutError::Records(_) | LayoutError::Slots(_) => {
                "give what is none of ours another type (`sgdisk -t N:8300`)".into()
            }
            LayoutError::SameName(_, n, _) | LayoutError::SlotName(n, _) => format!(
                "give it the name of its turn (`sgdisk -c {n}:slot-a` and so on), or, if it is no slot, another type (`sgdisk -t {n}:8300`)"
            ),
            LayoutError::Unaligned(n, _) => format!(
                "delete it (`sgdisk -d {n}`) and make it anew at multiples of 4 KiB; it is empty then"
            ),
            LayoutError::RecordTooSmall(_) => "put the factory image on it".into(),
            LayoutError::Overlap(a, b) => {
                format!("delete the one that was added (`sgdisk -d {a}` or `sgdisk -d {b}`)")
            }
            LayoutError::SameGuid(a, b) => format!(
                "give the one that was added a new GUID (`sgdisk -u {a}:R` or `sgdisk -u {b}:R`)"
            ),
            LayoutError::RecordCut(_) => {
                "have the firmware show the whole disk, or put an image of its size on it".into()
            }
        }
    }
}

impl Layout {
    /// Finds our partitions in a table. What others call theirs, and how they lie
    /// among each other, is their own matter.
    pub fn find(table: &Gpt) -> Result<Layout, LayoutError> {
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
        check_names(&slots)?;
        if let Some(crooked) = slots.iter().chain([&record]).find(|p| !p.is_aligned()) {
            let name = crooked.name.clone();
            return Err(LayoutError::Unaligned(crooked.number, name));
        }
        if record.extent.len < RECORD_LEN {
            return Err(LayoutError::RecordTooSmall(record.extent.len));
        }
        if let Some(cut) = table.cut.filter(|_| !table.holds(&record)) {
            return Err(LayoutError::RecordCut(cut));
        }
        let layout = Layout {
            record,
            slots,
            esp: of(ESP_TYPE).next().cloned(),
            data: of(DATA_TYPE).find(|p| p.name == DATA_NAME).cloned(),
        };
        layout.ours().try_for_each(|ours| alone(ours, table))?;
        Ok(layout)
    }

    /// All of ours.
    fn ours(&self) -> impl Iterator<Item = &Partition> {
        let single = [Some(&self.record), self.esp.as_ref(), self.data.as_ref()];
        self.slots.iter().chain(single.into_iter().flatten())
    }

    /// The partition of a slot, where the disk has that slot.
    pub fn slot(&self, slot: SlotId) -> Option<&Partition> {
        self.slots.get(slot.index())
    }
}

/// Slots, sorted by name, are `slot-a`, `slot-b` and so on.
fn check_names(slots: &[Partition]) -> Result<(), LayoutError> {
    for pair in slots.windows(2) {
        if let [a, b] = pair
            && a.name == b.name
        {
            return Err(LayoutError::SameName(a.number, b.number, a.name.clone()));
        }
    }
    for (slot, id) in slots.iter().zip(SlotId::all()) {
        if slot.name != id.partition_name() {
            return Err(LayoutError::SlotName(slot.number, slot.name.clone()));
        }
    }
    Ok(())
}

/// Nobody else has a byte or the GUID of one of ours.
fn alone(ours: &Partition, table: &Gpt) -> Result<(), LayoutError> {
    for other in &table.partitions {
        if other.number == ours.number {
            continue;
        }
        let (a, b) = (ours.number.min(other.number), ours.number.max(other.number));
        if !ours.extent.is_apart(other.extent) {
            return Err(LayoutError::Overlap(a, b));
        }
        if ours.id == other.id {
            return Err(LayoutError::SameGuid(a, b));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpt::ReadFrom;
    use crate::medium::Extent;
    use alloc::string::ToString;
    use alloc::vec;

    fn partition(kind: Guid, name: &str, start: u64, len: u64) -> Partition {
        let extent = Extent { start, len };
        Partition {
            number: 0,
            kind,
            id: Guid::ZERO,
            name: name.to_string(),
            extent,
        }
    }

    /// A table in which they lie one after the other, and have GUIDs of their own.
    fn table(mut partitions: Vec<Partition>) -> Gpt {
        let mut start = 1 << 20;
        for (number, partition) in (1u8..).zip(&mut partitions) {
            partition.number = number.into();
            partition.id = Guid([number; 16]);
            partition.extent.start = start;
            start += partition.extent.len.next_multiple_of(1 << 20);
        }
        Gpt {
            disk: Guid::ZERO,
            sector: 512,
            read_from: ReadFrom::Primary,
            cut: None,
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
        let more = [
            partition(DATA_TYPE, "home", 0, 1),
            partition(DATA_TYPE, DATA_NAME, 0, 1),
            partition(ESP_TYPE, "boot", 0, 1),
        ];
        let all = table(ours.into_iter().chain(more).collect());
        let found = Layout::find(&all).unwrap();
        let names = SlotId::all().map(|id| Some(found.slot(id)?.name.clone()));
        let names: Vec<_> = names.flatten().collect();
        assert_eq!(names, ["slot-a", "slot-b"]);
        assert_eq!(found.data.as_ref(), all.partitions.get(4));
        assert_eq!(found.esp.as_ref(), all.partitions.get(5));
    }

    /// Ours, and what others have added.
    fn shared(others: Vec<Partition>) -> Gpt {
        let ours = [record(), slot("slot-a"), slot("slot-b")];
        table(ours.into_iter().chain(others).collect())
    }

    #[test]
    fn what_others_call_their_partitions_is_theirs() {
        for name in [
            "Linux filesystem",
            "primary",
            "",
            "slot-a",
            RECORD_NAME,
            DATA_NAME,
        ] {
            let other = partition(DATA_TYPE, name, 0, 512);
            let found = Layout::find(&shared(vec![other.clone(), other]));
            assert_eq!(found.unwrap().slots.len(), 2, "{name}");
        }
    }

    #[test]
    fn how_the_partitions_of_others_lie_among_each_other_is_theirs() {
        let other = partition(DATA_TYPE, "other", 0, 4096);
        let mut twins = shared(vec![other.clone(), other]);
        twins.partitions[4].id = twins.partitions[3].id;
        twins.partitions[4].extent = twins.partitions[3].extent;
        assert!(Layout::find(&twins).is_ok());
    }

    #[test]
    fn one_of_ours_shares_neither_byte_nor_guid_with_any_other() {
        let more = [
            partition(ESP_TYPE, "esp", 0, 4096),
            partition(DATA_TYPE, DATA_NAME, 0, 4096),
            partition(DATA_TYPE, "other", 0, 4096),
        ];
        let whole = shared(more.to_vec());
        assert!(Layout::find(&whole).is_ok());
        for ours in 0..5 {
            let (number, other) = (u32::try_from(ours).unwrap() + 1, 6);
            let mut same = whole.clone();
            same.partitions[5].id = same.partitions[ours].id;
            let error = Layout::find(&same).unwrap_err();
            assert_eq!(error, LayoutError::SameGuid(number, other));
            let mut over = whole.clone();
            let last = over.partitions[ours].extent.end().unwrap() - 1;
            over.partitions[5].extent = Extent {
                start: last,
                len: 1,
            };
            let error = Layout::find(&over).unwrap_err();
            assert_eq!(error, LayoutError::Overlap(number, other));
        }
    }

    #[test]
    fn of_a_disk_that_is_cut_the_record_is_needed_and_a_slot_is_not() {
        let mut cut = shared(vec![]);
        let end = |n: usize| cut.partitions[n].extent.end().unwrap();
        let (record, slot_b) = (end(0), end(2));
        for (has, fits) in [(slot_b - 1, true), (record, true), (record - 1, false)] {
            let made_for = slot_b + (1 << 20);
            cut.cut = Some(Cut { has, made_for });
            let found = Layout::find(&cut);
            assert_eq!(found.is_ok(), fits, "{has}");
            assert!(!cut.holds(&cut.partitions[2]));
        }
    }

    #[test]
    fn what_is_wrong_with_the_partitions_is_said_with_what_mends_it() {
        let cut = Cut {
            has: 512,
            made_for: 1024,
        };
        for (error, words, mend) in [
            (
                LayoutError::Records(0),
                "no boot record partition",
                "factory",
            ),
            (
                LayoutError::Records(2),
                "2 boot record partitions",
                "-t N:8300",
            ),
            (LayoutError::Slots(0), "no slot partitions", "factory"),
            (LayoutError::Slots(9), "9 slot partitions", "-t N:8300"),
            (
                LayoutError::SameName(3, 4, "x".into()),
                "3 and 4 are both named \"x\"",
                "-c 4:",
            ),
            (LayoutError::SlotName(4, "x".into()), "named \"x\"", "-c 4:"),
            (
                LayoutError::Unaligned(4, "x".into()),
                "partition x does",
                "-d 4",
            ),
            (
                LayoutError::Overlap(1, 2),
                "entries 1 and 2 overlap",
                "-d 2",
            ),
            (
                LayoutError::SameGuid(1, 2),
                "1 and 2 have the same GUID",
                "-u 2:R",
            ),
            (LayoutError::RecordCut(cut), "has 512 bytes", "whole disk"),
            (
                LayoutError::RecordTooSmall(4096),
                "has 4096 bytes",
                "factory",
            ),
        ] {
            assert!(error.to_string().contains(words), "{error}");
            assert!(error.mend().contains(mend), "{}", error.mend());
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
                LayoutError::SlotName(3, "slot-c".to_string()),
            ),
            (
                table(vec![record(), slot("slot-a"), slot("slot-a")]),
                LayoutError::SameName(2, 3, "slot-a".to_string()),
            ),
            (
                table(vec![record(), slot("slot-a"), crooked]),
                LayoutError::Unaligned(3, "slot-b".to_string()),
            ),
            (with(vec![small]), LayoutError::RecordTooSmall(4096)),
        ];
        for (table, expected) in cases {
            assert_eq!(Layout::find(&table).unwrap_err(), expected);
        }
    }
}
