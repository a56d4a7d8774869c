//! The strict reader of the GUID partition table (UEFI specification, chapter 5).
//!
//! Every decision, before the kernel and after it, sees the disk through this
//! reader. What it cannot vouch for it refuses, because two readers that guess
//! differently would start a slot that was never written.

use crate::guid::Guid;
use crate::medium::{BLOCK, Extent, Fault, Medium};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

const SIGNATURE: &[u8; 8] = b"EFI PART";
const REVISION: u32 = 0x0001_0000;
const HEADER_LEN: u32 = 92;
const ENTRY_LEN: u32 = 128;
/// More entries than any disk of ours has; it bounds what is allocated.
const MAX_ENTRIES: u32 = 1024;
const NAME_UNITS: usize = 36;
/// Where the header at the start of a disk lies.
const PRIMARY_LBA: u64 = 1;

/// Sector sizes that are looked for, in this order, where nobody says which.
pub const SECTOR_SIZES: [u32; 2] = [512, 4096];

/// One used entry of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Number of the partition, from 1, as in `/dev/sda1`.
    pub number: u32,
    /// Type GUID.
    pub kind: Guid,
    /// Unique GUID (`PARTUUID`).
    pub id: Guid,
    /// Name, at most 36 UTF-16 units; what is no character becomes U+FFFD.
    pub name: String,
    /// Where it lies, in bytes from the start of the disk.
    pub extent: Extent,
}

/// Which of the two tables was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// The one at the start of the disk.
    Primary,
    /// The one at its end, because the primary is not valid for this reason.
    Backup(Invalid),
}

/// A valid partition table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpt {
    /// GUID of the disk.
    pub disk: Guid,
    /// Bytes of a logical sector.
    pub sector: u32,
    /// Which of the two tables this is.
    pub read_from: ReadFrom,
    /// Where the device ends before the disk that the table was made for does.
    pub cut: Option<Cut>,
    /// The used entries in the order of the table.
    pub partitions: Vec<Partition>,
}

/// A device that is shorter than its own table says: firmware hides the end of
/// it (a host protected area), or it is a copy on a smaller one. Nothing moves by
/// that: what lies whole on the device is where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Bytes that the device has.
    pub has: u64,
    /// Bytes of the disk that the table was made for.
    pub made_for: u64,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cut { has, made_for } = self;
        write!(
            f,
            "the disk has {has} bytes, its partition table was made for {made_for}"
        )
    }
}

impl Gpt {
    /// Whether all of a partition lies on the device.
    pub fn holds(&self, partition: &Partition) -> bool {
        let end = partition.extent.end();
        self.cut
            .is_none_or(|cut| end.is_some_and(|end| end <= cut.has))
    }
}

/// Why one copy of the table does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The device failed.
    #[error("{0}")]
    Unreadable(Fault),
    /// No `EFI PART` where a header should be.
    #[error("no GPT header")]
    NoSignature,
    /// A revision other than 1.0, or a header length other than 92.
    #[error("not revision 1.0")]
    Revision,
    /// The checksum of the header is wrong.
    #[error("wrong checksum of the header")]
    HeaderChecksum,
    /// The header says that it lies elsewhere, or its fields leave the disk.
    #[error("header fields that do not fit the disk")]
    HeaderRange,
    /// Entries of another size than 128 bytes, or more than 1024 of them.
    #[error("entries of an unusual size or number")]
    EntrySize,
    /// The checksum of the entries is wrong.
    #[error("wrong checksum of the entries")]
    EntryChecksum,
    /// A backup that describes other partitions than the primary.
    #[error("other partitions than the primary")]
    Differs,
}

/// Why a disk has no partition table that can be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GptError {
    /// Neither table is valid.
    #[error("no valid GPT: {primary} at the start, {backup} at the end of the disk")]
    NoTable {
        /// What is wrong with the one at the start.
        primary: Invalid,
        /// What is wrong with the one at the end.
        backup: Invalid,
    },
    /// An entry leaves the usable range or is upside down.
    #[error("GPT entry {0} leaves the usable range of the disk")]
    Range(u32),
}

impl GptError {
    /// What mends the disk.
    pub fn mend(&self) -> String {
        match self {
            GptError::NoTable { .. } => {
                "put the factory image on it, or rebuild its table (`gdisk`, menu r)".into()
            }
            GptError::Range(n) => format!("delete the entry (`sgdisk -d {n}`) and make it anew"),
        }
    }
}

