//! The root of the slot that was started, opened through dm-verity in the
//! initramfs: nothing is mounted but through the tree that the manifest binds.
//!
//! Whom to believe comes from bootshim alone: it has verified the manifest, and its
//! digest is on the kernel's command line. The disk is not believed again.

mod start;
mod verity;

use crate::device_mapper::DeviceMapper;
use crate::disk::{Disk, Slice};
use crate::error::{Error, Exit, Result};
use crate::medium::{Aligned, FileMedium, Mode};
use crate::running::Running;
use bootshim::handover::Handover;
use bootshim::medium::Medium;
use bootshim::record::SlotId;
use images::SLOT_AREA_LEN;
use images::manifest::Manifest;
use images::slot_area;
use nix::sys::reboot::{RebootMode, reboot};
use start::Start;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use verity::OnDamage;

/// The name of the device: `/dev/mapper/slotctl-root`.
pub const NAME: &str = "slotctl-root";

/// How long disk and partitions may take to appear.
const PATIENCE: Duration = Duration::from_secs(60);
/// Nothing tells when they do where there is no udev.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Bytes of a block of the root.
const BLOCK: usize = images::verity::BLOCK;
/// How much of it is read at once.
const STRETCH: usize = 1 << 20;

/// A root that can be mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The device.
    pub device: PathBuf,
    /// The slot.
    pub slot: SlotId,
    /// The version of its image.
    pub version: String,
    /// What a block does that is found to be damaged later on.
    pub on_damage: &'static str,
    /// What a person should know.
    pub remarks: Vec<String>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It can be mounted.
    Opened(Opened),
    /// It is damaged; that is in the record, durable, and another slot starts next.
    Restart {
        /// What is damaged.
        why: String,
        /// What starts next.
        next: SlotId,
    },
}

/// Opens the root of the slot that was started.
///
/// # Errors
/// When disk, manifest or tree are not there or not what they should be; when a
/// trial is damaged and the record cannot say so. The machine must then not go on
/// with another root.
pub fn open() -> Result<Outcome> {
    let (disk, node) = wait_for_disk()?;
    let handover = disk.handover().ok_or_else(lost)?;
    let manifest = manifest(&disk.slot(handover.slot, Mode::Read)?, handover)?;
    let table = verity::table(&node, &manifest, OnDamage::Error)?;
    let mapper = DeviceMapper::open()?;
    let minor = mapper.make(NAME, &table)?;
    let mut opened = Opened {
        device: Path::new("/dev/mapper").join(NAME),
        slot: handover.slot,
        version: manifest.version.clone(),
        on_damage: OnDamage::Error.words(),
        remarks: Vec::new(),
    };
    let start = Start::of(&disk, handover, &manifest);
    let node = PathBuf::from(format!("/dev/dm-{minor}"));
    if let Some(why) = damage(&mapper, &node, start.reads_all())? {
        return report(&disk, handover, &start, why, opened).and_then(|out| named(minor, out));
    }
    // Only now, when nothing damaged was read and another slot would take over: until
    // here a panic would have kept the reason from the record.
    if start.may_panic() {
        let table = verity::table(&disk.slot_node(handover.slot)?, &manifest, OnDamage::Panic)?;
        match mapper.load(NAME, &table) {
            Ok(()) => opened.on_damage = OnDamage::Panic.words(),
            Err(error) => opened.remarks.push(error.to_string()),
        }
    }
    named(minor, Outcome::Opened(opened))
}

/// Restarts the machine at once: in the initramfs there is nothing to be stopped.
///
/// # Errors
/// The operating system's.
pub fn restart() -> Result<()> {
    match reboot(RebootMode::RB_AUTOBOOT) {
        Ok(never) => match never {},
        Err(errno) => Err(Error::io("restarting", &std::io::Error::from(errno))),
    }
}

