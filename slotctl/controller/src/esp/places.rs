//! The two places of a bootshim on the ESP: the directory `EFI/BOOT`, where firmware
//! looks, and `EFI/SPARE`.
//!
//! FAT renames nothing in one step. So both directories were made with the disk, in
//! two clusters whose numbers differ in the lowest bit alone, and their entries lie
//! in one sector: one write of that sector swaps them, and of the entry that firmware
//! follows one bit changes. Wherever that write is cut, firmware finds one whole
//! directory or the other, with a whole program in each.
//!
//! The attribute "archive" of `EFI/SPARE` says that the program in it waits to be the
//! one that firmware starts; the write that swaps takes it away.
//!
//! Fields as in Microsoft's "FAT32 File System Specification", 1.03.

use crate::code::Code;
use crate::error::{Error, Result};
use bootshim::medium::{BLOCK, Fault, Medium};

const ENTRY: usize = 32;
const ATTRIBUTES: usize = 11;
const LONG_NAME: u8 = 0x0f;
const DIRECTORY: u8 = 0x10;
const ARCHIVE: u8 = 0x20;
const CLUSTER_HIGH: usize = 20;
const CLUSTER_LOW: usize = 26;

type Name = [u8; 11];
const EFI: &Name = b"EFI        ";
const BOOT: &Name = b"BOOT       ";
const SPARE: &Name = b"SPARE      ";
const SELF: &Name = b".          ";

/// Both places, found on an ESP.
#[derive(Debug)]
pub struct Places {
    /// Where the block with both entries begins.
    at: u64,
    /// What the ESP has there.
    before: Vec<u8>,
    block: Vec<u8>,
    /// Where the entries are in it.
    boot: usize,
    spare: usize,
    /// A swap was cut within its sector.
    torn: bool,
}

impl Places {
    /// Finds them. After a write that was cut in the middle of its sector both may
    /// be the same directory; then the spare is the other one.
    pub fn find<M: Medium>(esp: &M) -> Result<Places> {
        let volume = Volume::read(esp)?.ok_or_else(none)?;
        let efi = volume.entry(esp, volume.root(), EFI)?.ok_or_else(none)?;
        let folder = volume.cluster(efi.cluster).ok_or_else(none)?;
        let boot = volume.entry(esp, folder, BOOT)?.ok_or_else(none)?;
        let spare = volume.entry(esp, folder, SPARE)?.ok_or_else(none)?;
        for cluster in [boot.cluster, boot.cluster ^ 1] {
            let folder = volume.cluster(cluster).ok_or_else(none)?;
            let itself = volume.entry(esp, folder, SELF)?;
            if itself.is_none_or(|itself| itself.cluster != cluster) {
                return Err(none());
            }
        }
        if boot.at / volume.sector != spare.at / volume.sector {
            return Err(none());
        }
        let at = boot.at - boot.at % BLOCK;
        let mut block = vec![0; usize::try_from(BLOCK).unwrap_or(4096)];
        esp.read_at(at, &mut block).map_err(unread)?;
        let within = |place: u64| usize::try_from(place - at).map_err(|_| none());
        let mut places = Places {
            at,
            before: block.clone(),
            block,
            boot: within(boot.at)?,
            spare: within(spare.at)?,
            torn: spare.cluster != boot.cluster ^ 1,
        };
        places.set_cluster(places.spare, boot.cluster ^ 1);
        Ok(places)
    }

    /// Whether the program in the spare waits to be the one that firmware starts.
    pub fn waits(&self) -> bool {
        let attributes = self.block.get(self.spare.saturating_add(ATTRIBUTES));
        attributes.is_some_and(|attributes| attributes & ARCHIVE != 0)
    }

    /// Whether nothing waits, and each place is a directory of its own.
    pub fn is_whole(&self) -> bool {
        !self.waits() && !self.torn
    }

    /// Says durably whether the program in the spare waits, and that the spare is
    /// the other directory. Cut before or after: what firmware starts is the same.
    pub fn set_waits<M: Medium>(&mut self, esp: &M, waits: bool) -> Result<()> {
        self.set_attributes(if waits {
            DIRECTORY | ARCHIVE
        } else {
            DIRECTORY
        });
        self.write(esp)
    }

    /// Swaps the two, durably: firmware starts what was in the spare. Cut before the
    /// write reached its sector, the spare still waits; after it, all is done.
    pub fn swap<M: Medium>(mut self, esp: &M) -> Result<()> {
        let cluster = self.cluster();
        self.set_cluster(self.boot, cluster ^ 1);
        self.set_cluster(self.spare, cluster);
        self.set_attributes(DIRECTORY);
        self.write(esp)
    }

    /// Other directories may lie in the block: it is read again before it is written,
    /// so that a bit which the device once gave wrong does not get onto it.
    fn write<M: Medium>(&mut self, esp: &M) -> Result<()> {
        let failed = |fault| Error::fault("writing the ESP", fault);
        self.expect(esp, &self.before)?;
        esp.write_at(self.at, &self.block).map_err(failed)?;
        esp.flush().map_err(failed)?;
        self.expect(esp, &self.block)?;
        self.before.clone_from(&self.block);
        Ok(())
    }

