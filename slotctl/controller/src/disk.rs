//! A controller's disk: a block device, a disk image file, which needs no root,
//! or any other medium.

mod block;
mod booted;
mod search;
mod unread;

pub use booted::ROOT;
pub use search::ASK;
pub use search::Search;

use crate::code::Code;
use crate::error::{Error, Result};
use crate::esp;
use crate::lock::{self, Lock, What};
use crate::medium::{FileMedium, Mode};
use bootshim::copies::{CommitError, Durable, Note, Store};
use bootshim::gpt::{self, Cut, Gpt, GptError, Invalid, Partition, ReadFrom};
use bootshim::handover::Handover;
use bootshim::layout::{Layout, LayoutError};
use bootshim::medium::{Extent, Medium, Window};
use bootshim::record::{Record, SlotId};
use bootshim::state::{self, Next};
use std::fmt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a disk can be made of: a medium that several threads read and write.
pub trait Device: Medium + Send + Sync + fmt::Debug {}

impl<M: Medium + Send + Sync + fmt::Debug> Device for M {}

/// A partition of a disk, as a medium of its own.
pub type Slice = Window<Arc<dyn Device>>;

/// How the bytes of a disk are reached.
#[derive(Debug)]
enum Access {
    /// Through the partition nodes of a block device.
    Block,
    /// In a disk image file.
    File,
    /// On a medium that is ours alone.
    Medium(Arc<dyn Device>),
}

/// A disk whose table and layout were read and are those of a controller.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    access: Access,
    table: Gpt,
    layout: Layout,
    handover: Option<Handover>,
    /// The other disks that were asked whether they are this one, and did not answer.
    silent: Vec<PathBuf>,
}

impl Disk {
    /// Opens the disk that a person named.
    pub fn open(path: &Path) -> Result<Disk> {
        let failed = |error| Error::io(format_args!("opening {}", path.display()), &error);
        let kind = std::fs::metadata(path).map_err(failed)?.file_type();
        if !kind.is_block_device() && !kind.is_file() {
            let found = format!("{} is neither a block device nor a file", path.display());
            return Err(Error::new(Code::NotADisk, found));
        }
        let access = if kind.is_block_device() {
            Access::Block
        } else {
            Access::File
        };
        let handover = booted::handover().filter(|_| kind.is_block_device());
        let whole = FileMedium::open(path, Mode::Read)?;
        Disk::read(path.into(), access, &whole, handover)
    }

    /// The disk on a medium that nobody else touches, for one that is no file:
    /// the simulator's, or one that fails where a test wants it to. `handover`
    /// is what bootshim gave to the system that runs from it.
    pub fn on(medium: Arc<dyn Device>, handover: Option<Handover>) -> Result<Disk> {
        let access = Access::Medium(Arc::clone(&medium));
        Disk::read("the medium".into(), access, &medium, handover)
    }

    fn read<M: Medium>(
        path: PathBuf,
        access: Access,
        whole: &M,
        handover: Option<Handover>,
    ) -> Result<Disk> {
        let table = read_table(&path, whole)?;
        let layout = find_layout(&path, &table)?;
        let handover = handover.filter(|handover| handover.disk == layout.record.id);
        Ok(Disk {
            path,
            access,
            table,
            layout,
            handover,
            silent: Vec::new(),
        })
    }

    /// Opens the disk that a person named, or else the one this controller
    /// booted from.
    ///
    /// # Errors
    /// As [`Disk::open`]; and when this system was not started by bootshim.
    pub fn open_or_booted(path: Option<&Path>) -> Result<Disk> {
        Search::begin(path)?.wait()
    }

    /// What a person calls it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its partition table.
    pub fn table(&self) -> &Gpt {
        &self.table
    }

