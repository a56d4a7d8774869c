//! The partition table of a new disk.

use super::geometry::Planned;
use super::identity::Identity;
use bootshim::guid::Guid;
use bootshim::medium::Medium;
use controller::code::Code;
use controller::error::{Error, Result};
use controller::stream::Stream;
use gpt::disk::LogicalBlockSize;
use gpt::mbr::{MBRError, ProtectiveMBR};
use gpt::partition::Partition;
use gpt::partition_types::{OperatingSystem, Type};
use gpt::{GptConfig, GptError};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Writes the protective MBR and both copies of the table.
pub(super) fn write<M: Medium>(
    disk: M,
    sector: u16,
    plan: &[Planned],
    identity: &Identity,
) -> Result<()> {
    let size = u64::from(sector);
    let logical = LogicalBlockSize::try_from(size).map_err(|error| internal(&error))?;
    let sectors = disk.len() / size.max(1);
    let mut stream = Stream::new(disk);
    // More sectors than the field holds are written as its highest number
    // (UEFI specification, table 5.4).
    let protected = u32::try_from(sectors.saturating_sub(1)).unwrap_or(u32::MAX);
    ProtectiveMBR::with_lb_size(protected)
        .overwrite_lba0(&mut stream)
        .map_err(|error| match error {
            MBRError::Io(error) => Error::io("writing the partition table", &error),
            other => internal(&other),
        })?;
    let entries = plan.iter().map(|part| entry(part, size, identity));
    let partitions: BTreeMap<u32, Partition> = (1..).zip(entries).collect();
    let config = GptConfig::new().writable(true).logical_block_size(logical);
    let write = || {
        let mut table = config.create_from_device(stream, Some(uuid(identity.disk())))?;
        table.update_partitions(partitions)?;
        table.write()?.store()?;
        Ok(())
    };
    write().map_err(|error| match error {
        GptError::Io(error) => Error::io("writing the partition table", &error),
        other => internal(&other),
    })
}

fn entry(part: &Planned, sector: u64, identity: &Identity) -> Partition {
    let first_lba = part.extent.start / sector.max(1);
    Partition {
        part_type_guid: Type {
            guid: uuid(part.kind),
            os: OperatingSystem::None,
        },
        part_guid: uuid(identity.partition(&part.name)),
        first_lba,
        last_lba: first_lba
            .saturating_add(part.extent.len / sector.max(1))
            .saturating_sub(1),
        flags: 0,
        name: part.name.clone(),
    }
}

fn uuid(guid: Guid) -> Uuid {
    Uuid::from_bytes(guid.written())
}

pub(super) fn internal(error: &dyn std::fmt::Display) -> Error {
    let found = format!("the partition table of the new disk is wrong: {error}");
    Error::new(Code::Internal, found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Sizes, plan};
    use bootshim::gpt::{ReadFrom, read, read_any_sector};
    use bootshim::layout::Layout;
    use controller::size::MIB;
    use fakedisk::FakeDisk;
    use proptest::prelude::*;

    fn sizes() -> impl Strategy<Value = Sizes> {
        let sector = prop::sample::select(vec![512u16, 4096]);
        (
            64u64..8_000_000,
            0u64..256,
            sector,
            2usize..=8,
            2u64..40,
            0u64..8,
        )
            .prop_map(|(mib, blocks, sector, slots, esp, data)| {
                let disk = mib * MIB + blocks * 4096;
                Sizes {
                    sector,
                    slots,
                    esp: esp * MIB,
                    data: Some(data * MIB),
                    ..Sizes::new(disk)
                }
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_strict_reader_and_the_crate_gpt_see_the_same_partitions(sizes in sizes(), seed: [u8; 16]) {
            let Ok(plan) = plan(&sizes) else { return Ok(()) };
            let disk = FakeDisk::new(sizes.disk);
            write(&disk, sizes.sector, &plan, &Identity(Guid(seed))).unwrap();

            let strict = read(&disk, u32::from(sizes.sector)).unwrap();
            prop_assert_eq!(strict.read_from, ReadFrom::Primary);
            prop_assert_eq!(&strict, &read_any_sector(&disk).unwrap());
            prop_assert_eq!(Layout::find(&strict).unwrap().slots.len(), sizes.slots);
            prop_assert_eq!(strict.partitions.len(), plan.len());
            for (found, planned) in strict.partitions.iter().zip(&plan) {
                prop_assert_eq!((&found.name, found.kind, found.extent), (&planned.name, planned.kind, planned.extent));
            }

            let logical = LogicalBlockSize::try_from(u64::from(sizes.sector)).unwrap();
            let config = GptConfig::new().logical_block_size(logical).only_valid_headers(true);
            let theirs = config.open_from_device(Stream::new(&disk)).unwrap();
            prop_assert_eq!(theirs.guid(), &uuid(strict.disk));
            prop_assert_eq!(theirs.partitions().len(), strict.partitions.len());
            for ours in &strict.partitions {
                let their = &theirs.partitions()[&ours.number];
                let size = u64::from(sizes.sector);
                prop_assert_eq!((&their.name, their.part_guid, their.part_type_guid.guid), (&ours.name, uuid(ours.id), uuid(ours.kind)));
                prop_assert_eq!((their.first_lba * size, (their.last_lba + 1) * size), (ours.extent.start, ours.extent.end().unwrap()));
            }
        }

        #[test]
        fn the_backup_describes_the_same_partitions(sizes in sizes()) {
            let Ok(plan) = plan(&sizes) else { return Ok(()) };
            let disk = FakeDisk::new(sizes.disk);
            write(&disk, sizes.sector, &plan, &Identity(Guid::ZERO)).unwrap();
            let sector = u32::from(sizes.sector);
            let primary = read(&disk, sector).unwrap();
            disk.write_at(0, &[0; 8192]).unwrap();
            let backup = read(&disk, sector).unwrap();
            prop_assert!(matches!(backup.read_from, ReadFrom::Backup(_)));
            prop_assert_eq!(primary.partitions, backup.partitions);
        }
    }
}
