//! A squashfs 4.0, with the compressions that an initrd may have.
//!
//! Format: Linux, `fs/squashfs/squashfs_fs.h`.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};
use std::string::ToString;
use std::vec;
use std::vec::Vec;

use super::{Found, Root};
use crate::fields::{u16_at, u32_at, u64_at};

/// The length of the superblock.
const SUPER: usize = 96;
/// The longest block of metadata, unpacked.
const METADATA: usize = 8192;
/// Said of a block of metadata that is not packed; the rest is its length.
const METADATA_PLAIN: u16 = 0x8000;
/// The same of a block of a file.
const DATA_PLAIN: u32 = 1 << 24;
/// The length of an entry in the table of fragments.
const FRAGMENT: usize = 16;
/// Said of a file that has no fragment.
const NO_FRAGMENT: u32 = u32::MAX;
/// The longest that is read at once.
const READ_MAX: u64 = 64 << 20;

/// Makes of a block what it was, which is at most so long.
type Unpack = fn(&[u8], usize) -> io::Result<Vec<u8>>;

/// A squashfs.
#[derive(Debug)]
pub(super) struct Squashfs {
    file: File,
    /// The length of a file's blocks, unpacked.
    block: usize,
    unpack: Unpack,
    /// Where the topmost folder's inode is: its block, from the begin of all inodes, and
    /// its place in that.
    root: u64,
    inodes: u64,
    folders: u64,
    fragments: u64,
}

enum Inode<'a> {
    /// Where its entries begin.
    Folder(Metadata<'a>, u64),
    File(Data<'a>),
    Link(Metadata<'a>, u64),
    Other,
}

/// Where a file lies.
struct Data<'a> {
    size: u64,
    /// Where its first block lies; the others lie behind it.
    start: u64,
    /// How long each block is, packed.
    lengths: Metadata<'a>,
    fragment: u32,
    /// Where its end lies in the fragment.
    offset: u32,
}

/// Metadata, from a place on: blocks, one behind the other.
struct Metadata<'a> {
    of: &'a Squashfs,
    next: u64,
    block: Vec<u8>,
    at: usize,
}

fn odd() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the squashfs is damaged")
}

fn size(bytes: u64) -> io::Result<usize> {
    let bounded = Some(bytes).filter(|bytes| *bytes <= READ_MAX);
    bounded
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(odd)
}

impl Squashfs {
    pub(super) fn open(file: File) -> io::Result<Self> {
        let mut sup = [0; SUPER];
        file.read_exact_at(&mut sup, 0)?;
        Ok(Self {
            file,
            block: size(u32_at(&sup, 12).into())?,
            unpack: unpacks(u16_at(&sup, 20))?,
            root: u64_at(&sup, 32),
            inodes: u64_at(&sup, 64),
            folders: u64_at(&sup, 72),
            fragments: u64_at(&sup, 80),
        })
    }

    /// A block of a file or of metadata. What is packed is at most as long as what it
    /// becomes.
    fn block(&self, at: u64, length: usize, is_plain: bool, most: usize) -> io::Result<Vec<u8>> {
        if length > most {
            return Err(odd());
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, at)?;
        match is_plain {
            true => Ok(bytes),
            false => (self.unpack)(&bytes, most),
        }
    }

    /// A block of a file, of which `length` says how it is stored.
    fn data(&self, at: u64, length: u32) -> io::Result<Vec<u8>> {
        let packed = size(u64::from(length & !DATA_PLAIN))?;
        self.block(at, packed, length & DATA_PLAIN != 0, self.block)
    }

