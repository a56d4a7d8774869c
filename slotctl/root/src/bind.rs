//! What the started slot keeps on the data partition, mounted over its root before process
//! 1: systemd takes the id of the machine from there, and no unit starts before its state
//! is whole.
//!
//! The partition is that of the disk bootshim started from. Where it cannot be used the
//! machine comes up all the same, on memory in its place: somebody has to mend it, and can
//! only where the machine runs.

use crate::start;
use bootshim::handover::Handover;
use bootshim::record::{Reason, SlotId, Stage};
use bootshim::state::{self, Next};
use controller::code::Code;
use controller::disk::Disk;
use controller::error::{Error, Result};
use controller::running::Running;
use nix::mount::{MsFlags, mount};
use slotctl_state::activation::Activation;
use slotctl_state::declared::{Declared, Formats};
use slotctl_state::given::Given;
use slotctl_state::partition::{Binding, DATA, Partition};
use slotctl_state::plan::{self, Starting};
use std::fs;
use std::path::{Path, PathBuf};

mod data;

/// An empty file, for what a slot does not get.
const NOTHING: &str = "/run/slotctl/withheld";

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The image declares nothing, and sees to what it keeps itself.
    Nothing,
    /// The slot can start.
    Given(Given),
    /// Its state cannot be made ready; that is in the record, durable, and another slot
    /// starts next.
    Restart {
        /// Why.
        why: String,
        /// What starts next.
        next: SlotId,
    },
}

/// Mounts what the slot that was started keeps over its `root`.
///
/// # Errors
/// When the disk is gone, or nothing can be mounted over the root.
pub fn bind(root: &Path) -> Result<Outcome> {
    let declared = match Declared::read(root) {
        Ok(None) => return Ok(Outcome::Nothing),
        Ok(Some(declared)) => Ok(declared),
        Err(error) => Err(error),
    };
    let disk = Disk::open_or_booted(None)?;
    let handover = disk.handover().ok_or_else(super::lost)?;
    let mut remarks = Vec::new();
    let starting = starting(&disk, handover, &mut remarks);
    folder(Path::new(DATA))?;
    let image = Image {
        root,
        declared: declared.as_ref().map_err(Clone::clone),
    };
    match data::mount_at(&disk, Path::new(DATA)) {
        Err(error) => remarks.push(error.to_string()),
        Ok(node) => match image.ready(&starting) {
            Ok(ready) => {
                remarks.extend(image.collect(&disk, &starting));
                let given = ready.mount(root, starting.activation, Some(node), remarks)?;
                return Ok(Outcome::Given(given));
            }
            Err(error) => {
                remarks.push(error.to_string());
                match leave(&disk, handover, &starting, &error) {
                    Ok(Some(next)) => {
                        let why = error.to_string();
                        return Ok(Outcome::Restart { why, next });
                    }
                    Ok(None) => {}
                    Err(failed) => remarks.push(failed.to_string()),
                }
            }
        },
    }
    // Beside or over what is there, as after a first start.
    data::mount_memory(Path::new(DATA))?;
    let starting = Starting {
        is_good: true,
        other_good: Vec::new(),
        ..starting
    };
    let nothing = Declared::default();
    let image = match image.declared {
        Ok(_) => image,
        // Of half a declaration nothing is mounted.
        Err(error) => {
            let known = remarks.iter().any(|remark| *remark == error.to_string());
            remarks.extend((!known).then(|| error.to_string()));
            Image {
                root,
                declared: Ok(&nothing),
            }
        }
    };
    let ready = image.ready(&starting)?;
    let given = ready.mount(root, starting.activation, None, remarks)?;
    Ok(Outcome::Given(given))
}

/// The slot as the record has it; where that cannot be read, or is of another image, there
/// is nothing to start in its place.
fn starting(disk: &Disk, handover: &Handover, remarks: &mut Vec<String>) -> Starting {
    let (slot, manifest) = (handover.slot, handover.manifest);
    let known = match disk.read_record() {
        Ok((record, _)) => Starting::of(&record, slot),
        Err(error) => {
            remarks.push(error.to_string());
            None
        }
    };
    known
        .filter(|starting| starting.activation.manifest == manifest)
        .unwrap_or(Starting {
            activation: Activation {
                slot,
                manifest,
                number: 0,
            },
            is_good: true,
            other_good: Vec::new(),
        })
}

/// A slot that is not good ends its start here, where another one takes over; which.
fn leave(
    disk: &Disk,
    handover: &Handover,
    starting: &Starting,
    error: &Error,
) -> Result<Option<SlotId>> {
    if starting.is_good {
        return Ok(None);
    }
    let (slot, reason) = (handover.slot, Reason::NoState);
    let (record, _) = disk.read_record()?;
    let failed = state::fail(&record, slot, reason, Stage::Started);
    if start::instead(&failed, slot).is_none() {
        return Ok(None);
    }
    let done = Running::new(disk, handover).root_failed(reason, &error.to_string())?;
    Ok(start::instead(done.durable.record(), slot))
}

