//! What is known of the disk that this controller booted from without asking any.

use bootshim::handover::Handover;
use std::fs;
use std::path::{Path, PathBuf};

/// The name of the device through which a slot's root is mounted:
/// `/dev/mapper/slotctl-root`.
pub const ROOT: &str = "slotctl-root";

/// What bootshim handed over to this system, where it was started by one.
pub(super) fn handover() -> Option<Handover> {
    Handover::parse(&fs::read_to_string("/proc/cmdline").ok()?)
}

/// The nodes of the disks that the kernel knows: no partitions, and nothing without
/// a medium. No disk is asked for this.
pub(super) fn disks() -> Vec<PathBuf> {
    let folder = fs::read_dir("/sys/class/block");
    let entries = folder.into_iter().flatten().flatten();
    let mut disks: Vec<_> = entries
        .filter(|entry| {
            let about = |file: &str| fs::read_to_string(entry.path().join(file));
            let empty = about("size").is_ok_and(|size| size.trim_end() == "0");
            // What we have put on a disk: a damaged block of it may end in a panic.
            let root = about("dm/name").is_ok_and(|name| name.trim_end() == ROOT);
            !entry.path().join("partition").exists() && !empty && !root
        })
        .map(|entry| {
            // As sysfs writes the slash of `cciss/c0d0`.
            let name = entry.file_name().to_string_lossy().replace('!', "/");
            Path::new("/dev").join(name)
        })
        .collect();
    disks.sort();
    disks
}
