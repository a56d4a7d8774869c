//! A place in a log: what is durable there, what is pending, and the disk that a cut
//! would leave.

use super::Error;
use super::cuts::{Left, Tear, Unflushed};
use super::log::{SECTOR, Write};
use super::rebuilt::{Before, Content, Patch, Rebuilt};
use super::region::Region;
use bootshim::medium::{BLOCK, Medium};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// A write that no flush has followed yet.
#[derive(Debug)]
struct Pending {
    /// Its place among all writes of the log, from 1.
    number: usize,
    patch: Patch,
    region: Region,
    /// For each block the hash of what is durable there, and of what was
    /// written.
    hashes: Vec<(u128, u128)>,
    unflushed: Unflushed,
}

/// A place in a log.
#[derive(Debug)]
pub struct Position {
    durable: Rebuilt,
    /// The hash of each block that a durable write changed.
    hashes: HashMap<u64, u128>,
    pending: Vec<Pending>,
}

impl Position {
    /// Before the first write.
    #[must_use]
    pub fn new(before: Arc<Before>) -> Position {
        Position {
            durable: Rebuilt::new(before, Vec::new(), Content::default()),
            hashes: HashMap::new(),
            pending: Vec::new(),
        }
    }

    /// The disk with all that is durable, and nothing else.
    #[must_use]
    pub fn durable(&self) -> &Rebuilt {
        &self.durable
    }

    /// The pending writes, in the order in which they were made.
    #[must_use]
    pub fn pending(&self) -> Vec<Unflushed> {
        let writes = self.pending.iter().map(|write| write.unflushed.clone());
        writes.collect()
    }

    /// Whether a write to `region` is pending.
    #[must_use]
    pub fn is_pending(&self, region: Region) -> bool {
        self.pending.iter().any(|write| write.region == region)
    }

    /// The pending writes in words.
    #[must_use]
    pub fn describe(&self) -> String {
        let words = self.pending.iter().enumerate().map(|(index, write)| {
            let (number, region) = (write.number, write.region);
            format!("{index} is write {number} of the log, to {region}")
        });
        words.collect::<Vec<_>>().join("; ")
    }

    /// A write to the record or a slot was made; `number` is its place in the
    /// log.
    pub fn write(&mut self, number: usize, region: Region, write: &Write) -> Result<(), Error> {
        let patch = Patch::new(write.offset, Arc::clone(&write.data));
        let (offset, length) = (write.offset, write.data.len());
        if !offset.is_multiple_of(BLOCK) || !length.is_multiple_of(BLOCK_LEN) {
            return Err(Error::Crooked {
                region,
                offset,
                length,
            });
        }
        let mut hashes = Vec::new();
        for (offset, block) in blocks(&patch) {
            if self
                .pending
                .iter()
                .any(|before| covers(&before.patch, offset))
            {
                return Err(Error::Twice { region, offset });
            }
            hashes.push((self.durable_hash(offset)?, hash(offset, block)));
        }
        let mut old = vec![0; length];
        self.read_durable(offset, &mut old)?;
        let unflushed = Unflushed::new(&old, patch.bytes());
        self.pending.push(Pending {
            number,
            patch,
            region,
            hashes,
            unflushed,
        });
        Ok(())
    }

    /// A flush has made every pending write durable; with `only_last`, the last
    /// of them was durable by itself.
    pub fn flush(&mut self, only_last: bool) {
        let from = if only_last {
            self.pending.len().saturating_sub(1)
        } else {
            0
        };
        let (mut patches, mut content) = (self.durable.patches().to_vec(), *self.durable.content());
        for write in self.pending.drain(from..) {
            for ((offset, _), (old, new)) in blocks(&write.patch).zip(write.hashes) {
                content.change(write.region, old ^ new);
                self.hashes.insert(offset, new);
            }
            patches.push(write.patch);
        }
        self.durable = Rebuilt::new(self.durable.shared(), patches, content);
    }