/// Reads the table of a disk whose sector size is known.
pub fn read<M: Medium + ?Sized>(disk: &M, sector: u32) -> Result<Gpt, GptError> {
    let backup_lba = (disk.len() / u64::from(sector.max(1))).saturating_sub(1);
    let (header, read_from) = match Header::read(disk, sector, PRIMARY_LBA) {
        Ok(found) => (found, ReadFrom::Primary),
        Err(primary) => match Header::read(disk, sector, backup_lba) {
            Ok(found) => (found, ReadFrom::Backup(primary)),
            Err(backup) => return Err(GptError::NoTable { primary, backup }),
        },
    };
    let partitions = header.partitions(sector)?;
    Ok(Gpt {
        disk: header.disk,
        sector,
        read_from,
        cut: header.cut,
        partitions,
    })
}

/// Whether the backup at the end of the disk says the same as this table, so that
/// it could take its place.
pub fn check_backup<M: Medium + ?Sized>(disk: &M, table: &Gpt) -> Result<(), Invalid> {
    let sector = u64::from(table.sector.max(1));
    let backup_lba = (disk.len() / sector).saturating_sub(1);
    let header = Header::read(disk, table.sector, backup_lba)?;
    let same = header.partitions(table.sector).ok().as_ref() == Some(&table.partitions);
    match same && header.disk == table.disk {
        true => Ok(()),
        false => Err(Invalid::Differs),
    }
}

/// Whether sector 0 has the protective MBR, without which firmware and other
/// systems take the disk for one without a GPT (UEFI specification, table 5.4).
pub fn has_protective_mbr<M: Medium + ?Sized>(disk: &M) -> Result<bool, Fault> {
    let mut raw = [0u8; 512];
    disk.read_at(0, &mut raw)?;
    let entries = raw.get(446..510).unwrap_or_default().chunks_exact(16);
    let protects = |entry: &[u8]| {
        let (flag, kind) = (entry.first(), entry.get(4));
        flag == Some(&0) && kind == Some(&0xee) && u32_at(entry, 8) == 1
    };
    Ok(raw.ends_with(&[0x55, 0xaa]) && entries.into_iter().any(protects))
}

/// Reads the table of a disk image, whose sector size is read off the place where the
/// table lies. Where no size fits, it says what is wrong with the usual one (512).
pub fn read_any_sector<M: Medium + ?Sized>(disk: &M) -> Result<Gpt, GptError> {
    let [usual, large] = SECTOR_SIZES;
    match read(disk, usual) {
        Err(error @ GptError::NoTable { .. }) => match read(disk, large) {
            Err(GptError::NoTable { .. }) => Err(error),
            other => other,
        },
        // A backup at one size must not win over a primary at the other.
        Ok(table) if table.read_from != ReadFrom::Primary => match read(disk, large) {
            Ok(other) if other.read_from == ReadFrom::Primary => Ok(other),
            _ => Ok(table),
        },
        other => other,
    }
}

/// A header whose own checksum, and that of its entries, is right.
struct Header {
    disk: Guid,
    first_usable: u64,
    last_usable: u64,
    cut: Option<Cut>,
    entries: Vec<u8>,
}

impl Header {
    fn read<M: Medium + ?Sized>(disk: &M, sector: u32, lba: u64) -> Result<Header, Invalid> {
        let sector = u64::from(sector);
        let at = lba.checked_mul(sector).ok_or(Invalid::HeaderRange)?;
        let mut raw = [0u8; 92];
        disk.read_at(at, &mut raw).map_err(Invalid::Unreadable)?;
        if raw.get(..8) != Some(SIGNATURE.as_slice()) {
            return Err(Invalid::NoSignature);
        }
        if u32_at(&raw, 8) != REVISION || u32_at(&raw, 12) != HEADER_LEN {
            return Err(Invalid::Revision);
        }
        if header_checksum(&raw) != u32_at(&raw, 16) {
            return Err(Invalid::HeaderChecksum);
        }
        let sectors = disk.len() / sector;
        let (first_usable, last_usable) = (u64_at(&raw, 40), u64_at(&raw, 48));
        let other = u64_at(&raw, 32);
        // Only of the table at the start of a disk can the end be missing; it says
        // itself where its backup was.
        let cut = match lba == PRIMARY_LBA && other >= sectors {
            true => Some(Cut {
                has: disk.len(),
                made_for: (other.checked_add(1))
                    .and_then(|sectors| sectors.checked_mul(sector))
                    .ok_or(Invalid::HeaderRange)?,
            }),
            false => None,
        };
        let end = if cut.is_some() { other } else { sectors };
        if u64_at(&raw, 24) != lba || first_usable > last_usable || last_usable >= end {
            return Err(Invalid::HeaderRange);
        }
        let (count, size) = (u32_at(&raw, 80), u32_at(&raw, 84));
        if size != ENTRY_LEN || count == 0 || count > MAX_ENTRIES {
            return Err(Invalid::EntrySize);
        }
        // A partition over its own table would be written over it one day.
        let table = u64_at(&raw, 72);
        let table_len = (u64::from(count) * u64::from(ENTRY_LEN)).div_ceil(sector);
        let table_end = table.checked_add(table_len).ok_or(Invalid::HeaderRange)?;
        let apart = |from: u64, end: u64| end <= first_usable || from > last_usable;
        if !(apart(0, 2) && apart(lba, lba.saturating_add(1)) && apart(table, table_end)) {
            return Err(Invalid::HeaderRange);
        }
        let entries = read_entries(disk, table, sector, count)?;
        if crc32fast::hash(&entries) != u32_at(&raw, 88) {
            return Err(Invalid::EntryChecksum);
        }
        let disk = guid_at(&raw, 56);
        Ok(Header {
            disk,
            first_usable,
            last_usable,
            cut,
            entries,
        })
    }