/// The root that was started, and what it declares.
struct Image<'a> {
    root: &'a Path,
    declared: Result<&'a Declared>,
}

/// What can be mounted.
struct Ready {
    bindings: Vec<Binding>,
    formats: Formats,
    /// Of this machine, whatever it starts, each with where it belongs.
    own: Vec<(PathBuf, &'static str)>,
    remarks: Vec<String>,
}

impl Image<'_> {
    /// Makes ready what is not there yet.
    fn ready(&self, starting: &Starting) -> Result<Ready> {
        let declared = self.declared.clone()?;
        let partition = Partition::at(Path::new(DATA));
        let found = partition.found(declared)?;
        let now = starting.activation;
        let steps = plan::start(declared, &found, starting).map_err(|too_new| {
            let words: Vec<String> = too_new.iter().map(ToString::to_string).collect();
            Error::new(Code::StateTooNew, words.join("; "))
        })?;
        partition.apply(declared, &steps, &now, self.root)?;
        let mut own = vec![
            (partition.machine_id()?, "etc/machine-id"),
            (partition.log()?, "var/lib/slotctl"),
        ];
        own.extend(partition.hostname()?.map(|name| (name, "etc/hostname")));
        let bindings = partition.bindings(declared, &steps, &now);
        let withheld = steps.withheld.iter();
        let withheld = withheld.map(|why| format!("{why}; it is empty"));
        let left = steps.left_behind.iter();
        let left = left.map(|why| format!("{why}; it begins as the image has it"));
        let unknown = declared.unknown_keys.iter();
        let unknown = unknown.map(|key| format!("unknown key {key}"));
        let remarks = withheld.chain(left).chain(unknown).collect();
        Ok(Ready {
            bindings,
            formats: steps.shared,
            own,
            remarks,
        })
    }

    /// Takes away what no slot needs, at the start of a good slot: nobody prepares anything
    /// here. What went wrong: it is tried again at the next start.
    fn collect(&self, disk: &Disk, starting: &Starting) -> Option<String> {
        let declared = self.declared.as_ref().ok()?;
        if !starting.is_good {
            return None;
        }
        // That what is there is durable, and nothing else.
        let durable = disk.update(|record, note| Ok((Next::unchanged(record), note)));
        let partition = Partition::at(Path::new(DATA));
        let collected =
            durable.and_then(|committed| partition.collect(declared, &committed.durable));
        collected.err().map(|error| error.to_string())
    }
}

impl Ready {
    fn mount(
        self,
        root: &Path,
        activation: Activation,
        node: Option<PathBuf>,
        mut remarks: Vec<String>,
    ) -> Result<Given> {
        remarks.extend(self.remarks);
        for (from, to) in self.own {
            let place = root.join(to);
            match place.symlink_metadata() {
                Ok(about) if !about.is_symlink() => over(&from, &place)?,
                _ => remarks.push(format!("the image has no /{to} to mount over")),
            }
        }
        let (mut paths, mut withheld) = (Vec::new(), Vec::new());
        for Binding { path, with } in self.bindings {
            let place = path.below(root);
            match with {
                Some(from) => over(&from, &place)?,
                None => {
                    nothing_over(&place)?;
                    withheld.push(path.to_string());
                }
            }
            paths.push(path.to_string());
        }
        Ok(Given {
            activation,
            node,
            paths,
            withheld,
            formats: self.formats,
            remarks,
        })
    }
}

fn over(from: &Path, place: &Path) -> Result<()> {
    mount(
        Some(from),
        place,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .map_err(|errno| failed("mounting over", place, errno.into()))
}

/// Nothing can be read there or written: a program that made its data anew would serve
/// with none.
fn nothing_over(place: &Path) -> Result<()> {
    if place.is_dir() {
        let flags = MsFlags::MS_RDONLY | MsFlags::MS_NODEV;
        return mount(
            Some("slotctl"),
            place,
            Some("tmpfs"),
            flags,
            Some("mode=0555,size=4k"),
        )
        .map_err(|errno| failed("mounting over", place, errno.into()));
    }
    fs::write(NOTHING, "").map_err(|error| failed("writing", Path::new(NOTHING), error))?;
    over(Path::new(NOTHING), place)?;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(None::<&str>, place, None::<&str>, flags, None::<&str>)
        .map_err(|errno| failed("mounting over", place, errno.into()))
}

fn folder(place: &Path) -> Result<()> {
    fs::create_dir_all(place).map_err(|error| failed("making", place, error))
}

fn failed(doing: &str, place: &Path, error: std::io::Error) -> Error {
    Error::io(format_args!("{doing} {}", place.display()), &error)
}
