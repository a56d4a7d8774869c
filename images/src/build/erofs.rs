//! Where an erofs has its files. Pieces that end where files do are found again
//! in the next version's filesystem, in which the same files lie elsewhere and
//! the inodes between them say so: without this a moved file would share its
//! pieces with inodes that changed.
//!
//! Format: Linux, `fs/erofs/erofs_fs.h`. What is found here is a hint: any
//! border gives a valid image.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::vec;
use std::vec::Vec;

use crate::ALIGN;
use crate::rootfs::erofs::{Erofs, Inode, entries, odd};

/// Files without a gap between them are one piece from here on; else an image
/// would have as many pieces as files.
const ENOUGH: u64 = 32 << 10;

/// At most so many borders: an index of a large filesystem stays small.
const BORDERS_MAX: usize = 1 << 16;

/// More files than this are not looked at.
const MOST: usize = 1 << 20;

/// Nor more bytes of directories: so many files have names of 250 bytes in less.
const DIRECTORIES_MAX: u64 = 288 << 20;

/// Where pieces should end in a root filesystem of this length: nowhere for one
/// that is no erofs, or an erofs that compresses.
pub(super) fn borders(file: &File, length: u64) -> Vec<u64> {
    let extents = file.try_clone().and_then(|file| Walk::new(file)?.run());
    let mut extents = extents.unwrap_or_default();
    extents.sort_unstable();
    let mut borders = Vec::new();
    let (mut before, mut last) = (0, 0);
    for (start, end) in extents {
        if start > before {
            // Between files lie inodes.
            borders.extend([before, start]);
            last = start;
        } else if start.saturating_sub(last) >= ENOUGH {
            borders.push(start);
            last = start;
        }
        before = before.max(end);
    }
    borders.push(before);
    spread(borders, length)
}

/// Of borders in order, those that leave enough between them for there not to be
/// too many.
fn spread(borders: Vec<u64>, length: u64) -> Vec<u64> {
    let mut least = ALIGN;
    loop {
        let mut last = 0;
        let far_enough = |border: &u64| {
            let keep = border.saturating_sub(last) >= least && *border < length;
            if keep {
                last = *border;
            }
            keep
        };
        let kept: Vec<u64> = borders.iter().copied().filter(far_enough).collect();
        if kept.len() <= BORDERS_MAX {
            return kept;
        }
        least = least.saturating_mul(2);
    }
}

/// A walk through all directories.
struct Walk {
    erofs: Erofs,
    todo: Vec<u64>,
    seen: HashSet<u64>,
    extents: Vec<(u64, u64)>,
    /// Bytes of directories that may still be read: an erofs that says of many that
    /// they lie at the same place would be read for ever.
    left: u64,
}

impl Walk {
    fn new(file: File) -> io::Result<Self> {
        let erofs = Erofs::open(file)?;
        Ok(Self {
            todo: vec![erofs.root],
            seen: HashSet::from([erofs.root]),
            erofs,
            extents: Vec::new(),
            left: DIRECTORIES_MAX,
        })
    }

    fn run(mut self) -> io::Result<Vec<(u64, u64)>> {
        while let Some(number) = self.todo.pop() {
            let inode = self.erofs.inode(number)?;
            self.note(&inode)?;
            if inode.is_folder() {
                self.list(&inode)?;
            }
            if self.seen.len() > MOST {
                return Err(odd());
            }
        }
        Ok(self.extents)
    }

    /// Whole blocks of a file or directory: layout 0 is plain, 2 has its tail
    /// behind the inode.
    fn note(&mut self, inode: &Inode) -> io::Result<()> {
        let blocks = match inode.layout {
            0 => inode.size.div_ceil(ALIGN),
            2 => inode.size / ALIGN,
            _ => return Err(odd()),
        };
        let end = blocks
            .checked_mul(ALIGN)
            .and_then(|len| len.checked_add(inode.block));
        // Devices and sockets have a number where files have their block.
        if let Some(end) = end.filter(|end| *end > inode.block) {
            self.extents.push((inode.block, end));
        }
        Ok(())
    }

    fn list(&mut self, inode: &Inode) -> io::Result<()> {
        self.left = self.left.checked_sub(inode.size).ok_or_else(odd)?;
        let bytes = self.erofs.bytes(inode)?;
        for (number, _) in entries(&bytes) {
            if self.seen.insert(number) {
                self.todo.push(number);
            }
        }
        Ok(())
    }
}
