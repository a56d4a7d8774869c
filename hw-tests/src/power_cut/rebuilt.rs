//! A disk as a power cut left it: what it was before, and what reached it since.

use super::Error;
use bootshim::layout::Layout;
use bootshim::medium::{Access, Cause, Fault, Medium, check_range};
use bootshim::record::{MAX_SLOTS, SlotId};
use controller::disk::Disk;
use images::trust::Trust;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::region::Region;

/// The disk before the first write.
#[derive(Debug)]
pub struct Before {
    file: File,
    len: u64,
    layout: Layout,
    trusted: Trust,
}

impl Before {
    /// Opens a disk image that nothing changes any more.
    pub fn open(path: &Path) -> Result<Before, Error> {
        let disk = Disk::open(path).map_err(Error::Disk)?;
        let trusted = controller::trust::keys(&disk).map_err(Error::Disk)?;
        let whole = disk.whole().map_err(Error::Disk)?;
        let failed = crate::machine::Error::host(path.display().to_string());
        Ok(Before {
            file: File::open(path).map_err(failed)?,
            len: whole.len(),
            layout: disk.layout().clone(),
            trusted,
        })
    }

    /// Its partitions.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The keys that its bootshim trusts.
    #[must_use]
    pub fn trusted(&self) -> &Trust {
        &self.trusted
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), Fault> {
        self.file.read_exact_at(buf, offset).map_err(|error| Fault {
            access: Access::Read,
            offset,
            length: u64::try_from(buf.len()).unwrap_or(u64::MAX),
            cause: Cause::Device(error.raw_os_error().unwrap_or_default()),
        })
    }
}

/// Bytes that reached the disk.
#[derive(Clone, Debug)]
pub struct Patch {
    offset: u64,
    data: Arc<[u8]>,
    range: Range<usize>,
}

impl Patch {
    /// All of `data`, at `offset`.
    #[must_use]
    pub fn new(offset: u64, data: Arc<[u8]>) -> Patch {
        let range = 0..data.len();
        Patch {
            offset,
            data,
            range,
        }
    }

    /// Only these of its bytes.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Patch {
        let (offset, data) = (self.offset, Arc::clone(&self.data));
        Patch {
            offset,
            data,
            range,
        }
    }

    /// Where on the disk its first byte lies.
    #[must_use]
    pub fn offset(&self) -> u64 {
        let skipped = u64::try_from(self.range.start).unwrap_or(u64::MAX);
        self.offset.saturating_add(skipped)
    }

    /// What it holds.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.data.get(self.range.clone()).unwrap_or_default()
    }

    /// Puts what it holds of the range from `offset` on into `buf`.
    pub fn lay(&self, offset: u64, buf: &mut [u8]) {
        let (start, bytes) = (self.offset(), self.bytes());
        let skip = |from: u64, to: u64| usize::try_from(to.saturating_sub(from)).ok();
        let into = skip(offset, start).and_then(|skip| buf.get_mut(skip..));
        let from = skip(start, offset).and_then(|skip| bytes.get(skip..));
        let (Some(into), Some(from)) = (into, from) else {
            return;
        };
        let both = into.len().min(from.len());
        if let (Some(into), Some(from)) = (into.get_mut(..both), from.get(..both)) {
            into.copy_from_slice(from);
        }
    }
}

/// What tells the contents of two disks with the same past apart: for the record
/// and each slot, a sum of hashes of what differs from before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Content {
    record: u128,
    slots: [u128; MAX_SLOTS],
}

impl Content {
    /// Adds to one region that the hash of a block changed.
    pub fn change(&mut self, region: Region, delta: u128) {
        let sum = match region {
            Region::Record => Some(&mut self.record),
            Region::Slot(slot) => self.slots.get_mut(slot.index()),
            Region::Esp | Region::Data | Region::Table => None,
        };
        if let Some(sum) = sum {
            *sum ^= delta;
        }
    }

    /// That of one slot.
    #[must_use]
    pub fn slot(&self, slot: SlotId) -> u128 {
        self.slots.get(slot.index()).copied().unwrap_or_default()
    }
}

/// A disk that a cut left; nothing but reading is possible.
#[derive(Clone, Debug)]
pub struct Rebuilt {
    before: Arc<Before>,
    patches: Vec<Patch>,
    content: Content,
}

impl Rebuilt {
    /// `before` with all of `patches`, later ones over earlier ones; `content`
    /// tells it from others.
    #[must_use]
    pub fn new(before: Arc<Before>, patches: Vec<Patch>, content: Content) -> Rebuilt {
        Rebuilt {
            before,
            patches,
            content,
        }
    }

    /// The disk before.
    #[must_use]
    pub fn before(&self) -> &Before {
        &self.before
    }

    /// The same, to be shared.
    #[must_use]
    pub fn shared(&self) -> Arc<Before> {
        Arc::clone(&self.before)
    }

    /// What reached it since.
    #[must_use]
    pub fn patches(&self) -> &[Patch] {
        &self.patches
    }

    /// What tells it from others.
    #[must_use]
    pub fn content(&self) -> &Content {
        &self.content
    }
}

impl Medium for Rebuilt {
    fn len(&self) -> u64 {
        self.before.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Fault> {
        check_range(Access::Read, offset, buf.len(), self.len())?;
        self.before.read(offset, buf)?;
        self.patches.iter().for_each(|patch| patch.lay(offset, buf));
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Fault> {
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        Err(Fault {
            access: Access::Write,
            offset,
            length,
            cause: Cause::OutOfRange,
        })
    }

    fn flush(&self) -> Result<(), Fault> {
        Ok(())
    }
}