    fn metadata(&self, next: u64, offset: usize) -> io::Result<Metadata<'_>> {
        let block = Vec::new();
        let mut metadata = Metadata {
            of: self,
            next,
            block,
            at: 0,
        };
        metadata.load()?;
        metadata.at = offset;
        Ok(metadata)
    }

    fn inode(&self, place: u64) -> io::Result<Inode<'_>> {
        let begin = self.inodes.checked_add(place >> 16).ok_or_else(odd)?;
        let mut rest = self.metadata(begin, usize::from(u16_at(&place.to_le_bytes(), 0)))?;
        let kind = u16_at(&rest.take(16)?, 0);
        Ok(match kind {
            1 => {
                let own = rest.take(16)?;
                self.folder(u32_at(&own, 0), u16_at(&own, 10), u16_at(&own, 8).into())?
            }
            8 => {
                let own = rest.take(24)?;
                self.folder(u32_at(&own, 8), u16_at(&own, 18), u32_at(&own, 4))?
            }
            2 => {
                let own = rest.take(16)?;
                Inode::File(Data {
                    size: u32_at(&own, 12).into(),
                    start: u32_at(&own, 0).into(),
                    fragment: u32_at(&own, 4),
                    offset: u32_at(&own, 8),
                    lengths: rest,
                })
            }
            9 => {
                let own = rest.take(40)?;
                Inode::File(Data {
                    size: u64_at(&own, 8),
                    start: u64_at(&own, 0),
                    fragment: u32_at(&own, 28),
                    offset: u32_at(&own, 32),
                    lengths: rest,
                })
            }
            3 | 10 => {
                let length = u32_at(&rest.take(8)?, 4);
                Inode::Link(rest, length.into())
            }
            _ => Inode::Other,
        })
    }

    /// Its size counts three bytes more, for `.` and `..`, which are not there.
    fn folder(&self, block: u32, offset: u16, size: u32) -> io::Result<Inode<'_>> {
        let begin = self.folders.checked_add(block.into()).ok_or_else(odd)?;
        let size = u64::from(size).saturating_sub(3);
        if size == 0 {
            // Then it need not lie anywhere.
            let nowhere = Metadata {
                of: self,
                next: begin,
                block: Vec::new(),
                at: 0,
            };
            return Ok(Inode::Folder(nowhere, 0));
        }
        Ok(Inode::Folder(self.metadata(begin, offset.into())?, size))
    }

    /// The inode at a path.
    fn at(&self, path: &Path) -> io::Result<Option<Inode<'_>>> {
        let mut inode = self.inode(self.root)?;
        for name in path.components() {
            let Component::Normal(name) = name else {
                continue;
            };
            let entries = match inode {
                Inode::Folder(mut entries, length) => entries.take(length)?,
                Inode::Link(..) => {
                    return Err(io::Error::other("there is a link on the way to it"));
                }
                _ => return Ok(None),
            };
            let entries = self::entries(&entries)?;
            let Some((place, _)) = entries.iter().find(|(_, n)| *n == name.as_encoded_bytes())
            else {
                return Ok(None);
            };
            inode = self.inode(*place)?;
        }
        Ok(Some(inode))
    }

    fn bytes(&self, mut data: Data<'_>) -> io::Result<Vec<u8>> {
        let length = size(data.size)?;
        let (whole, tail) = match data.fragment {
            NO_FRAGMENT => (length.div_ceil(self.block.max(1)), 0),
            _ => (length / self.block.max(1), length % self.block.max(1)),
        };
        let (mut bytes, mut at) = (Vec::with_capacity(length), data.start);
        for _ in 0..whole {
            let stored = u32_at(&data.lengths.take(4)?, 0);
            let room = self.block.min(length - bytes.len());
            match stored & !DATA_PLAIN {
                // A hole.
                0 => bytes.resize(bytes.len() + room, 0),
                packed => {
                    let block = self.data(at, stored)?;
                    bytes.extend(block.get(..room).ok_or_else(odd)?);
                    at = at.checked_add(packed.into()).ok_or_else(odd)?;
                }
            }
        }
        if tail > 0 {
            let fragment = self.fragment(data.fragment)?;
            let from = size(data.offset.into())?;
            bytes.extend(fragment.get(from..from + tail).ok_or_else(odd)?);
        }
        Ok(bytes)
    }

    /// A fragment: a block that the ends of files share.
    fn fragment(&self, number: u32) -> io::Result<Vec<u8>> {
        let in_block = METADATA / FRAGMENT;
        let number = size(number.into())?;
        let pointer = u64::try_from(number / in_block * 8).map_err(|_| odd())?;
        let mut block = [0; 8];
        let pointer = self.fragments.checked_add(pointer).ok_or_else(odd)?;
        self.file.read_exact_at(&mut block, pointer)?;
        let mut entry = self.metadata(u64_at(&block, 0), number % in_block * FRAGMENT)?;
        let entry = entry.take(FRAGMENT as u64)?;
        self.data(u64_at(&entry, 0), u32_at(&entry, 8))
    }
}

