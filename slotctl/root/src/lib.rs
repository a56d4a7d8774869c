//! The root of the slot that was started, opened through dm-verity in the
//! initramfs: nothing is mounted but through the tree that the manifest binds.
//!
//! Whom to believe comes from bootshim alone: it has verified the manifest, and its
//! digest is on the kernel's command line. The disk is not believed again.

#![forbid(unsafe_code)]

pub mod bind;
mod start;

use bootshim::handover::Handover;
use bootshim::medium::{Fault, Medium};
use bootshim::record::{Reason, SlotId};
use controller::code::Code;
use controller::disk::{Disk, ROOT as NAME, Search, Slice};
use controller::error::{Error, Result};
use controller::medium::{Aligned, FileMedium, Mode};
use controller::running::Running;
use controller::verity::{self, DeviceMapper, OnDamage};
use images::SLOT_AREA_LEN;
use images::manifest::Manifest;
use images::slot_area;
use nix::sys::reboot::{RebootMode, reboot};
use start::Start;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

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
    /// It is damaged, or cannot be read; that is in the record, durable, and another
    /// slot starts next.
    Restart {
        /// What is wrong with it.
        why: String,
        /// What starts next.
        next: SlotId,
    },
}

/// Opens the root of the slot that was started.
///
/// # Errors
/// When disk, manifest or tree are not there or not what they should be; when a
/// trial is damaged and the record cannot say so, or its device does not answer; when
/// that of a good slot does not from the begin on, and nothing else starts. The machine
/// must then not go on with another root.
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
        remarks: disk.unasked().into_iter().collect(),
    };
    let start = Start::of(&disk, handover, &manifest);
    let node = PathBuf::from(format!("/dev/dm-{minor}"));
    if let Some(flaw) = flaw(&mapper, &node, start.reads_all())? {
        return report(&disk, handover, &start, flaw, opened).and_then(|out| named(minor, out));
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
    let mut search = Search::begin(None)?;
    let mut find = || {
        let Some(disk) = search.look()? else {
            return Ok(None);
        };
        let slot = disk.handover().ok_or_else(lost)?.slot;
        let node = disk.slot_node(slot)?;
        Ok(Some((disk, node)))
    };
    loop {
        match find() {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => {}
            Err(error) if is_early(&error) && begun.elapsed() < PATIENCE => {}
            Err(error) => return Err(error),
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Whether an error is one that passes when the kernel has found all devices.
fn is_early(error: &Error) -> bool {
    [Code::DiskLost, Code::NoPartitionNode, Code::NotFound].contains(&error.code)
}

fn lost() -> Error {
    let found = "the disk is not the one that bootshim named";
    Error::new(Code::DiskLost, found)
}

/// The manifest that bootshim verified, from the slot.
fn manifest(slot: &Slice, handover: &Handover) -> Result<Manifest> {
    let failed = |fault| Error::fault("reading the manifest", fault);
    let too_small = || Error::new(Code::NotIntact, "the slot is too small");
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

/// A block of the root that does not come as it was signed.
struct Flaw {
    /// Damaged or unreadable.
    reason: Reason,
    /// Its first byte.
    at: u64,
    fault: Fault,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            Reason::Damaged => write!(
                f,
                "the root is damaged: the block at {} is not the one that was signed",
                self.at
            ),
            _ => write!(f, "the root cannot be read: {}", self.fault),
        }
    }
}

/// Reads the first block, or the whole root: the first block that is not as it should
/// be. A wrong root hash shows at the first one.
fn flaw(mapper: &DeviceMapper, node: &Path, all: bool) -> Result<Option<Flaw>> {
    let root = FileMedium::open(node, Mode::Read)?;
    let mut buffer = Aligned::new(STRETCH);
    let end = if all { root.len() } else { BLOCK as u64 };
    let mut at = 0_u64;
    while at < end {
        let length = usize::try_from(end - at).unwrap_or(STRETCH).min(STRETCH);
        if let Err(fault) = root.read_at(at, buffer.get(length)) {
            // The kernel gives one error for both; it says which one it was.
            let reason = match mapper.status(NAME)?.starts_with('C') {
                true => Reason::Damaged,
                false => Reason::Unreadable,
            };
            let bad = first_bad(&root, at, length, &mut buffer);
            let (at, fault) = bad.unwrap_or((at, fault));
            return Ok(Some(Flaw { reason, at, fault }));
        }
        at = at.saturating_add(length as u64);
    }
    Ok(None)
}

/// The first block of a stretch that does not come, and why.
fn first_bad(
    root: &FileMedium,
    start: u64,
    length: usize,
    buffer: &mut Aligned,
) -> Option<(u64, Fault)> {
    let mut blocks = (start..start.saturating_add(length as u64)).step_by(BLOCK);
    blocks.find_map(|at| Some((at, root.read_at(at, buffer.get(BLOCK)).err()?)))
}

/// Writes into the record what was found, before anything else happens: after a
/// power cut here the next start finds it again.
///
/// A device that does not answer is no judgement on a trial, which has its tries. A
/// good slot has none: it would be started for ever, and is left where another would
/// start.
fn report(
    disk: &Disk,
    handover: &Handover,
    start: &Start,
    flaw: Flaw,
    mut opened: Opened,
) -> Result<Outcome> {
    let slot = handover.slot;
    let unreadable = flaw.reason == Reason::Unreadable;
    let failed = || Error::fault("reading the root", flaw.fault);
    if unreadable && !start.is_good() {
        return Err(failed());
    }
    let why = flaw.to_string();
    let mut next = None;
    if !unreadable || start.leaves() {
        match Running::new(disk, handover).root_failed(flaw.reason, &why) {
            Ok(done) => next = start::instead(done.durable.record(), slot),
            // A trial must not run, whatever the record says; a good slot may be all
            // that there is.
            Err(error) if !start.is_good() => return Err(error),
            Err(error) => opened.remarks.push(error.to_string()),
        }
    }
    match next.filter(|_| !start.is_good() || start.leaves()) {
        Some(next) => Ok(Outcome::Restart { why, next }),
        None if unreadable && flaw.at == 0 => Err(failed()),
        None => {
            opened.remarks.push(why);
            Ok(Outcome::Opened(opened))
        }
    }
}
