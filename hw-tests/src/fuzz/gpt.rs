//! The partition table.

use super::input::Input;
use ::gpt::GptConfig;
use ::gpt::disk::LogicalBlockSize;
use bootshim::gpt::{self, Gpt, Partition, ReadFrom};
use bootshim::layout::Layout;
use bootshim::medium::Medium;
use controller::stream::Stream;
use fakedisk::{Content, FakeDisk};

const HEADER: usize = 92;
/// Bytes of table that one disk has at most here.
const ENTRIES_MAX: usize = 32 * 128;

/// Any table gives an answer; the partitions of one that counts lie on the disk that
/// it was made for, ours on this one and apart from all others; and the crate that
/// writes tables sees the same.
pub fn gpt(data: &[u8]) {
    let disk = disk(&mut Input(data));
    for sector in gpt::SECTOR_SIZES {
        if let Ok(table) = gpt::read(&disk, sector) {
            check(&table, &disk);
            the_crate_agrees(&table, &disk);
        }
    }
    if let Ok(table) = gpt::read_any_sector(&disk) {
        check(&table, &disk);
        if let Ok(layout) = Layout::find(&table) {
            let ours = layout.slots.iter().chain([&layout.record]);
            assert!(ours.into_iter().all(Partition::is_aligned));
            assert!((2..=8).contains(&layout.slots.len()));
            assert!(table.holds(&layout.record));
            for one in layout.slots.iter().chain([&layout.record]) {
                alone(one, &table);
            }
        }
    }
    assert!(disk.epochs().is_empty(), "reading writes nothing");
}

/// The bytes of a case with the tables of this disk.
pub(super) fn encoded(disk: &[u8]) -> Vec<u8> {
    let table = |header: &[u8]| {
        let lba = u64::from_le_bytes(header[72..80].try_into().unwrap());
        usize::try_from(lba).unwrap() * 512
    };
    let primary = &disk[512..][..HEADER];
    let backup = &disk[disk.len() - 512..][..HEADER];
    let mut bytes = vec![0];
    bytes.extend(u64::try_from(disk.len()).unwrap().to_le_bytes());
    bytes.extend(primary);
    bytes.extend(backup);
    bytes.extend(&disk[table(primary)..][..5 * 128]);
    bytes
}

/// The fields: what is mended, the length of the disk, both headers, and one
/// table for both, in which the rest is unused.
fn disk(input: &mut Input<'_>) -> FakeDisk {
    let mend = input.u8();
    let len = input.u64() & (u64::MAX >> (mend >> 4 & 3));
    let mut headers: [[u8; HEADER]; 2] = [input.array(), input.array()];
    let mut entries = input.slice(ENTRIES_MAX).to_vec();
    let sector: u64 = if mend & 4 == 0 { 512 } else { 4096 };
    let last = (len / sector).saturating_sub(1);
    let mut content = Content::zeros(len);
    for (header, (lba, mends)) in headers
        .iter_mut()
        .zip([(1, mend & 1 == 0), (last, mend & 2 == 0)])
    {
        let count = u32::from_le_bytes(header[80..84].try_into().unwrap()).min(1024);
        entries.resize(usize::try_from(count * 128).unwrap(), 0);
        if mends {
            header[88..92].copy_from_slice(&crc32(&entries).to_le_bytes());
            header[16..20].fill(0);
            let sum = crc32(header);
            header[16..20].copy_from_slice(&sum.to_le_bytes());
        }
        let table = u64::from_le_bytes(header[72..80].try_into().unwrap());
        content.write(table.saturating_mul(sector), &entries);
        content.write(lba * sector, header);
    }
    FakeDisk::of(content)
}

/// CRC-32 as the UEFI specification wants it, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ (0xedb8_8320 & 0u32.wrapping_sub(crc & 1));
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), step);
    !bytes.iter().fold(u32::MAX, byte)
}

fn check(table: &Gpt, disk: &FakeDisk) {
    let made_for = table.cut.map_or(disk.len(), |cut| cut.made_for);
    assert!(made_for >= disk.len());
    for one in &table.partitions {
        let end = one.extent.end().unwrap();
        assert!(one.extent.len > 0 && end <= made_for);
        assert!(one.extent.start >= 2 * u64::from(table.sector));
        assert_eq!(table.holds(one), end <= disk.len());
    }
}

/// No other partition has a byte or the GUID of one of ours.
fn alone(ours: &Partition, table: &Gpt) {
    let others = table.partitions.iter();
    for other in others.filter(|other| other.number != ours.number) {
        let (end, other_end) = (ours.extent.end().unwrap(), other.extent.end().unwrap());
        assert!(end <= other.extent.start || other_end <= ours.extent.start);
        assert!(ours.id != other.id);
    }
}

fn the_crate_agrees(table: &Gpt, disk: &FakeDisk) {
    if table.read_from != ReadFrom::Primary {
        return;
    }
    let size = LogicalBlockSize::try_from(u64::from(table.sector)).unwrap();
    let config = GptConfig::new()
        .logical_block_size(size)
        .only_valid_headers(true);
    // It asks for more (a backup, say), and so may refuse where we do not.
    let Ok(other) = config.open_from_device(Stream::new(disk)) else {
        return;
    };
    let theirs: Vec<_> = other
        .partitions()
        .iter()
        // It keeps entries of no type that are not all zero.
        .filter(|(_, one)| !one.part_type_guid.guid.is_nil())
        .map(|(number, one)| {
            let id = one.part_guid.into_bytes();
            let start = one.first_lba * u64::from(table.sector);
            let len = (one.last_lba - one.first_lba + 1) * u64::from(table.sector);
            (*number, id, start, len)
        })
        .collect();
    let ours: Vec<_> = table
        .partitions
        .iter()
        .map(|one| {
            (
                one.number,
                one.id.written(),
                one.extent.start,
                one.extent.len,
            )
        })
        .collect();
    assert_eq!(ours, theirs);
}
