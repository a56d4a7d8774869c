//! Every border of the table: the last value that is taken, and the first that
//! is not.

use super::*;

/// A disk of 400 sectors of 512 bytes whose headers the test has changed; both
/// checksums fit.
struct Changed {
    disk: FakeDisk,
    fields: Vec<(usize, u64)>,
}

impl Changed {
    fn new(entries: Vec<[u8; 128]>) -> Changed {
        let made = Made {
            entries,
            ..made(512)
        };
        Changed {
            disk: made.disk(),
            fields: Vec::new(),
        }
    }

    /// A field of four bytes from 80 on and before 24, else of eight.
    fn field(mut self, at: usize, value: u64) -> Changed {
        self.fields.push((at, value));
        self
    }

    fn put(&self, lba: u64, data: &[u8]) {
        let at = usize::try_from(lba).unwrap() * 512;
        self.disk.put(at, data);
    }

    /// The header at `here`, over the entries where it says that they lie.
    fn seal(&self, here: u64, table: u64) -> &FakeDisk {
        let mut header = made(512).header(here, 400 - here, table, &[]);
        for (at, value) in &self.fields {
            let len = if (24..80).contains(at) { 8 } else { 4 };
            header[*at..at + len].copy_from_slice(&value.to_le_bytes()[..len]);
        }
        let from = usize::try_from(u64_at(&header, 72)).unwrap() * 512;
        let len = usize::try_from(u32_at(&header, 80)).unwrap() * 128;
        let bytes = self.disk.content().all();
        let entries = crc32fast::hash(bytes.get(from..from + len).unwrap_or_default());
        header[88..92].copy_from_slice(&entries.to_le_bytes());
        let sum = header_checksum(&header);
        header[16..20].copy_from_slice(&sum.to_le_bytes());
        self.put(here, &header);
        &self.disk
    }

    fn primary(&self) -> ReadFrom {
        let table = read(self.seal(1, 2), 512).unwrap();
        table.read_from
    }

    /// What is wrong with the backup where there is no primary.
    fn backup(&self, table: u64) -> Option<Invalid> {
        self.put(1, &[0; 512]);
        match read(self.seal(399, table), 512) {
            Ok(_) => None,
            Err(GptError::NoTable { backup, .. }) => Some(backup),
            Err(other) => panic!("{other}"),
        }
    }
}

fn empty() -> Changed {
    Changed::new(Vec::new())
}

#[test]
fn revision_and_length_of_a_header_are_both_checked() {
    assert_eq!(empty().primary(), ReadFrom::Primary);
    for (at, value) in [(8, 0x1_0001), (12, 96), (12, 91)] {
        let read_from = empty().field(at, value).primary();
        assert_eq!(
            read_from,
            ReadFrom::Backup(Invalid::Revision),
            "{at} {value}"
        );
    }
}

#[test]
fn the_usable_range_is_not_upside_down_and_lies_on_the_disk() {
    let usable = |first, last| empty().field(40, first).field(48, last).primary();
    assert_eq!(usable(100, 100), ReadFrom::Primary);
    let refused = ReadFrom::Backup(Invalid::HeaderRange);
    assert_eq!(usable(101, 100), refused);
    assert_eq!(usable(34, 400), refused);
}

#[test]
fn a_header_that_lies_elsewhere_than_it_says_is_refused() {
    let refused = ReadFrom::Backup(Invalid::HeaderRange);
    assert_eq!(empty().field(24, 399).primary(), refused);
}

#[test]
fn up_to_1024_entries_of_128_bytes_are_read() {
    let with = |at, value| empty().field(40, 300).field(at, value).primary();
    assert_eq!(with(80, 1024), ReadFrom::Primary);
    for (at, value) in [(80, 1025), (80, 0), (84, 64), (84, 256)] {
        let odd = ReadFrom::Backup(Invalid::EntrySize);
        assert_eq!(with(at, value), odd, "{at} {value}");
    }
}

