//! The content of a whole image from a stream, group by group, on all cores.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::vec;
use std::vec::Vec;

use crate::Part;
use crate::chunk::{Ground, UnpackError, Unpacker};
use crate::group::{self, Group};
use crate::head::Head;
use crate::pipeline::{self, Pool};
use crate::read::{self, ReadError, SpoolError};

/// A group whose content is right.
#[derive(Debug)]
pub(crate) struct Unpacked<'a, T> {
    pub(crate) group: Group<'a>,
    pub(crate) content: Vec<u8>,
    /// What was seen in it.
    pub(crate) seen: T,
}

/// Takes the content of a full image whose head was read from `reader`, and
/// gives it to `sink` group by group. `spool` keeps what it is to keep. `look` is
/// shown each group, with its place in the slot, on any core.
pub(crate) fn unpack<T: Send, E: From<ReadError> + Send>(
    mut reader: impl Read + Send,
    head: &Head,
    spool: &Spool,
    look: impl Fn(u64, &[u8]) -> T + Sync,
    mut sink: impl FnMut(Unpacked<'_, T>) -> Result<(), E> + Send,
) -> Result<(), E> {
    let limit = head.table.self_limit();
    let unpackers = Pool::new();
    let mut groups = group::of(head).peekable();
    // What is made of the image's own content begins when that is spooled.
    for end in [limit, u64::MAX] {
        pipeline::run(
            || {
                let next = groups.next_if(|group| group.offset() < end);
                Ok(next.map(|group| packed(&mut reader, group)).transpose()?)
            },
            |(group, packed)| {
                let made = unpackers.with(
                    || Unpacker::new().map_err(ReadError::from),
                    |unpacker| content(unpacker, &group, &packed, spool),
                )?;
                Ok(Unpacked {
                    seen: look(group.offset(), &made),
                    group,
                    content: made,
                })
            },
            |unpacked| {
                let kept = spool.put(unpacked.group.offset(), &unpacked.content);
                kept.map_err(|error| ReadError::from(spool.failed(error)))?;
                sink(unpacked)
            },
        )?;
    }
    Ok(())
}

type Packed<'a> = (Group<'a>, Vec<Vec<u8>>);

fn packed<'a>(reader: &mut impl Read, group: Group<'a>) -> Result<Packed<'a>, ReadError> {
    let mut all = Vec::new();
    for chunk in &group.chunks {
        // At most 1 MiB.
        let mut packed = vec![0; usize::try_from(chunk.entry.length).unwrap_or(0)];
        read::whole(reader, &mut packed, Part::Chunk(chunk.number))?;
        all.push(packed);
    }
    Ok((group, all))
}

fn content(
    unpacker: &mut Unpacker,
    group: &Group<'_>,
    packed: &[Vec<u8>],
    spool: &Spool,
) -> Result<Vec<u8>, ReadError> {
    let mut content = vec![0; group.len()];
    let mut at = 0;
    for (chunk, packed) in group.chunks.iter().zip(packed) {
        let mut ground = spool;
        unpacker
            .unpack(chunk, packed, &mut content, at, &mut ground)
            .map_err(|error| match error {
                UnpackError::Refused(refused) | UnpackError::GroundDiffers(refused) => {
                    ReadError::Refused(refused)
                }
                UnpackError::Ground(error) => spool.failed(error).into(),
            })?;
        at = at.saturating_add(usize::try_from(chunk.content_len()).unwrap_or(0));
    }
    Ok(content)
}

/// Where large files go for a while (Filesystem Hierarchy Standard, 5.15): often
/// `/tmp` is memory.
const LARGE: &str = "/var/tmp";

/// Content that was unpacked, in a file without a name.
#[derive(Debug)]
pub(crate) struct Spool {
    file: Option<File>,
    directory: PathBuf,
    /// How much of the content is kept, in bytes.
    kept: u64,
    /// How much of it patches are made of.
    ground: u64,
}

impl Spool {
    /// Keeps what the groups of this image are made of, on disk; no file where that
    /// is nothing.
    pub(crate) fn for_patches(head: &Head) -> Result<Self, SpoolError> {
        Self::new(head.table.self_limit(), head, Path::new(LARGE))
    }

    /// Keeps all content of this image, in a file without a name in `directory`.
    pub(crate) fn for_all(head: &Head, directory: &Path) -> Result<Self, SpoolError> {
        Self::new(u64::MAX, head, directory)
    }

    fn new(kept: u64, head: &Head, directory: &Path) -> Result<Self, SpoolError> {
        let mut spool = Self {
            file: None,
            directory: directory.into(),
            kept,
            ground: head.table.self_limit(),
        };
        if kept > 0 {
            let file = tempfile::tempfile_in(directory);
            spool.file = Some(file.map_err(|error| spool.failed(error))?);
        }
        Ok(spool)
    }

    /// The place is to blame, not what comes from it or goes into it.
    fn failed(&self, source: io::Error) -> SpoolError {
        SpoolError {
            directory: self.directory.clone(),
            source,
        }
    }

    fn put(&self, offset: u64, content: &[u8]) -> io::Result<()> {
        match &self.file {
            Some(file) if offset < self.kept => file.write_all_at(content, offset),
            _ => Ok(()),
        }
    }

    /// Fills a buffer from what was kept.
    pub(crate) fn read(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        let Some(file) = &self.file else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        file.read_exact_at(buffer, at)
    }
}

impl Ground for &Spool {
    type Error = io::Error;
    fn len(&self) -> u64 {
        self.ground
    }
    fn read(&mut self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        Spool::read(self, at, buffer)
    }
}
