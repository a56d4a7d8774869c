use super::*;
use crate::fake::FakeDisk;

mod borders;
mod cut;

/// A second, independent writer of tables, just for these tests.
pub(crate) struct Made {
    pub sector: usize,
    pub sectors: u64,
    pub entries: Vec<[u8; 128]>,
}

pub(crate) fn entry(kind: u8, id: u8, name: &str, first: u64, last: u64) -> [u8; 128] {
    let mut raw = [0u8; 128];
    raw[0] = kind;
    raw[16] = id;
    raw[32..40].copy_from_slice(&first.to_le_bytes());
    raw[40..48].copy_from_slice(&last.to_le_bytes());
    for (i, unit) in name.encode_utf16().enumerate() {
        raw[56 + 2 * i..58 + 2 * i].copy_from_slice(&unit.to_le_bytes());
    }
    raw
}

impl Made {
    pub(crate) fn header(&self, here: u64, other: u64, table: u64, raw: &[u8]) -> [u8; 92] {
        let mut h = [0u8; 92];
        h[..8].copy_from_slice(b"EFI PART");
        h[8..12].copy_from_slice(&0x10000u32.to_le_bytes());
        h[12..16].copy_from_slice(&92u32.to_le_bytes());
        h[24..32].copy_from_slice(&here.to_le_bytes());
        h[32..40].copy_from_slice(&other.to_le_bytes());
        h[40..48].copy_from_slice(&34u64.to_le_bytes());
        h[48..56].copy_from_slice(&(self.sectors - 34).to_le_bytes());
        h[56] = 9;
        h[72..80].copy_from_slice(&table.to_le_bytes());
        h[80..84].copy_from_slice(&128u32.to_le_bytes());
        h[84..88].copy_from_slice(&128u32.to_le_bytes());
        h[88..92].copy_from_slice(&crc32fast::hash(raw).to_le_bytes());
        let sum = crc32fast::hash(&h);
        h[16..20].copy_from_slice(&sum.to_le_bytes());
        h
    }

    pub(crate) fn disk(&self) -> FakeDisk {
        let mut raw = vec![0u8; 128 * 128];
        for (i, e) in self.entries.iter().enumerate() {
            raw[i * 128..(i + 1) * 128].copy_from_slice(e);
        }
        let disk = FakeDisk::new(self.sector as u64 * self.sectors);
        let last = self.sectors - 1;
        let put =
            |lba: u64, data: &[u8]| disk.put(usize::try_from(lba).unwrap() * self.sector, data);
        put(1, &self.header(1, last, 2, &raw));
        put(2, &raw);
        put(last, &self.header(last, 1, last - 32, &raw));
        put(last - 32, &raw);
        disk
    }
}

pub(crate) fn made(sector: usize) -> Made {
    Made {
        sector,
        sectors: 400,
        entries: vec![entry(1, 1, "one", 40, 47), entry(2, 2, "two", 48, 63)],
    }
}

#[test]
fn both_sector_sizes_are_found_by_themselves() {
    for sector in [512u32, 4096] {
        let table = read_any_sector(&made(sector as usize).disk()).unwrap();
        assert_eq!((table.sector, table.read_from), (sector, ReadFrom::Primary));
        assert_eq!(table.partitions.len(), 2);
        assert_eq!(table.partitions[1].name, "two");
        assert_eq!(table.partitions[1].number, 2);
        assert_eq!(
            table.partitions[1].extent,
            Extent {
                start: 48 * u64::from(sector),
                len: 16 * u64::from(sector)
            }
        );
    }
}

#[test]
fn the_backup_serves_when_the_primary_is_damaged_and_says_why() {
    let disk = made(512).disk();
    disk.flip(512 + 60, 1);
    let table = read(&disk, 512).unwrap();
    assert_eq!(table.read_from, ReadFrom::Backup(Invalid::HeaderChecksum));
    let disk = made(512).disk();
    disk.flip(1024, 1);
    assert_eq!(
        read(&disk, 512).unwrap().read_from,
        ReadFrom::Backup(Invalid::EntryChecksum)
    );
}

#[test]
fn no_single_changed_bit_in_the_primary_changes_what_is_read() {
    let whole = read(&made(512).disk(), 512).unwrap();
    for at in (512..512 + 92).chain(1024..1024 + 300) {
        for bit in 0..8 {
            let disk = made(512).disk();
            disk.flip(at, 1 << bit);
            let table = read(&disk, 512).unwrap();
            assert_eq!(table.partitions, whole.partitions);
            assert_ne!(table.read_from, ReadFrom::Primary, "byte {at} bit {bit}");
        }
    }
}

#[test]
fn a_disk_without_any_table_is_refused() {
    let error = read_any_sector(&FakeDisk::new(1 << 20)).unwrap_err();
    let none = Invalid::NoSignature;
    assert_eq!(
        error,
        GptError::NoTable {
            primary: none,
            backup: none
        }
    );
    let words = "no valid GPT: no GPT header at the start, no GPT header at the end of the disk";
    assert_eq!(alloc::format!("{error}"), words);
    assert!(error.mend().contains("gdisk") && GptError::Range(3).mend().contains("-d 3"));
    assert!(read_any_sector(&FakeDisk::new(0)).is_err());
    assert!(read_any_sector(&FakeDisk::new(512)).is_err());
}

#[test]
fn impossible_partitions_are_refused() {
    for entry in [
        entry(1, 1, "a", 60, 50),
        entry(1, 1, "a", 2, 50),
        entry(1, 1, "a", 40, u64::MAX),
    ] {
        let disk = Made {
            entries: vec![entry],
            ..made(512)
        }
        .disk();
        let error = read(&disk, 512).unwrap_err();
        assert_eq!(error, GptError::Range(1));
        let words = "GPT entry 1 leaves the usable range of the disk";
        assert!(
            alloc::string::ToString::to_string(&error).starts_with(words),
            "{error}"
        );
    }
}
