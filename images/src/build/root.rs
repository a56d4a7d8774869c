//! Which filesystem the root is, and whether all of it is there.

use std::fs::File;
use std::path::Path;
use std::vec::Vec;

use super::{BuildError, Warning};
use crate::fields::{u16_at, u32_at, u64_at};
use crate::read::fill;

/// The superblocks of all known filesystems end before this byte.
const LOOKED_AT: usize = 2048;

/// Where the superblock of erofs and ext4 begins.
const SUPER_AT: usize = 1024;

/// The journal's bit among the compatible features of ext4.
const HAS_JOURNAL: u32 = 0x04;

/// The bit among the incompatible ones for block numbers of 64 bits.
const WITH_64_BIT: u32 = 0x80;

pub(super) fn check(path: &Path) -> Result<Option<Warning>, BuildError> {
    let mut begin = Vec::from([0; LOOKED_AT]);
    let failed = BuildError::input;
    let mut file = File::open(path).map_err(failed(path))?;
    let found = file.metadata().map_err(failed(path))?.len();
    fill(&mut file, &mut begin).map_err(failed(path))?;
    let Some(filesystem) = Filesystem::of(&begin) else {
        return Ok(Some(Warning::RootUnknown(path.into())));
    };
    if let Some(major) = filesystem.old_squashfs {
        return Err(BuildError::OldSquashfs(path.into(), major));
    }
    if filesystem.length > found {
        return Err(BuildError::RootCut {
            path: path.into(),
            needed: filesystem.length,
            found,
        });
    }
    let journal = filesystem.has_journal;
    Ok(journal.then(|| Warning::RootJournal(path.into())))
}

/// What a superblock says.
#[derive(Default)]
struct Filesystem {
    /// How long the filesystem is, in bytes.
    length: u64,
    has_journal: bool,
    /// The major number of a squashfs that no Linux of today mounts.
    old_squashfs: Option<u16>,
}

impl Filesystem {
    fn of(begin: &[u8]) -> Option<Self> {
        let sup = begin.get(SUPER_AT..)?;
        if u32_at(sup, 0) == 0xe0f5_e1e2 {
            let bits = u32::from(sup.get(12).copied()?);
            let length = u64::from(u32_at(sup, 36)).checked_shl(bits);
            return Some(Self::long(length));
        }
        match begin.first_chunk()? {
            b"hsqs" => return Self::squashfs(begin, u16_at(begin, 28)),
            // Of the other byte order, which ended with 4.0.
            b"sqsh" => return Self::squashfs(begin, u16_at(begin, 28).swap_bytes()),
            _ => {}
        }
        (u16_at(sup, 0x38) == 0xef53).then(|| {
            let high = match u32_at(sup, 0x60) & WITH_64_BIT {
                0 => 0,
                _ => u64::from(u32_at(sup, 0x150)) << 32,
            };
            let blocks = high | u64::from(u32_at(sup, 4));
            let block = 1024_u64.checked_shl(u32_at(sup, 24));
            Self {
                has_journal: u32_at(sup, 0x5c) & HAS_JOURNAL != 0,
                ..Self::long(block.and_then(|block| blocks.checked_mul(block)))
            }
        })
    }

    fn squashfs(begin: &[u8], major: u16) -> Option<Self> {
        match major {
            1..=3 => Some(Self {
                old_squashfs: Some(major),
                ..Self::default()
            }),
            4 => Some(Self::long(Some(u64_at(begin, 40)))),
            _ => None,
        }
    }

    /// `None` is longer than any file.
    fn long(length: Option<u64>) -> Self {
        Self {
            length: length.unwrap_or(u64::MAX),
            ..Self::default()
        }
    }
}
