//! Which filesystem the root is.

use std::fs::File;
use std::path::Path;
use std::vec::Vec;

use super::{BuildError, Warning};
use crate::read::fill;

/// The superblocks of all known filesystems end before this byte.
const LOOKED_AT: usize = 2048;

/// The journal's bit among the compatible features of ext4.
const HAS_JOURNAL: u8 = 0x04;

pub(super) fn check(path: &Path) -> Result<Option<Warning>, BuildError> {
    let mut begin = Vec::from([0; LOOKED_AT]);
    let mut file = File::open(path).map_err(BuildError::input(path))?;
    fill(&mut file, &mut begin).map_err(BuildError::input(path))?;
    Ok(judge(&begin, path))
}

fn judge(begin: &[u8], path: &Path) -> Option<Warning> {
    let at =
        |offset: usize, magic: &[u8]| begin.get(offset..).is_some_and(|b| b.starts_with(magic));
    let erofs = at(1024, &[0xe2, 0xe1, 0xf5, 0xe0]);
    let squashfs = at(0, b"hsqs");
    if erofs || squashfs {
        return None;
    }
    if !at(1024 + 0x38, &[0x53, 0xef]) {
        return Some(Warning::RootUnknown(path.into()));
    }
    let features = begin.get(1024 + 0x5c).copied().unwrap_or(0);
    (features & HAS_JOURNAL != 0).then(|| Warning::RootJournal(path.into()))
}