    /// Its partitions.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What a person should know before trusting it: that its primary partition
    /// table is damaged, that its end is missing, or that a copy of it may be here.
    pub fn warnings(&self) -> Vec<String> {
        let path = self.path.display();
        let damaged = match self.table.read_from {
            ReadFrom::Primary => None,
            ReadFrom::Backup(why) => Some(format!(
                "the primary GPT of {path} does not count ({why}); the backup at its end serves"
            )),
        };
        let cut = self.table.cut.map(|cut| {
            let beyond = self.table.partitions.iter().filter(|p| !self.table.holds(p));
            let names: Vec<String> = beyond.map(|p| format!("{:?}", p.name)).collect();
            let beyond = match names.is_empty() {
                true => "nothing but the backup of the table".into(),
                false => names.join(", "),
            };
            format!("{path}: {cut}; beyond its end: {beyond}; what lies whole on it serves, the rest is not written (does the firmware hide the end of it?)")
        });
        let all = damaged.into_iter().chain(cut);
        all.chain(self.unasked()).collect()
    }

    /// What is wrong with the disk and stops nothing yet: what a boot does without,
    /// until something else breaks, or until another system looks at it.
    pub fn blemishes(&self) -> Result<Vec<String>> {
        let (whole, path) = (self.whole()?, self.path.display());
        let unread = |fault| Error::fault(format_args!("{path}: reading the GPT"), fault);
        let mut found = Vec::new();
        if !gpt::has_protective_mbr(&whole).map_err(unread)? {
            found.push(format!(
                "{path} has no protective MBR, without which firmware may not see the partitions; `sgdisk -e {path}` writes one"
            ));
        }
        if self.table.read_from == ReadFrom::Primary
            && let Err(why) = gpt::check_backup(&whole, &self.table)
        {
            found.push(format!(
                "the backup of the GPT at the end of {path} does not count: {why}; `sgdisk -e {path}` writes it anew"
            ));
        }
        Ok(found)
    }

    /// That disks here did not answer when they were asked whether they are a copy of
    /// this one: of two nobody could say which one runs.
    pub fn unasked(&self) -> Option<String> {
        let said = || {
            format!(
                "{}; it may be a copy of this one",
                search::silence(&self.silent)
            )
        };
        (!self.silent.is_empty()).then(said)
    }

    /// What bootshim handed over, where this controller runs from this disk.
    pub fn handover(&self) -> Option<&Handover> {
        self.handover.as_ref()
    }

    /// The slot that runs: where the controller booted from this disk, and the
    /// slot still holds the image that was started.
    pub fn running(&self, record: &Record) -> Option<SlotId> {
        let handover = self.handover?;
        let same = record.slot(handover.slot).manifest == handover.manifest;
        same.then_some(handover.slot)
    }

    /// The partition of the boot record.
    pub fn record(&self, mode: Mode) -> Result<Slice> {
        self.partition(&self.layout.record, mode)
    }

    /// The EFI system partition.
    pub fn esp(&self, mode: Mode) -> Result<Slice> {
        let esp = self.layout.esp.as_ref().ok_or_else(|| {
            let found = "the disk has no EFI system partition";
            Error::new(Code::NoEsp, found)
        })?;
        self.partition(esp, mode)
    }

    /// The partition of a slot.
    pub fn slot(&self, slot: SlotId, mode: Mode) -> Result<Slice> {
        let partition = self.layout.slot(slot).ok_or_else(|| {
            let found = format!("{} has no slot {slot}", self.path.display());
            Error::new(Code::UnknownSlot, found).advice("`slotctl status` lists the slots")
        })?;
        self.partition(partition, mode)
    }

    /// The node of the partition of a slot, for the kernel to read from.
    pub fn slot_node(&self, slot: SlotId) -> Result<PathBuf> {
        match (&self.access, self.layout.slot(slot)) {
            (Access::Block, Some(partition)) => block::partition_node(&self.path, partition),
            _ => {
                let found = format!("{} has no node of slot {slot}", self.path.display());
                Err(Error::new(Code::NoSlotNode, found))
            }
        }
    }

    /// The node of the data partition, for the kernel to mount.
    pub fn data_node(&self) -> Result<PathBuf> {
        match (&self.access, &self.layout.data) {
            (Access::Block, Some(partition)) => block::partition_node(&self.path, partition),
            _ => {
                let found = format!("{} has no data partition", self.path.display());
                Err(Error::new(Code::NoPartitionNode, found)
                    .advice("`slotctl disk show` lists the partitions"))
            }
        }
    }

