//! The entries `.` and `..` of a directory as the specification wants them.
//!
//! fatfs 0.3 gives them long names as well, which moves them from the first two
//! places, and names the root of FAT32 by its cluster; `fsck.vfat` complains of
//! both.

use fatfs::FatType;

const ENTRY: usize = 32;
const ATTRIBUTES: usize = 11;
const LONG_NAME: u8 = 0x0f;
const DIRECTORY: u8 = 0x10;
const CLUSTER_HIGH: usize = 20;
const CLUSTER_LOW: usize = 26;
const ROOT_CLUSTER: [u8; 2] = [2, 0];
const UNUSED: u8 = 0xe5;

/// Puts `.` and `..` first in every directory that begins in one of these bytes
/// of a new filesystem, and says of the root that it is the parent as `kind`
/// wants it said.
pub(super) fn tidy(bytes: &mut [u8], kind: FatType) {
    for sector in bytes.chunks_exact_mut(512) {
        let mut entries = sector.chunks_exact_mut(ENTRY);
        if let (Some(first), Some(second), Some(third), Some(fourth)) = (
            entries.next(),
            entries.next(),
            entries.next(),
            entries.next(),
        ) && is_long(first)
            && is_directory(second, b".          ")
            && is_long(third)
            && is_directory(fourth, b"..         ")
        {
            first.copy_from_slice(second);
            second.copy_from_slice(fourth);
            if kind == FatType::Fat32 {
                parent_root_is_zero(second);
            }
            for spare in [third, fourth] {
                spare.fill(0);
                if let Some(mark) = spare.first_mut() {
                    *mark = UNUSED;
                }
            }
        }
    }
}

/// The root has cluster 2 on a new FAT32, and is to be called 0.
fn parent_root_is_zero(entry: &mut [u8]) {
    let is_root = entry.get(CLUSTER_HIGH..CLUSTER_HIGH + 2) == Some(&[0, 0])
        && entry.get(CLUSTER_LOW..CLUSTER_LOW + 2) == Some(&ROOT_CLUSTER);
    if let Some(low) = entry.get_mut(CLUSTER_LOW).filter(|_| is_root) {
        *low = 0;
    }
}

fn is_long(entry: &[u8]) -> bool {
    entry.get(ATTRIBUTES) == Some(&LONG_NAME)
}

fn is_directory(entry: &[u8], name: &[u8; ATTRIBUTES]) -> bool {
    entry.starts_with(name) && entry.get(ATTRIBUTES) == Some(&DIRECTORY)
}
