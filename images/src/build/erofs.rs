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
use std::os::unix::fs::FileExt;
use std::vec;
use std::vec::Vec;

use super::fields::{u16_at, u32_at, u64_at};
use crate::ALIGN;

const SUPER_AT: u64 = 1024;
const MAGIC: u32 = 0xe0f5_e1e2;
/// The unit of inode numbers, in bytes.
const INODE_UNIT: u64 = 32;
const BLOCK_BITS: u8 = 12;

/// Files without a gap between them are one piece from here on; else an image
/// would have as many pieces as files.
const ENOUGH: u64 = 32 << 10;

/// At most so many borders: an index of a large filesystem stays small.
const BORDERS_MAX: usize = 1 << 16;

/// More files than this are not looked at.
const MOST: usize = 1 << 20;

/// Nor more bytes of directories: so many files have names of 250 bytes in less.
const DIRECTORIES_MAX: usize = 288 << 20;

/// Where pieces should end in a root filesystem of this length: nowhere for one
/// that is no erofs, or an erofs that compresses.
pub(super) fn borders(file: &File, length: u64) -> Vec<u64> {
    let mut extents = Walk::new(file).and_then(Walk::run).unwrap_or_default();
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
struct Walk<'a> {
    file: &'a File,
    meta: u64,
    todo: Vec<u64>,
    seen: HashSet<u64>,
    extents: Vec<(u64, u64)>,
    /// Bytes of directories that may still be read: an erofs that says of many that
    /// they lie at the same place would be read for ever.
    left: usize,
}

/// What is needed of an inode.
struct Inode {
    directory: bool,
    layout: u16,
    size: u64,
    block: u64,
    /// Where what is stored with the inode begins.
    behind: u64,
}

fn odd() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

impl<'a> Walk<'a> {
    fn new(file: &'a File) -> io::Result<Self> {
        let mut head = [0; 128];
        file.read_exact_at(&mut head, SUPER_AT)?;
        let block_bits = head.get(12).copied().unwrap_or(0);
        if u32_at(&head, 0) != MAGIC || block_bits != BLOCK_BITS {
            return Err(odd());
        }
        let root = u64::from(u16_at(&head, 14));
        Ok(Self {
            file,
            meta: u64::from(u32_at(&head, 40)) << BLOCK_BITS,
            todo: vec![root],
            seen: HashSet::from([root]),
            extents: Vec::new(),
            left: DIRECTORIES_MAX,
        })
    }

    fn run(mut self) -> io::Result<Vec<(u64, u64)>> {
        while let Some(number) = self.todo.pop() {
            let inode = self.inode(number)?;
            self.note(&inode)?;
            if inode.directory {
                self.list(&inode)?;
            }
            if self.seen.len() > MOST {
                return Err(odd());
            }
        }
        Ok(self.extents)
    }

    fn inode(&self, number: u64) -> io::Result<Inode> {
        let at = number
            .checked_mul(INODE_UNIT)
            .and_then(|at| at.checked_add(self.meta))
            .ok_or_else(odd)?;
        let mut bytes = [0; 64];
        // The last inode may be a short one at the very end.
        let room = bytes.get_mut(..32).ok_or_else(odd)?;
        self.file.read_exact_at(room, at)?;
        let format = u16_at(&bytes, 0);
        let long = format & 1 == 1;
        if long {
            self.file.read_exact_at(&mut bytes, at)?;
        }
        let attributes = u64::from(u16_at(&bytes, 2));
        let attributes = match attributes {
            0 => 0,
            count => 12 + 4 * (count - 1),
        };
        let size = if long {
            u64_at(&bytes, 8)
        } else {
            u64::from(u32_at(&bytes, 8))
        };
        Ok(Inode {
            directory: u16_at(&bytes, 4) & 0o170_000 == 0o040_000,
            layout: (format >> 1) & 7,
            size,
            block: u64::from(u32_at(&bytes, 16)),
            behind: at + if long { 64 } else { 32 } + attributes,
        })
    }

    /// Whole blocks of a file or directory: layout 0 is plain, 2 has its tail
    /// behind the inode.
    fn note(&mut self, inode: &Inode) -> io::Result<()> {
        let blocks = match inode.layout {
            0 => inode.size.div_ceil(ALIGN),
            2 => inode.size / ALIGN,
            _ => return Err(odd()),
        };
        let start = inode.block << BLOCK_BITS;
        let end = blocks
            .checked_mul(ALIGN)
            .and_then(|len| len.checked_add(start));
        // Devices and sockets have a number where files have their block.
        if let Some(end) = end.filter(|end| *end > start) {
            self.extents.push((start, end));
        }
        Ok(())
    }

    fn list(&mut self, inode: &Inode) -> io::Result<()> {
        let size = usize::try_from(inode.size).map_err(|_| odd())?;
        if size > 64 << 20 {
            return Err(odd());
        }
        self.left = self.left.checked_sub(size).ok_or_else(odd)?;
        let mut bytes = vec![0; size];
        let whole = match inode.layout {
            2 => size - size % 4096,
            _ => size,
        };
        let (blocks, tail) = bytes.split_at_mut_checked(whole).ok_or_else(odd)?;
        self.file.read_exact_at(blocks, inode.block << BLOCK_BITS)?;
        self.file.read_exact_at(tail, inode.behind)?;
        for block in bytes.chunks(4096) {
            // The first name begins where the last entry ends.
            let names = usize::from(u16_at(block, 8));
            let entries = block.get(..names).unwrap_or(block);
            for entry in entries.as_chunks::<12>().0 {
                let number = u64_at(entry, 0);
                if self.seen.insert(number) {
                    self.todo.push(number);
                }
            }
        }
        Ok(())
    }
}