    /// All of it, for reading.
    pub fn whole(&self) -> Result<Arc<dyn Device>> {
        match &self.access {
            Access::Medium(medium) => Ok(Arc::clone(medium)),
            Access::Block | Access::File => Ok(Arc::new(FileMedium::open(&self.path, Mode::Read)?)),
        }
    }

    /// Takes a lock of this disk. That of an install is busy at once where another process
    /// holds it; that of the record is waited for, since a commit is short.
    pub fn lock(&self, what: What) -> Result<Option<Lock>> {
        match &self.access {
            Access::Medium(_) => Ok(None),
            Access::Block | Access::File => Lock::take(&self.path, what).map(Some),
        }
    }

    fn partition(&self, partition: &Partition, mode: Mode) -> Result<Slice> {
        if let Some(cut) = self.table.cut.filter(|_| !self.table.holds(partition)) {
            // As bootshim reads it: the kernel has no node for it, or a shorter one.
            return match mode {
                Mode::Read => Ok(Window::new(self.whole()?, partition.extent)),
                Mode::Write | Mode::WriteExclusive => Err(self.beyond(partition, cut)),
            };
        }
        if mode != Mode::Read && !matches!(self.access, Access::Medium(_)) {
            lock::refuse_locked(&self.path)?;
        }
        match &self.access {
            Access::Medium(medium) => Ok(Window::new(Arc::clone(medium), partition.extent)),
            Access::File => self.partition_in_file(partition, mode),
            Access::Block => self.partition_node(partition, mode),
        }
    }

    /// Refuses what does not lie whole on the disk.
    pub fn check_whole(&self, slot: SlotId) -> Result<()> {
        match (self.table.cut, self.layout.slot(slot)) {
            (Some(cut), Some(partition)) if !self.table.holds(partition) => {
                Err(self.beyond(partition, cut))
            }
            _ => Ok(()),
        }
    }

    fn beyond(&self, partition: &Partition, cut: Cut) -> Error {
        let (path, name) = (self.path.display(), &partition.name);
        let found = format!("{path}: {cut}, and {name} does not lie whole on it");
        Error::new(Code::BeyondDisk, found)
            .advice("have the firmware show the whole disk, or name a slot that lies on it (`slotctl disk show`)")
            .changed("nothing was written")
    }

    fn partition_in_file(&self, partition: &Partition, mode: Mode) -> Result<Slice> {
        if mode == Mode::WriteExclusive {
            block::refuse_mounted_image(&self.path)?;
        }
        // Exclusive opening is for block devices; a file has its lock.
        let mode = if mode == Mode::Read {
            Mode::Read
        } else {
            Mode::Write
        };
        let file = FileMedium::open(&self.path, mode)?;
        Ok(Window::new(Arc::new(file), partition.extent))
    }

    fn partition_node(&self, partition: &Partition, mode: Mode) -> Result<Slice> {
        let node = block::partition_node(&self.path, partition)?;
        if mode == Mode::WriteExclusive {
            block::let_automount_go(&node);
            block::refuse_mounted(&node)?;
        }
        let device = FileMedium::open(&node, mode)?;
        let extent = Extent {
            start: 0,
            len: device.len(),
        };
        if extent.len != partition.extent.len {
            return Err(block::stale(&node));
        }
        Ok(Window::new(Arc::new(device), extent))
    }

    /// Whether the bootshim on the ESP reads a minor number of the boot record: nobody
    /// writes a newer format than it reads.
    pub fn bootshim_reads(&self, minor: u16) -> bool {
        let program = self.whole();
        let program = program.and_then(|whole| esp::read_program(whole, &self.layout));
        program.is_ok_and(|program| program.trust().record_minor >= minor)
    }

    /// Reads the boot record.
    ///
    /// # Errors
    /// The operating system's; what is in the copies is for the caller to judge.
    pub fn store(&self) -> Result<Store<Slice>> {
        Ok(Store::open(self.record(Mode::Read)?, self.layout.record.id))
    }

