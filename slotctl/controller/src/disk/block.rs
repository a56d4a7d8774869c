//! Block devices: their partition nodes, and whether somebody has them mounted.

use crate::code::Code;
use crate::error::{Error, Result};
use bootshim::gpt::Partition;
use nix::mount::{MntFlags, umount2};
use std::fs;
use std::path::{Path, PathBuf};

/// Sectors in sysfs have 512 bytes, whatever the device has.
const SYSFS_SECTOR: u64 = 512;

/// The node of a partition, such as `/dev/sda3`: the one whose number and range
/// are those of the table.
pub(super) fn partition_node(disk: &Path, partition: &Partition) -> Result<PathBuf> {
    let device = fs::canonicalize(disk)
        .map_err(|error| Error::io(format_args!("opening {}", disk.display()), &error))?;
    let name = device.file_name().unwrap_or_default();
    let folder = Path::new("/sys/class/block").join(name);
    let entries = fs::read_dir(&folder)
        .map_err(|error| Error::io(format_args!("reading {}", folder.display()), &error))?;
    for entry in entries.flatten() {
        let number = |file: &str| read_number(&entry.path().join(file));
        if number("partition") != Some(u64::from(partition.number)) {
            continue;
        }
        let start = number("start").and_then(|s| s.checked_mul(SYSFS_SECTOR));
        let length = number("size").and_then(|s| s.checked_mul(SYSFS_SECTOR));
        let node = Path::new("/dev").join(entry.file_name());
        let same = start == Some(partition.extent.start) && length == Some(partition.extent.len);
        return if same { Ok(node) } else { Err(stale(&node)) };
    }
    let found = format!(
        "the kernel has no node for partition {} of {}",
        partition.name,
        disk.display()
    );
    Err(Error::new(Code::NoPartitionNode, found)
        .advice("have the kernel read the table again (`partprobe`, `losetup -P`)"))
}

/// The kernel sees another table than the disk has.
pub(super) fn stale(node: &Path) -> Error {
    let found = format!(
        "the kernel's idea of {} is not what the GPT says",
        node.display()
    );
    Error::new(Code::StaleTable, found)
        .advice("have the kernel read the table again (`partprobe`)")
        .changed("nothing was written")
}

/// Refuses a partition that is mounted.
pub(super) fn refuse_mounted(node: &Path) -> Result<()> {
    let name = node.file_name().unwrap_or_default();
    match mount_point(&Path::new("/sys/class/block").join(name)) {
        None => Ok(()),
        Some(place) => Err(mounted(node, &place)),
    }
}

/// Refuses a disk image of which a loop device, or a partition of it, is
/// mounted.
pub(super) fn refuse_mounted_image(image: &Path) -> Result<()> {
    let Ok(image) = fs::canonicalize(image) else {
        return Ok(());
    };
    for device in fs::read_dir("/sys/class/block")
        .into_iter()
        .flatten()
        .flatten()
    {
        let folder = device.path();
        let backing = fs::read_to_string(folder.join("loop/backing_file")).unwrap_or_default();
        if Path::new(backing.trim_end()) != image {
            continue;
        }
        let parts = fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.path());
        for part in std::iter::once(folder.clone()).chain(parts) {
            if let Some(place) = mount_point(&part) {
                return Err(mounted(&image, &place));
            }
        }
    }
    Ok(())
}

/// Unmounts the partition where an automount holds it and nobody uses it: whoever
/// looks there the next time has it mounted again. systemd's gpt-auto-generator sets
/// one up for the ESP. Any other mount, and one that is in use, stays as it is.
pub(super) fn let_automount_go(node: &Path) {
    let name = node.file_name().unwrap_or_default();
    let number = fs::read_to_string(Path::new("/sys/class/block").join(name).join("dev"));
    let mounts = fs::read_to_string("/proc/self/mountinfo");
    let (Ok(number), Ok(mounts)) = (number, mounts) else {
        return;
    };
    for place in automounted(number.trim_end(), &mounts) {
        // In use: whoever wants to write here is refused, and told why.
        let _ = umount2(place, MntFlags::UMOUNT_NOFOLLOW);
    }
}

/// Where the device with this number is mounted over an automount (proc(5),
/// `mountinfo`).
fn automounted<'m>(number: &str, mounts: &'m str) -> Vec<&'m str> {
    let field = |line: &'m str, place: usize| line.split(' ').nth(place);
    let is_automount = |id: Option<&str>, place: Option<&str>| {
        mounts.lines().any(|line| {
            let kind = line.split_once(" - ").and_then(|(_, rest)| field(rest, 0));
            field(line, 0) == id && field(line, 4) == place && kind == Some("autofs")
        })
    };
    let ours = mounts.lines().filter(|line| {
        field(line, 2) == Some(number) && is_automount(field(line, 1), field(line, 4))
    });
    // One with a blank in it is written otherwise, and left alone.
    ours.filter_map(|line| field(line, 4))
        .filter(|place| !place.contains('\\'))
        .collect()
}

fn mounted(what: &Path, place: &str) -> Error {
    let found = format!("{} is mounted on {place}", what.display());
    Error::new(Code::Mounted, found)
        .advice("unmount it")
        .changed("nothing was written")
}

/// Where the device of a sysfs folder is mounted (proc(5), `mountinfo`).
fn mount_point(folder: &Path) -> Option<String> {
    let number = fs::read_to_string(folder.join("dev")).ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| {
        let mut words = line.split(' ');
        (words.nth(2) == Some(number.trim_end()))
            .then(|| words.nth(1).map(str::to_owned))
            .flatten()
    })
}

fn read_number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim_end().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_over_an_automount_is_let_go() {
        let mounts = "\
22 1 253:0 / / ro,relatime - erofs /dev/mapper/slotctl-root ro\n\
30 22 0:27 / /boot rw,relatime shared:9 - autofs systemd-1 rw,fd=45,pgrp=1,direct\n\
41 30 254:1 / /boot rw,nosuid shared:20 - vfat /dev/vda1 rw,umask=0077\n\
42 22 254:1 / /boot/efi rw shared:21 - vfat /dev/vda1 rw\n\
43 30 254:6 / /boot/data rw shared:22 - ext4 /dev/vda6 rw\n";
        assert_eq!(automounted("254:1", mounts), ["/boot"]);
        assert_eq!(automounted("254:6", mounts), [""; 0], "not at its place");
        assert_eq!(automounted("253:0", mounts), [""; 0]);
        assert_eq!(automounted("254:1", "nonsense\n\n - "), [""; 0]);
    }
}
