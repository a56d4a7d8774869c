//! What may be missing or damaged beside the table that counts: the end of the
//! disk, the backup, the protective MBR.

use super::*;
use crate::fake::Content;

/// The disk of [`made`], of which only the first sectors are left.
fn cut_to(sectors: usize) -> FakeDisk {
    let whole = made(512).disk().content();
    FakeDisk::of(Content::of(&whole.bytes(0..sectors * 512)))
}

#[test]
fn on_a_disk_that_is_cut_every_partition_lies_where_it_was() {
    let whole = read(&made(512).disk(), 512).unwrap();
    assert_eq!(whole.cut, None);
    let table = read(&cut_to(60), 512).unwrap();
    assert_eq!(table.read_from, ReadFrom::Primary);
    assert_eq!(table.partitions, whole.partitions);
    let cut = Cut {
        has: 60 * 512,
        made_for: 400 * 512,
    };
    assert_eq!(table.cut, Some(cut));
    let held = table.partitions.iter().map(|one| table.holds(one));
    assert!(held.eq([true, false]));
}

#[test]
fn a_disk_without_the_sector_of_its_backup_alone_is_cut_and_holds_everything() {
    let table = read(&cut_to(399), 512).unwrap();
    assert!(table.cut.is_some());
    assert!(table.partitions.iter().all(|one| table.holds(one)));
}

#[test]
fn the_entries_are_not_where_a_disk_is_cut() {
    assert!(read(&cut_to(33), 512).is_err());
    assert!(read(&cut_to(34), 512).is_ok());
}

#[test]
fn a_table_that_never_fitted_the_disk_it_was_made_for_is_refused() {
    let last_usable = 48;
    let other = 32;
    for (at, value) in [
        (last_usable, 399_u64),
        (last_usable, u64::MAX),
        (other, u64::MAX),
        (other, u64::MAX / 512 + 1),
    ] {
        let disk = cut_to(100);
        let made = made(512);
        let entries = disk.content().bytes(1024..1024 + 128 * 128);
        let mut header = made.header(1, 399, 2, &entries);
        header[at..at + 8].copy_from_slice(&value.to_le_bytes());
        let sum = header_checksum(&header);
        header[16..20].copy_from_slice(&sum.to_le_bytes());
        disk.put(512, &header);
        let Err(GptError::NoTable { primary, .. }) = read(&disk, 512) else {
            panic!("{value:#x} at {at} is taken");
        };
        assert_eq!(primary, Invalid::HeaderRange, "{value:#x} at {at}");
    }
}

#[test]
fn the_end_of_a_backup_is_never_missing() {
    let made = made(512);
    let disk = cut_to(400);
    let entries = disk.content().bytes(1024..1024 + 128 * 128);
    // A header in the last sector that speaks of a disk of 800.
    let header = Made {
        sectors: 800,
        ..made
    }
    .header(399, 799, 2, &entries);
    disk.put(512, &[0; 512]);
    disk.put(399 * 512, &header);
    assert!(read(&disk, 512).is_err());
}

#[test]
fn a_backup_counts_where_it_says_the_same() {
    let disk = made(512).disk();
    let table = read(&disk, 512).unwrap();
    assert_eq!(check_backup(&disk, &table), Ok(()));
    let header = 399 * 512;
    disk.flip(header + 60, 1);
    let why = Err(Invalid::HeaderChecksum);
    assert_eq!(check_backup(&disk, &table), why);
    disk.put(header, &[0; 512]);
    assert_eq!(check_backup(&disk, &table), Err(Invalid::NoSignature));
}

#[test]
fn a_backup_with_other_partitions_could_not_take_the_place_of_the_primary() {
    let (disk, other) = (made(512).disk(), made(512));
    let table = read(&disk, 512).unwrap();
    let other = Made {
        entries: vec![entry(1, 1, "one", 40, 47)],
        ..other
    };
    let from = (400 - 33) * 512;
    let end = other.disk().content().bytes(from..400 * 512);
    disk.put(from, &end);
    assert_eq!(check_backup(&disk, &table), Err(Invalid::Differs));
}

#[test]
fn a_protective_mbr_is_signed_and_has_an_entry_that_protects() {
    let disk = made(512).disk();
    let change = |at: usize, byte: u8| disk.put(at, &[byte]);
    let has = || has_protective_mbr(&disk).unwrap();
    assert!(!has());
    // In the second entry: a hybrid one protects as well.
    change(462 + 4, 0xee);
    change(462 + 8, 1);
    change(510, 0x55);
    assert!(!has());
    change(511, 0xaa);
    assert!(has());
    for (at, byte) in [(462, 0x80), (462 + 4, 0x83), (462 + 8, 2)] {
        let before = disk.content().bytes(at..at + 1)[0];
        change(at, byte);
        assert!(!has(), "{at}");
        change(at, before);
    }
    assert!(has());
}
