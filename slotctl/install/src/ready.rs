//! What a slot keeps on the data partition, made ready and flushed before the record says
//! that it starts: a flip to what is not there would be found out with production down. A
//! cut before the flip leaves a directory that no record names; the next start of a good
//! slot takes it away.

use bootshim::record::{MINOR_ACTIVATIONS, Record, SlotId};
use bootshim::state::{self, Next};
use controller::code::Code;
use controller::disk::Disk;
use controller::error::{Error, Result};
use controller::progress::Progress;
use controller::verity::SpareRoot;
use images::manifest::Manifest;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};
use slotctl_state::activation::Activation;
use slotctl_state::declared::Declared;
use slotctl_state::partition::{DATA, Partition};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The file systems that a root may have.
const FILE_SYSTEMS: [&str; 3] = ["erofs", "squashfs", "ext4"];

/// The trial that a flip begins can find its state; only this gives it a number.
pub(crate) struct Ready(Option<Activation>);

impl Ready {
    /// Makes ready what `flip`, which follows `before`, chooses for `slot`. The system that
    /// runs has mounted its data partition where it is of this disk and keeps state; on
    /// another disk, and where its root cannot be looked into here, the slot makes ready at
    /// its start what it needs.
    ///
    /// # Errors
    /// A declaration with a mistake, an image that is too old for what there is, no room.
    pub(crate) fn make(
        disk: &Disk,
        (before, flip): (&Record, &Next),
        slot: SlotId,
        manifest: impl FnOnce() -> Result<Manifest>,
        progress: &dyn Progress,
    ) -> Result<Ready> {
        let Some(now) = Activation::of(before, slot) else {
            return Ok(Ready(None));
        };
        if !state::begins(before, flip, slot) || !numbers(disk, before) {
            return Ok(Ready(None));
        }
        let data = Path::new(DATA);
        if disk.handover().is_none() || !data.join("state").is_dir() {
            return Ok(Ready(now.after(|_| false)));
        }
        let partition = Partition::at(data);
        let unprepared = || Ready(now.after(|next| partition.has(next)));
        let image = match manifest().and_then(|manifest| Image::open(disk, slot, &manifest)) {
            Ok(image) => image,
            Err(error) => {
                let later = "what it keeps is made ready when it starts";
                progress.say(&format!("slot {slot}: {error}; {later}"));
                return Ok(unprepared());
            }
        };
        let Some(declared) = Declared::read(image.root())? else {
            return Ok(unprepared());
        };
        let others = before.good().into_iter().filter(|good| *good != slot);
        let last_good = others
            .filter_map(|good| Activation::of(before, good))
            .next();
        partition
            .prepare(&declared, &now, last_good.as_ref(), image.root())
            .map(|next| Ready(Some(next)))
    }

    /// The flip with the number.
    pub(crate) fn number(&self, before: &Record, flip: Next) -> Next {
        match self.0 {
            Some(Activation { slot, number, .. }) => state::number(before, flip, slot, number),
            None => flip,
        }
    }
}

/// Whether the record may have numbers: where it has none yet, the bootshim on the ESP has
/// to know of them.
fn numbers(disk: &Disk, record: &Record) -> bool {
    record.minor >= MINOR_ACTIVATIONS || disk.bootshim_reads(MINOR_ACTIVATIONS)
}

/// The root of a slot that does not run, mounted nowhere: it goes with this process.
struct Image {
    root: PathBuf,
    /// Before the device: dropped in this order.
    _mount: OwnedFd,
    _device: SpareRoot,
}

impl Image {
    fn open(disk: &Disk, slot: SlotId, manifest: &Manifest) -> Result<Image> {
        let device = SpareRoot::open(disk, slot, manifest)?;
        let mut kinds = FILE_SYSTEMS.into_iter();
        let mount = kinds.find_map(|kind| mount(device.node(), kind).ok());
        let mount = mount.ok_or_else(|| {
            let found = format!("the kernel mounts {} as none", device.node().display());
            Error::new(Code::Io, found).expected(format!("of {}", FILE_SYSTEMS.join(", ")))
        })?;
        Ok(Image {
            root: PathBuf::from(format!("/proc/self/fd/{}", mount.as_raw_fd())),
            _mount: mount,
            _device: device,
        })
    }

    fn root(&self) -> &Path {
        &self.root
    }
}

/// Read-only, and nothing in it runs.
fn mount(device: &Path, kind: &str) -> rustix::io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, "source", device)?;
    fsconfig_set_flag(&context, "ro")?;
    fsconfig_create(&context)?;
    let flags = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, flags)
}