    /// The disk that a cut here leaves, of which `left` of the pending writes
    /// reached it.
    pub fn rebuild(&self, left: &Left) -> Result<Rebuilt, Error> {
        let (mut patches, mut content) = (self.durable.patches().to_vec(), *self.durable.content());
        for write in left
            .whole
            .iter()
            .filter_map(|index| self.pending.get(*index))
        {
            for (old, new) in &write.hashes {
                content.change(write.region, old ^ new);
            }
            patches.push(write.patch.clone());
        }
        let torn = left.torn.as_ref();
        let torn = torn.and_then(|(index, tear)| Some((self.pending.get(*index)?, tear)));
        if let Some((write, tear)) = torn {
            let parts = tear_apart(&write.patch, tear);
            content.change(write.region, self.torn_change(write, tear, &parts)?);
            patches.extend(parts);
        }
        Ok(Rebuilt::new(self.durable.shared(), patches, content))
    }

    /// How the hashes of a torn write's blocks change.
    fn torn_change(&self, write: &Pending, tear: &Tear, parts: &[Patch]) -> Result<u128, Error> {
        let length = write.patch.bytes().len();
        let lost = match tear {
            Tear::Missing(bytes) => bytes.clone(),
            Tear::Inside { at, .. } => *at..length,
        };
        let mut change = 0;
        let begins = (0..length).step_by(BLOCK_LEN);
        for ((begin, (offset, _)), (old, new)) in
            begins.zip(blocks(&write.patch)).zip(&write.hashes)
        {
            let end = begin.saturating_add(BLOCK_LEN);
            if lost.end <= begin || lost.start >= end {
                change ^= old ^ new;
            } else if lost.start > begin || lost.end < end {
                let mut block = [0; BLOCK_LEN];
                self.read_durable(offset, &mut block)?;
                parts.iter().for_each(|part| part.lay(offset, &mut block));
                change ^= old ^ hash(offset, &block);
            }
        }
        Ok(change)
    }

    fn durable_hash(&self, offset: u64) -> Result<u128, Error> {
        if let Some(known) = self.hashes.get(&offset) {
            return Ok(*known);
        }
        let mut block = [0; BLOCK_LEN];
        self.read_durable(offset, &mut block)?;
        Ok(hash(offset, &block))
    }

    fn read_durable(&self, offset: u64, block: &mut [u8]) -> Result<(), Error> {
        self.durable.read_at(offset, block).map_err(Error::Read)
    }
}

const BLOCK_LEN: usize = 4096;

/// Each block of a patch with its place on the disk.
fn blocks(patch: &Patch) -> impl Iterator<Item = (u64, &[u8])> {
    let step = usize::try_from(BLOCK).unwrap_or(BLOCK_LEN);
    (patch.offset()..)
        .step_by(step)
        .zip(patch.bytes().chunks(step))
}

fn covers(patch: &Patch, offset: u64) -> bool {
    let length = u64::try_from(patch.bytes().len()).unwrap_or(u64::MAX);
    offset >= patch.offset() && offset < patch.offset().saturating_add(length)
}

fn hash(offset: u64, block: &[u8]) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&offset.to_le_bytes()).update(block);
    let mut half = [0; 16];
    hasher.finalize_xof().fill(&mut half);
    u128::from_le_bytes(half)
}

/// What of a torn write reached the disk.
fn tear_apart(patch: &Patch, tear: &Tear) -> Vec<Patch> {
    let length = patch.bytes().len();
    match tear {
        Tear::Missing(Range { start, end }) => {
            vec![patch.part(0..*start), patch.part(*end..length)]
        }
        Tear::Inside { at, zero } => {
            let written = patch.part(0..*at);
            if !zero {
                return vec![written];
            }
            let sector = usize::try_from(SECTOR).unwrap_or(BLOCK_LEN);
            let tail = vec![0; at.next_multiple_of(sector).saturating_sub(*at)];
            let place = patch.part(*at..length).offset();
            vec![written, Patch::new(place, tail.into())]
        }
    }
}