impl Metadata<'_> {
    /// The next block.
    fn load(&mut self) -> io::Result<()> {
        let mut header = [0; 2];
        self.of.file.read_exact_at(&mut header, self.next)?;
        let header = u16_at(&header, 0);
        let length = header & !METADATA_PLAIN;
        let is_plain = header & METADATA_PLAIN != 0;
        let at = self.next.checked_add(2).ok_or_else(odd)?;
        self.block = self.of.block(at, length.into(), is_plain, METADATA)?;
        if self.block.is_empty() {
            return Err(odd());
        }
        self.next = at.checked_add(length.into()).ok_or_else(odd)?;
        self.at = 0;
        Ok(())
    }

    fn take(&mut self, length: u64) -> io::Result<Vec<u8>> {
        let length = size(length)?;
        let mut taken = Vec::new();
        while taken.len() < length {
            if self.at >= self.block.len() {
                self.load()?;
            }
            let rest = self.block.get(self.at..).unwrap_or_default();
            let part = rest.len().min(length - taken.len());
            taken.extend(rest.iter().take(part));
            self.at += part;
        }
        Ok(taken)
    }
}

/// The place of the inode and the name of each entry of a folder: they lie in runs, whose
/// inodes lie in one block.
fn entries(mut folder: &[u8]) -> io::Result<Vec<(u64, &[u8])>> {
    let mut entries = Vec::new();
    while !folder.is_empty() {
        let (run, mut rest) = folder.split_at_checked(12).ok_or_else(odd)?;
        let block = u64::from(u32_at(run, 4)) << 16;
        for _ in 0..=u32_at(run, 0) {
            let (entry, named) = rest.split_at_checked(8).ok_or_else(odd)?;
            let length = usize::from(u16_at(entry, 6)) + 1;
            let (name, next) = named.split_at_checked(length).ok_or_else(odd)?;
            entries.push((block | u64::from(u16_at(entry, 0)), name));
            rest = next;
        }
        folder = rest;
    }
    Ok(entries)
}

fn unpacks(compression: u16) -> io::Result<Unpack> {
    Ok(match compression {
        1 => |bytes, most| read(flate2::read::ZlibDecoder::new(bytes), most),
        4 => |bytes, most| read(lzma_rust2::XzReader::new(bytes, false), most),
        5 => |bytes, most| {
            let unpacked = lz4_flex::block::decompress(bytes, most);
            unpacked.map_err(|error| io::Error::other(error.to_string()))
        },
        6 => |bytes, most| zstd::bulk::decompress(bytes, most),
        _ => {
            let what = "it is compressed in a way that is not known here";
            return Err(io::Error::new(io::ErrorKind::Unsupported, what));
        }
    })
}

fn read(from: impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(u64::try_from(most).unwrap_or(u64::MAX))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Root for Squashfs {
    fn find(&self, path: &Path) -> io::Result<Option<Found>> {
        let Some(inode) = self.at(path)? else {
            return Ok(None);
        };
        Ok(Some(match inode {
            Inode::Folder(..) => Found::Folder,
            Inode::File(data) => Found::File(data.size),
            Inode::Link(mut to, length) => {
                Found::Link(PathBuf::from(OsString::from_vec(to.take(length)?)))
            }
            Inode::Other => Found::Other,
        }))
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let Inode::Folder(mut entries, length) = self.at(folder)?.ok_or(io::ErrorKind::NotFound)?
        else {
            return Err(io::ErrorKind::NotADirectory.into());
        };
        let entries = entries.take(length)?;
        let entries = self::entries(&entries)?.into_iter();
        Ok(entries
            .map(|(_, name)| OsString::from_vec(name.to_vec()))
            .collect())
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        match self.at(file)?.ok_or(io::ErrorKind::NotFound)? {
            Inode::File(data) => self.bytes(data),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}
