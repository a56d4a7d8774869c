//! An erofs: its inodes, its folders, and what of its files is not compressed. Files of
//! less than a block never are, unless it was made with `ztailpacking` or `fragments`.
//!
//! Format: Linux, `fs/erofs/erofs_fs.h`.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};
use std::vec;
use std::vec::Vec;

use super::{Found, Root};
use crate::fields::{u16_at, u32_at, u64_at};

const SUPER_AT: u64 = 1024;
pub(super) const MAGIC: u32 = 0xe0f5_e1e2;
/// The unit of inode numbers, in bytes.
const INODE_UNIT: u64 = 32;
const BLOCK_BITS: u8 = 12;
const BLOCK: usize = 1 << BLOCK_BITS;
/// The features up to Linux 6.15: later ones number inodes and blocks otherwise.
const KNOWN_FEATURES: u32 = 0x7f;
/// The length of an entry of a folder, without its name.
const ENTRY: usize = 12;
/// The longest that is read at once; folders are far shorter.
const READ_MAX: u64 = 64 << 20;

/// An erofs with blocks of 4096 bytes.
#[derive(Debug)]
pub(crate) struct Erofs {
    file: File,
    /// Where inode 0 begins.
    meta: u64,
    /// The number of the topmost folder's inode.
    pub(crate) root: u64,
}

/// What is needed of an inode.
pub(crate) struct Inode {
    mode: u16,
    pub(crate) layout: u16,
    pub(crate) size: u64,
    pub(crate) block: u64,
    /// Where what is stored with the inode begins.
    behind: u64,
}

impl Inode {
    fn kind(&self) -> u16 {
        self.mode & 0o170_000
    }

    pub(crate) fn is_folder(&self) -> bool {
        self.kind() == 0o040_000
    }

    fn is_file(&self) -> bool {
        self.kind() == 0o100_000
    }

    fn is_link(&self) -> bool {
        self.kind() == 0o120_000
    }
}

pub(crate) fn odd() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is no erofs, or damaged")
}

impl Erofs {
    pub(crate) fn open(file: File) -> io::Result<Self> {
        let mut head = [0; 128];
        file.read_exact_at(&mut head, SUPER_AT)?;
        if u32_at(&head, 0) != MAGIC {
            return Err(odd());
        }
        let block_bits = head.get(12).copied().unwrap_or(0);
        if block_bits != BLOCK_BITS || u32_at(&head, 80) & !KNOWN_FEATURES != 0 {
            let what = "an erofs with features that are not known here";
            return Err(io::Error::new(io::ErrorKind::Unsupported, what));
        }
        Ok(Self {
            file,
            meta: u64::from(u32_at(&head, 40)) << BLOCK_BITS,
            root: u64::from(u16_at(&head, 14)),
        })
    }

    pub(crate) fn inode(&self, number: u64) -> io::Result<Inode> {
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
        let attributes = match u64::from(u16_at(&bytes, 2)) {
            0 => 0,
            count => 12 + 4 * (count - 1),
        };
        let size = if long {
            u64_at(&bytes, 8)
        } else {
            u64::from(u32_at(&bytes, 8))
        };
        Ok(Inode {
            mode: u16_at(&bytes, 4),
            layout: (format >> 1) & 7,
            size,
            block: u64::from(u32_at(&bytes, 16)) << BLOCK_BITS,
            behind: at + if long { 64 } else { 32 } + attributes,
        })
    }

    /// What a file, a folder or a link holds: layout 0 is plain, 2 has its tail behind the
    /// inode.
    pub(crate) fn bytes(&self, inode: &Inode) -> io::Result<Vec<u8>> {
        let tail = match inode.layout {
            0 => 0,
            2 => inode.size % BLOCK as u64,
            _ => {
                let what = "it is compressed, or stored in chunks";
                return Err(io::Error::new(io::ErrorKind::Unsupported, what));
            }
        };
        if inode.size > READ_MAX {
            return Err(odd());
        }
        let size = |bytes| usize::try_from(bytes).map_err(|_| odd());
        let mut bytes = vec![0; size(inode.size)?];
        let whole = size(inode.size - tail)?;
        let (blocks, tail) = bytes.split_at_mut_checked(whole).ok_or_else(odd)?;
        self.file.read_exact_at(blocks, inode.block)?;
        self.file.read_exact_at(tail, inode.behind)?;
        Ok(bytes)
    }

    /// The inode at a path.
    fn at(&self, path: &Path) -> io::Result<Option<Inode>> {
        let mut inode = self.inode(self.root)?;
        for name in path.components() {
            let Component::Normal(name) = name else {
                continue;
            };
            if inode.is_link() {
                return Err(io::Error::other("there is a link on the way to it"));
            }
            if !inode.is_folder() {
                return Ok(None);
            }
            let bytes = self.bytes(&inode)?;
            let mut entries = entries(&bytes);
            let Some((number, _)) = entries.find(|(_, found)| *found == name.as_encoded_bytes())
            else {
                return Ok(None);
            };
            inode = self.inode(number)?;
        }
        Ok(Some(inode))
    }

    /// The inode at a path where this kind of thing has to be.
    fn of_kind(&self, path: &Path, is: fn(&Inode) -> bool) -> io::Result<Inode> {
        let inode = self.at(path)?.ok_or(io::ErrorKind::NotFound)?;
        match is(&inode) {
            true => Ok(inode),
            false => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}

impl Root for Erofs {
    fn find(&self, path: &Path) -> io::Result<Option<Found>> {
        let Some(inode) = self.at(path)? else {
            return Ok(None);
        };
        Ok(Some(if inode.is_folder() {
            Found::Folder
        } else if inode.is_file() {
            Found::File(inode.size)
        } else if inode.is_link() {
            Found::Link(PathBuf::from(OsString::from_vec(self.bytes(&inode)?)))
        } else {
            Found::Other
        }))
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let bytes = self.bytes(&self.of_kind(folder, Inode::is_folder)?)?;
        let names = entries(&bytes).map(|(_, name)| OsString::from_vec(name.to_vec()));
        Ok(names.filter(|name| name != "." && name != "..").collect())
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        self.bytes(&self.of_kind(file, Inode::is_file)?)
    }
}

/// The number and the name of each entry of a folder. In each of its blocks the names lie
/// behind the entries, the first where the last entry ends.
pub(crate) fn entries(folder: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    folder.chunks(BLOCK).flat_map(|block| {
        let names = usize::from(u16_at(block, 8));
        let entries = block.get(..names).unwrap_or(block).as_chunks::<ENTRY>().0;
        let ends = entries.iter().skip(1).map(|next| u16_at(next, 8).into());
        let ends = ends.chain([block.len()]);
        entries.iter().zip(ends).map(|(entry, end)| {
            let name = block.get(usize::from(u16_at(entry, 8))..end);
            let name = name.unwrap_or_default();
            // The last one ends with its block, or before.
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            (u64_at(entry, 0), name)
        })
    })
}
