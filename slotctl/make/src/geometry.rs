//! Where the partitions of a new disk lie.

use bootshim::guid::Guid;
use bootshim::layout::{
    DATA_NAME, DATA_TYPE, ESP_TYPE, RECORD_LEN, RECORD_NAME, RECORD_TYPE, SLOT_TYPE,
};
use bootshim::medium::{BLOCK, Extent};
use bootshim::record::{MAX_SLOTS, MIN_SLOTS, SlotId};
use controller::code::Code;
use controller::error::{Error, Result};
use controller::size::{MIB, Size};

/// Every partition begins and ends at a multiple of this.
const UNIT: u64 = MIB;
/// Smallest ESP: bootshim and the tables around it.
const ESP_MIN: u64 = 2 * MIB;
/// Largest ESP: what firmware reads without fail.
const ESP_MAX: u64 = 2048 * MIB;
/// Room for the backup table at the end, whatever the sector size.
const BACKUP_TABLE: u64 = 5 * 4096;

/// How large a new disk and its parts are, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The whole disk.
    pub disk: u64,
    /// A logical sector: 512 or 4096.
    pub sector: u16,
    /// How many slots there are.
    pub slots: usize,
    /// One slot; where nobody says, the slots share what is left.
    pub slot: Option<u64>,
    /// The ESP.
    pub esp: u64,
    /// The data partition, none where it is 0; where nobody says, a tenth of
    /// the disk.
    pub data: Option<u64>,
}

impl Sizes {
    /// The sizes of a disk of which nothing but the whole is given: sectors of
    /// 512 bytes, three slots, an ESP of 16 MiB.
    #[must_use]
    pub fn new(disk: u64) -> Sizes {
        Sizes {
            disk,
            sector: 512,
            slots: 3,
            slot: None,
            esp: 16 * MIB,
            data: None,
        }
    }
}

/// A partition that is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) name: String,
    pub(super) kind: Guid,
    pub(super) extent: Extent,
}

/// The partitions of a disk, in the order in which they lie on it.
pub(super) fn plan(sizes: &Sizes) -> Result<Vec<Planned>> {
    check(sizes)?;
    let room = (sizes.disk.saturating_sub(BACKUP_TABLE) / UNIT)
        .saturating_sub(1)
        .saturating_mul(UNIT);
    let data = sizes.data.unwrap_or(round_down(sizes.disk / 10));
    let slots = u64::try_from(sizes.slots).unwrap_or(u64::MAX);
    let fixed = sizes.esp.saturating_add(RECORD_LEN).saturating_add(data);
    let slot = sizes
        .slot
        .unwrap_or(round_down(room.saturating_sub(fixed) / slots.max(1)));
    // Saturating: a sum at the end of the number range fits no disk.
    let needed = fixed.saturating_add(slot.max(UNIT).saturating_mul(slots));
    if needed > room || slot < UNIT {
        let found = format!(
            "a disk of {} has {} for partitions, but ESP {}, boot record {}, {slots} slots of {} and data {} need {}",
            Size(sizes.disk),
            Size(room),
            Size(sizes.esp),
            Size(RECORD_LEN),
            Size(slot.max(UNIT)),
            Size(data),
            Size(needed)
        );
        return Err(
            Error::new(Code::DoesNotFit, found).advice("make the disk larger or its parts smaller")
        );
    }
    let fixed = [
        ("esp".to_owned(), ESP_TYPE, sizes.esp),
        (RECORD_NAME.to_owned(), RECORD_TYPE, RECORD_LEN),
    ];
    let slots = SlotId::all().take(sizes.slots);
    let slots = slots.map(|id| (id.partition_name(), SLOT_TYPE, slot));
    let data = (data > 0).then(|| (DATA_NAME.to_owned(), DATA_TYPE, data));
    let mut start = UNIT;
    let place = |(name, kind, len): (String, Guid, u64)| {
        let extent = Extent { start, len };
        start = start.saturating_add(len);
        Planned { name, kind, extent }
    };
    Ok(fixed
        .into_iter()
        .chain(slots)
        .chain(data)
        .map(place)
        .collect())
}