    fn partitions(&self, sector: u32) -> Result<Vec<Partition>, GptError> {
        let sector = u64::from(sector);
        let mut found = Vec::new();
        for (number, raw) in (1u32..).zip(self.entries.chunks_exact(128)) {
            let kind = guid_at(raw, 0);
            if kind == Guid::ZERO {
                continue;
            }
            let (first, last) = (u64_at(raw, 32), u64_at(raw, 40));
            if first < self.first_usable || last > self.last_usable || first > last {
                return Err(GptError::Range(number));
            }
            // `last` lies on the disk that the header was made for, so no product can
            // overflow; checked all the same.
            let extent = (|| {
                let len = last
                    .checked_sub(first)?
                    .checked_add(1)?
                    .checked_mul(sector)?;
                Some(Extent {
                    start: first.checked_mul(sector)?,
                    len,
                })
            })()
            .ok_or(GptError::Range(number))?;
            let id = guid_at(raw, 16);
            found.push(Partition {
                number,
                kind,
                id,
                name: name_at(raw),
                extent,
            });
        }
        Ok(found)
    }
}

fn header_checksum(raw: &[u8; 92]) -> u32 {
    let mut clean = *raw;
    if let Some(field) = clean.get_mut(16..20) {
        field.fill(0);
    }
    crc32fast::hash(&clean)
}

fn read_entries<M: Medium + ?Sized>(
    disk: &M,
    lba: u64,
    sector: u64,
    count: u32,
) -> Result<Vec<u8>, Invalid> {
    let at = lba.checked_mul(sector).ok_or(Invalid::HeaderRange)?;
    let length = count.checked_mul(ENTRY_LEN).ok_or(Invalid::EntrySize)?;
    if at
        .checked_add(u64::from(length))
        .is_none_or(|end| end > disk.len())
    {
        return Err(Invalid::HeaderRange);
    }
    let mut entries = vec![0u8; usize::try_from(length).map_err(|_| Invalid::EntrySize)?];
    disk.read_at(at, &mut entries)
        .map_err(Invalid::Unreadable)?;
    Ok(entries)
}

impl Partition {
    /// Whether it begins and ends at multiples of 4 KiB, so that a write inside
    /// never rewrites a byte outside.
    pub fn is_aligned(&self) -> bool {
        self.extent.start.is_multiple_of(BLOCK) && self.extent.len.is_multiple_of(BLOCK)
    }
}

fn name_at(entry: &[u8]) -> String {
    let raw = entry.get(56..128).unwrap_or_default();
    let units = raw.chunks_exact(2).take(NAME_UNITS).map(|unit| match unit {
        [low, high] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    });
    char::decode_utf16(units.take_while(|unit| *unit != 0))
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

fn bytes_at<const N: usize>(raw: &[u8], at: usize) -> [u8; N] {
    raw.get(at..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .unwrap_or([0; N])
}

fn u32_at(raw: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes_at(raw, at))
}

fn u64_at(raw: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes_at(raw, at))
}

fn guid_at(raw: &[u8], at: usize) -> Guid {
    Guid(bytes_at(raw, at))
}

#[cfg(test)]
pub(crate) mod tests;
