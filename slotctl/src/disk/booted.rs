//! The disk that this controller booted from: the one whose boot record
//! partition has the GUID that bootshim put on the kernel's command line.

use crate::error::{Error, Exit, Result};
use crate::medium::{FileMedium, Mode};
use bootshim::gpt;
use bootshim::guid::Guid;
use bootshim::handover::Handover;
use bootshim::layout::Layout;
use std::fs;
use std::path::{Path, PathBuf};

/// What bootshim handed over to this system, where it was started by one.
pub(super) fn handover() -> Option<Handover> {
    Handover::parse(&fs::read_to_string("/proc/cmdline").ok()?)
}

/// The one disk with that record. Two of them are refused: nobody can say which
/// of them firmware will start next time.
pub(super) fn disk() -> Result<PathBuf> {
    let Some(handover) = handover() else {
        let found = "this system was not started by bootshim";
        return Err(Error::new(Exit::Usage, "not-booted", found).advice("name a disk with --disk"));
    };
    let mut found = Vec::new();
    for entry in fs::read_dir("/sys/class/block")
        .into_iter()
        .flatten()
        .flatten()
    {
        let node = Path::new("/dev").join(entry.file_name());
        if !entry.path().join("partition").exists() && holds(&node, &handover) {
            found.push(node);
        }
    }
    found.sort();
    only(&found, handover.disk)
}

/// The disk with the boot record `id`, if it is the only one.
fn only(found: &[PathBuf], id: Guid) -> Result<PathBuf> {
    match found {
        [disk] => Ok(disk.clone()),
        [] => {
            let found = format!("no disk here has the boot record {id}");
            Err(Error::new(Exit::Io, "disk-lost", found)
                .advice("the disk that this controller booted from is gone"))
        }
        [first, second, ..] => {
            let found = format!(
                "{} and {} both have the boot record {id}",
                first.display(),
                second.display(),
            );
            Err(Error::new(Exit::Refused, "two-disks", found)
                .advice("unplug one, or give the copy new GUIDs with `sgdisk -G`"))
        }
    }
}

fn holds(node: &Path, handover: &Handover) -> bool {
    let Ok(disk) = FileMedium::open(node, Mode::Read) else {
        return false;
    };
    gpt::read_any_sector(&disk)
        .ok()
        .and_then(|table| Layout::find(&table).ok())
        .is_some_and(|layout| layout.record.id == handover.disk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_disks_with_the_same_record_none_is_taken_and_both_are_named() {
        let id = Guid([3; 16]);
        let disks = ["/dev/vda", "/dev/vdb"].map(PathBuf::from);
        assert_eq!(only(&disks[..1], id), Ok(disks[0].clone()));
        let error = only(&disks, id).unwrap_err();
        assert_eq!((error.exit, error.code), (Exit::Refused, "two-disks"));
        let found = format!("/dev/vda and /dev/vdb both have the boot record {id}");
        assert_eq!(error.found, found);
        assert_eq!(only(&[], id).unwrap_err().code, "disk-lost");
    }
}