fn check(sizes: &Sizes) -> Result<()> {
    let odd = |size: &u64| !size.is_multiple_of(UNIT);
    let (esp, mib) = (Size(sizes.esp), "expected a whole number of MiB");
    let (found, expected) = if !matches!(sizes.sector, 512 | 4096) {
        let found = format!("a sector size of {}", sizes.sector);
        (found, "expected 512 or 4096")
    } else if !(MIN_SLOTS..=MAX_SLOTS).contains(&sizes.slots) {
        (format!("{} slots", sizes.slots), "expected 2 to 8")
    } else if !sizes.disk.is_multiple_of(BLOCK) {
        let found = format!("a disk of {} bytes", sizes.disk);
        (found, "expected a multiple of 4KiB")
    } else if !(ESP_MIN..=ESP_MAX).contains(&sizes.esp) {
        (format!("an ESP of {esp}"), "expected 2MiB to 2GiB")
    } else if odd(&sizes.esp) {
        (format!("ESP size {esp}"), mib)
    } else if let Some(slot) = sizes.slot.filter(odd) {
        (format!("slot size {}", Size(slot)), mib)
    } else if let Some(data) = sizes.data.filter(odd) {
        (format!("data partition size {}", Size(data)), mib)
    } else {
        return Ok(());
    };
    Err(Error::new(Code::BadSize, found).expected(expected))
}

fn round_down(size: u64) -> u64 {
    size / UNIT * UNIT
}

#[cfg(test)]
mod tests {
    use super::*;
    use controller::code::Exit;
    use controller::size::GIB;
    use proptest::prelude::*;

    fn lengths(sizes: &Sizes) -> Vec<(String, u64)> {
        let plan = plan(sizes).unwrap();
        plan.into_iter()
            .map(|part| (part.name, part.extent.len / MIB))
            .collect()
    }

    #[test]
    fn the_slots_share_what_esp_record_and_a_tenth_of_data_leave() {
        let expected = [
            ("esp", 16),
            ("bootrecord", 1),
            ("slot-a", 301),
            ("slot-b", 301),
            ("slot-c", 301),
            ("data", 102),
        ];
        assert_eq!(
            lengths(&Sizes::new(GIB)),
            expected.map(|(name, len)| (name.to_owned(), len))
        );
    }

    #[test]
    fn given_sizes_are_kept_to_the_byte() {
        let sizes = Sizes {
            slots: 2,
            slot: Some(40 * MIB),
            esp: 32 * MIB,
            data: Some(0),
            ..Sizes::new(GIB)
        };
        let expected = [
            ("esp", 32),
            ("bootrecord", 1),
            ("slot-a", 40),
            ("slot-b", 40),
        ];
        assert_eq!(
            lengths(&sizes),
            expected.map(|(name, len)| (name.to_owned(), len))
        );
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_numbers() {
        let tight = Sizes {
            slot: Some(400 * MIB),
            ..Sizes::new(GIB)
        };
        let error = plan(&tight).unwrap_err();
        assert_eq!(error.code, Code::DoesNotFit);
        assert!(error.found.contains("1GiB has 1022MiB"), "{error}");
        assert!(error.found.contains("3 slots of 400MiB"), "{error}");
        assert!(error.found.contains("need 1319MiB"), "{error}");
        for sizes in [
            Sizes::new(0),
            Sizes::new(4096),
            Sizes::new(20 * MIB),
            Sizes {
                data: Some(u64::MAX / MIB * MIB),
                ..Sizes::new(GIB)
            },
        ] {
            assert_eq!(plan(&sizes).unwrap_err().code, Code::DoesNotFit);
        }
    }

    #[test]
    fn sizes_that_no_disk_has_are_wrong_use() {
        let good = Sizes::new(GIB);
        for sizes in [
            Sizes {
                sector: 1024,
                ..good
            },
            Sizes { slots: 1, ..good },
            Sizes { slots: 9, ..good },
            Sizes {
                disk: GIB + 512,
                ..good
            },
            Sizes { esp: MIB, ..good },
            Sizes {
                slot: Some(MIB + 4096),
                ..good
            },
            Sizes {
                data: Some(1),
                ..good
            },
        ] {
            assert_eq!(plan(&sizes).unwrap_err().exit(), Exit::Usage);
        }
    }

    proptest! {
        #[test]
        fn whatever_the_sizes_the_partitions_touch_nothing_else(
            disk: u64, shift in 12u32..63, slots in 0usize..10, slot: Option<u64>, esp in 0u64..4096, data: Option<u64>,
        ) {
            let disk = disk >> (63 - shift) & !4095;
            let part = |size: u64| (size % (2 * disk.max(1))) / MIB * MIB;
            let sizes = Sizes { disk, sector: 512, slots, slot: slot.map(part), esp: esp * MIB, data: data.map(part) };
            let Ok(plan) = plan(&sizes) else { return Ok(()) };
            let mut free = MIB;
            for part in plan {
                prop_assert_eq!(part.extent.start, free);
                prop_assert!(part.extent.len >= MIB && part.extent.len % MIB == 0);
                free = part.extent.end().unwrap();
            }
            prop_assert!(free <= disk - BACKUP_TABLE);
        }
    }
}