    fn expect<M: Medium>(&self, esp: &M, bytes: &[u8]) -> Result<()> {
        let mut found = vec![0; bytes.len()];
        esp.read_at(self.at, &mut found).map_err(unread)?;
        if found != bytes {
            let found = "the ESP does not give back what is on it";
            return Err(Error::new(Code::NotReadBack, found));
        }
        Ok(())
    }

    fn cluster(&self) -> u32 {
        let entry = self.block.get(self.boot..).unwrap_or_default();
        cluster_of(entry)
    }

    fn set_cluster(&mut self, entry: usize, cluster: u32) {
        let [a, b, c, d] = cluster.to_le_bytes();
        for (field, value) in [(CLUSTER_LOW, [a, b]), (CLUSTER_HIGH, [c, d])] {
            let at = entry.saturating_add(field);
            if let Some(place) = self.block.get_mut(at..at.saturating_add(2)) {
                place.copy_from_slice(&value);
            }
        }
    }

    fn set_attributes(&mut self, attributes: u8) {
        if let Some(place) = self.block.get_mut(self.spare.saturating_add(ATTRIBUTES)) {
            *place = attributes;
        }
    }
}

/// Where things lie on a FAT filesystem.
struct Volume {
    sector: u64,
    cluster: u64,
    /// Where cluster 2 begins.
    data: u64,
    /// Length of the root directory of FAT12 and FAT16, which lies before it.
    root_length: u64,
    /// Cluster of the root directory of FAT32.
    root_cluster: u32,
    length: u64,
}

/// A directory in its directory.
struct Entry {
    at: u64,
    cluster: u32,
}

impl Volume {
    /// `None` where the first sector is not that of a FAT filesystem.
    fn read<M: Medium>(esp: &M) -> Result<Option<Volume>> {
        let mut sector = [0; 512];
        esp.read_at(0, &mut sector).map_err(unread)?;
        Ok(Volume::parse(&sector, esp.len()))
    }

    fn parse(boot: &[u8], length: u64) -> Option<Volume> {
        let byte = |at: usize| boot.get(at).map(|byte| u64::from(*byte));
        let half = |at: usize| Some(byte(at)? | byte(at + 1)? << 8);
        let word = |at: usize| Some(half(at)? | half(at + 2)? << 16);
        let sector = half(11)?;
        if !matches!(sector, 512 | 1024 | 2048 | 4096) {
            return None;
        }
        let table = match half(22)? {
            0 => word(36)?,
            short => short,
        };
        let cluster = byte(13)?.checked_mul(sector).filter(|bytes| *bytes > 0)?;
        let root_length = half(17)?.checked_mul(32)?.next_multiple_of(sector);
        let tables = byte(16)?.checked_mul(table)?;
        let before = half(14)?.checked_add(tables)?.checked_mul(sector)?;
        Some(Volume {
            sector,
            cluster,
            data: before.checked_add(root_length)?,
            root_length,
            root_cluster: u32::try_from(word(44)?).ok()?,
            length,
        })
    }

    /// Where the root directory begins.
    fn root(&self) -> u64 {
        let fixed = self.data.saturating_sub(self.root_length);
        match self.root_length {
            0 => self.cluster(self.root_cluster).unwrap_or(self.length),
            _ => fixed,
        }
    }

    /// Where a cluster begins, if it is on the volume.
    fn cluster(&self, number: u32) -> Option<u64> {
        let index = u64::from(number.checked_sub(2)?);
        let at = self.data.checked_add(index.checked_mul(self.cluster)?)?;
        let end = at.checked_add(self.cluster)?;
        (end <= self.length).then_some(at)
    }

    /// Finds a directory in the first sector of the one at `folder`: those that
    /// `disk create` makes are there.
    fn entry<M: Medium>(&self, esp: &M, folder: u64, name: &Name) -> Result<Option<Entry>> {
        let mut sector = [0; 512];
        esp.read_at(folder, &mut sector).map_err(unread)?;
        let found = sector.chunks_exact(ENTRY).zip((folder..).step_by(ENTRY));
        let named = |entry: &[u8]| {
            let attributes = entry.get(ATTRIBUTES).copied().unwrap_or_default();
            entry.starts_with(name) && attributes != LONG_NAME && attributes & DIRECTORY != 0
        };
        let mut found = found.filter(|(entry, _)| named(entry));
        Ok(found.next().map(|(entry, at)| Entry {
            at,
            cluster: cluster_of(entry),
        }))
    }
}

fn cluster_of(entry: &[u8]) -> u32 {
    let half = |at: usize| match entry.get(at..at + 2) {
        Some([low, high]) => u32::from(u16::from_le_bytes([*low, *high])),
        _ => 0,
    };
    half(CLUSTER_LOW) | half(CLUSTER_HIGH) << 16
}

fn none() -> Error {
    Error::new(
        Code::NoSparePlace,
        "the ESP has no second place for a bootshim",
    )
    .expected("expected EFI/BOOT and EFI/SPARE as `slotctl disk create` makes them")
}

fn unread(fault: Fault) -> Error {
    Error::fault("reading the ESP", fault)
}