#[test]
fn entries_lie_outside_the_usable_range_and_on_the_disk() {
    let refused = ReadFrom::Backup(Invalid::HeaderRange);
    let at = |table| empty().field(72, table).field(48, 360).primary();
    assert_eq!(at(360), refused);
    assert_eq!(at(361), ReadFrom::Primary);
    let at_the_end = |table| {
        let changed = empty().field(72, table);
        changed.put(399, &[0; 512]);
        match read(changed.seal(1, 2), 512) {
            Ok(_) => None,
            Err(GptError::NoTable { primary, .. }) => Some(primary),
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(at_the_end(368), None);
    assert_eq!(at_the_end(369), Some(Invalid::HeaderRange));
}

#[test]
fn a_table_that_lies_where_partitions_may_lie_is_refused() {
    for (at, lba) in [(40, 1), (40, 33), (72, 34), (72, 100)] {
        let refused = ReadFrom::Backup(Invalid::HeaderRange);
        assert_eq!(empty().field(at, lba).primary(), refused, "{at} {lba}");
    }
}

#[test]
fn no_header_lies_in_the_usable_range() {
    assert_eq!(empty().backup(367), None);
    // Over the place of the primary; over the backup itself.
    let over_primary = empty().field(40, 1).backup(367);
    assert_eq!(over_primary, Some(Invalid::HeaderRange));
    let over_itself = empty().field(48, 399).backup(2);
    assert_eq!(over_itself, Some(Invalid::HeaderRange));
}

#[test]
fn a_partition_may_fill_the_usable_range_and_not_a_sector_more() {
    let only = |first, last| {
        let changed = Changed::new(vec![entry(1, 1, "a", first, last)]);
        read(changed.seal(1, 2), 512).map(|table| table.partitions[0].extent.len / 512)
    };
    assert_eq!(only(34, 366), Ok(333));
    assert_eq!(only(366, 366), Ok(1));
    assert_eq!(only(33, 50), Err(GptError::Range(1)));
    assert_eq!(only(366, 367), Err(GptError::Range(1)));
    assert_eq!(only(51, 50), Err(GptError::Range(1)));
}

#[test]
fn entries_between_which_others_are_unused_keep_their_numbers() {
    let entries = vec![
        [0; 128],
        entry(1, 1, "", 50, 59),
        [0; 128],
        entry(1, 2, "", 40, 49),
    ];
    let changed = Changed::new(entries);
    let table = read(changed.seal(1, 2), 512).unwrap();
    let numbers = table.partitions.iter().map(|partition| partition.number);
    assert!(numbers.eq([2, 4]));
}

#[test]
fn a_name_ends_at_its_first_zero_or_with_the_field() {
    let named = |units: &[u16]| {
        let mut raw = entry(1, 1, "", 40, 49);
        for (place, unit) in raw[56..].chunks_exact_mut(2).zip(units) {
            place.copy_from_slice(&unit.to_le_bytes());
        }
        let table = read(Changed::new(vec![raw]).seal(1, 2), 512).unwrap();
        table.partitions[0].name.clone()
    };
    assert_eq!(named(&[0x61, 0, 0x62]), "a");
    assert_eq!(named(&[0x161; 36]), "š".repeat(36));
    assert_eq!(named(&[0x61, 0xd800, 0x62]), "a\u{fffd}b");
    assert_eq!(named(&[]), "");
}

#[test]
fn a_partition_is_aligned_where_it_begins_and_where_it_ends() {
    let aligned = |first, last| {
        let changed = Changed::new(vec![entry(1, 1, "a", first, last)]);
        let table = read(changed.seal(1, 2), 512).unwrap();
        table.partitions[0].is_aligned()
    };
    assert!(aligned(40, 47));
    assert!(!aligned(40, 48));
    assert!(!aligned(41, 48));
}

/// The places where a sum or a product leaves 32 bits, a sign, or 64 bits.
fn far() -> impl Iterator<Item = u64> {
    [1 << 32, 1 << 63, u64::MAX / 512, u64::MAX]
        .into_iter()
        .flat_map(|border: u64| [border - 1, border, border.saturating_add(1)])
}

/// The table that is read where this field of the primary header is changed; its
/// entries are sealed where they lie, not where the header says.
fn with(at: usize, value: &[u8]) -> ReadFrom {
    let mut header = made(512).header(1, 399, 2, &[0; 128 * 128]);
    header[at..at + value.len()].copy_from_slice(value);
    let sum = header_checksum(&header);
    header[16..20].copy_from_slice(&sum.to_le_bytes());
    let changed = empty();
    changed.put(1, &header);
    read(&changed.disk, 512).unwrap().read_from
}

#[test]
fn no_field_of_a_header_far_beyond_the_disk_is_taken() {
    for value in far() {
        for at in [24, 40, 48, 72] {
            let read_from = with(at, &value.to_le_bytes());
            let refused = ReadFrom::Backup(Invalid::HeaderRange);
            assert_eq!(read_from, refused, "{value:#x} at {at}");
        }
    }
}

#[test]
fn no_number_or_length_of_entries_that_overflows_is_taken() {
    for value in [1_u32 << 16, 1 << 25, 1 << 31, u32::MAX - 127, u32::MAX] {
        for (at, why) in [
            (12, Invalid::Revision),
            (80, Invalid::EntrySize),
            (84, Invalid::EntrySize),
        ] {
            let read_from = with(at, &value.to_le_bytes());
            assert_eq!(read_from, ReadFrom::Backup(why), "{value:#x} at {at}");
        }
    }
}

#[test]
fn no_partition_far_beyond_the_disk_is_taken() {
    for value in far() {
        for (first, last) in [(value, 50), (40, value), (value, value), (value, u64::MAX)] {
            let changed = Changed::new(vec![entry(1, 1, "a", first, last)]);
            let table = read(changed.seal(1, 2), 512);
            assert_eq!(table, Err(GptError::Range(1)), "{first:#x} to {last:#x}");
        }
    }
}

/// A disk with a table in sectors of 4096 bytes.
fn large() -> FakeDisk {
    made(4096).disk()
}

/// Adds a header in sectors of 512 bytes over an empty table.
fn add_small(disk: &FakeDisk, here: u64, table: u64) {
    let small = Made {
        sector: 512,
        sectors: 3200,
        entries: Vec::new(),
    };
    let raw = [0; 128 * 128];
    let put = |lba: u64, data: &[u8]| disk.put(usize::try_from(lba).unwrap() * 512, data);
    put(table, &raw);
    put(here, &small.header(here, 3200 - here, table, &raw));
}

#[test]
fn of_two_primaries_the_one_in_small_sectors_counts() {
    let disk = large();
    add_small(&disk, 1, 3167);
    let table = read_any_sector(&disk).unwrap();
    assert_eq!((table.sector, table.read_from), (512, ReadFrom::Primary));
}

#[test]
fn a_backup_in_small_sectors_does_not_win_over_a_primary_in_large_ones() {
    let disk = large();
    add_small(&disk, 3199, 3167);
    assert!(read(&disk, 512).is_ok());
    let table = read_any_sector(&disk).unwrap();
    assert_eq!((table.sector, table.read_from), (4096, ReadFrom::Primary));
}

#[test]
fn of_two_backups_the_one_in_small_sectors_counts() {
    let disk = large();
    add_small(&disk, 3199, 2);
    assert!(matches!(
        read(&disk, 4096).unwrap().read_from,
        ReadFrom::Backup(_)
    ));
    let table = read_any_sector(&disk).unwrap();
    assert_eq!(table.sector, 512);
}