    /// The record that counts.
    ///
    /// # Errors
    /// When no copy is valid, or it is of another disk layout.
    pub fn read_record(&self) -> Result<(Record, Note)> {
        let store = self.store()?;
        let note = store.note();
        self.checked(&store).map(|record| (record, note))
    }

    /// The record that counts, where a commit that follows it is possible.
    pub fn record_to_change(&self) -> Result<Record> {
        self.changeable(&self.store()?)
    }

    fn changeable(&self, store: &Store<Slice>) -> Result<Record> {
        match store.unknown_major() {
            Some(major) => Err(CommitError::UnknownMajor(major).into()),
            None => self.checked(store),
        }
    }

    fn checked(&self, store: &Store<Slice>) -> Result<Record> {
        let unread = || store.copies().iter().find_map(unread::copy);
        let lost = || unread().unwrap_or_else(|| CommitError::NoRecord.into());
        let record = store.record().ok_or_else(lost)?;
        let (has, disk) = (record.ids().count(), self.layout.slots.len());
        if has != disk {
            let found = format!("the boot record has {has} slots, the disk {disk}");
            return Err(Error::new(Code::RecordMismatch, found));
        }
        Ok(record.clone())
    }

    /// Changes the record in one durable commit. The record is read again under
    /// its lock, and `change` says what it becomes; where that is what it was,
    /// nothing is written, and what there is is made sure to be durable.
    pub fn update(
        &self,
        change: impl FnOnce(&Record, Note) -> Result<(Next, Note)>,
    ) -> Result<Committed> {
        let _lock = self.lock(What::Record)?;
        let mut store = Store::open(self.record(Mode::Write)?, self.layout.record.id);
        let before = self.changeable(&store)?;
        let (after, note) = change(&before, store.note())
            .map_err(|error| unread::pair(store.copies()).unwrap_or(error))?;
        let changed = after != before || note != store.note();
        let durable = if changed {
            store.commit(after, note)?
        } else {
            store.complete()?
        };
        Ok(Committed {
            before,
            durable,
            changed,
        })
    }

    /// Makes the factory's own image good, on all four copies of the record, so
    /// that none of them remembers a time without a good slot.
    ///
    /// # Errors
    /// Refused unless the slot is ready and none is good; what the commit says.
    pub fn provision(&self, slot: SlotId) -> Result<Durable> {
        let _lock = self.lock(What::Record)?;
        let mut store = Store::open(self.record(Mode::Write)?, self.layout.record.id);
        let good = state::provision(&self.changeable(&store)?, slot)?;
        Ok(store.commit_everywhere(good, Note::default())?)
    }
}

/// A record that is durable, and what it was before.
#[derive(Debug)]
pub struct Committed {
    /// The record before.
    pub before: Record,
    /// The record now, durable.
    pub durable: Durable,
    /// Whether anything was written.
    pub changed: bool,
}

fn read_table<M: Medium>(path: &Path, whole: &M) -> Result<Gpt> {
    gpt::read_any_sector(whole).map_err(|error| {
        let found = format!("{}: {error}", path.display());
        match error {
            GptError::NoTable {
                primary: Invalid::Unreadable(fault),
                backup: Invalid::Unreadable(_),
            } => Error::fault(format_args!("{}: reading the GPT", path.display()), fault),
            GptError::NoTable { .. } => refused(Code::NotGpt, found, &error.mend()),
            GptError::Range(_) => refused(Code::BadGpt, found, &error.mend()),
        }
        .changed("nothing was written")
    })
}

fn find_layout(path: &Path, table: &Gpt) -> Result<Layout> {
    Layout::find(table).map_err(|error| {
        let code = match error {
            LayoutError::Overlap(..) | LayoutError::SameGuid(..) => Code::BadGpt,
            _ => Code::NotAController,
        };
        let found = format!("{}: {error}", path.display());
        refused(code, found, &error.mend()).changed("nothing was written")
    })
}

/// A disk that cannot be taken for that of a controller, and what mends it.
fn refused(code: Code, found: String, mend: &str) -> Error {
    Error::new(code, found).advice(format!(
        "name the whole disk of a controller; to mend this one, {mend}"
    ))
}