/// The disk that this machine booted from, and the node of the slot, as soon as
/// their drivers have found them.
fn wait_for_disk() -> Result<(Disk, PathBuf)> {
    let begun = Instant::now();
    let find = || {
        let disk = Disk::open_or_booted(None)?;
        let slot = disk.handover().ok_or_else(lost)?.slot;
        let node = disk.slot_node(slot)?;
        Ok((disk, node))
    };
    loop {
        match find() {
            Err(error) if is_early(&error) && begun.elapsed() < PATIENCE => {
                std::thread::sleep(LOOK_AGAIN);
            }
            found => return found,
        }
    }
}

/// Whether an error is one that passes when the kernel has found all devices.
fn is_early(error: &Error) -> bool {
    ["disk-lost", "no-partition-node", "not-found"].contains(&error.code)
}

fn lost() -> Error {
    let found = "the disk is not the one that bootshim named";
    Error::new(Exit::Io, "disk-lost", found)
}

/// The manifest that bootshim verified, from the slot.
fn manifest(slot: &Slice, handover: &Handover) -> Result<Manifest> {
    let failed = |fault| Error::fault("reading the manifest", fault);
    let too_small = || Error::new(Exit::NotAuthentic, "not-intact", "the slot is too small");
    let at = bootshim::slot::area_offset(slot.len()).ok_or_else(too_small)?;
    let mut area = vec![0; SLOT_AREA_LEN];
    slot.read_at(at, &mut area).map_err(failed)?;
    Ok(slot_area::open_known(&area, &handover.manifest)?)
}

/// Gives the device its name, which libdevmapper or udev would do: the last act, so
/// that nobody mounts it before.
fn named(minor: u64, outcome: Outcome) -> Result<Outcome> {
    let Outcome::Opened(opened) = &outcome else {
        return Ok(outcome);
    };
    let path = &opened.device;
    let target = PathBuf::from(format!("../dm-{minor}"));
    let failed = |error| Error::io(format_args!("naming {}", path.display()), &error);
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => std::os::unix::fs::symlink(&target, path).map_err(failed)?,
    }
    Ok(outcome)
}

/// Reads the first block, or the whole root: what is damaged, where something is.
/// A wrong root hash shows at the first block.
///
/// # Errors
/// The device's own: one that does not answer is no judgement on the slot.
fn damage(mapper: &DeviceMapper, node: &Path, all: bool) -> Result<Option<String>> {
    let root = FileMedium::open(node, Mode::Read)?;
    let mut buffer = Aligned::new(STRETCH);
    let end = if all { root.len() } else { BLOCK as u64 };
    let mut at = 0_u64;
    while at < end {
        let length = usize::try_from(end - at).unwrap_or(STRETCH).min(STRETCH);
        if let Err(fault) = root.read_at(at, buffer.get(length)) {
            // The kernel gives one error for both; it says which one it was.
            if mapper.status(NAME)?.starts_with('C') {
                return Ok(Some(place(&root, at, length, &mut buffer)));
            }
            return Err(Error::fault("reading the root", fault));
        }
        at = at.saturating_add(length as u64);
    }
    Ok(None)
}

/// Which block of a stretch is damaged.
fn place(root: &FileMedium, start: u64, length: usize, buffer: &mut Aligned) -> String {
    let mut blocks = (start..start.saturating_add(length as u64)).step_by(BLOCK);
    let damaged = blocks.find(|at| root.read_at(*at, buffer.get(BLOCK)).is_err());
    let at = damaged.unwrap_or(start);
    format!("the root is damaged: the block at {at} is not the one that was signed")
}

/// Writes into the record what was found, before anything else happens: after a
/// power cut here the next start finds it again.
fn report(
    disk: &Disk,
    handover: &Handover,
    start: &Start,
    why: String,
    mut opened: Opened,
) -> Result<Outcome> {
    let slot = handover.slot;
    let next = match Running::new(disk, handover).damaged(&why) {
        Ok(done) => start::instead(done.durable.record(), slot),
        // A trial must not run, whatever the record says; a good slot may be all
        // that there is.
        Err(error) if !start.is_good() => return Err(error),
        Err(error) => {
            opened.remarks.push(error.to_string());
            None
        }
    };
    opened.remarks.push(why.clone());
    Ok(match next {
        Some(next) => Outcome::Restart { why, next },
        None => Outcome::Opened(opened),
    })
}
