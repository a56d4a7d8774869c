//! A medium as a stream of bytes, for the crates that write partition tables
//! and filesystems: they read and write in pieces of any length, a medium is
//! written in whole blocks only.

use bootshim::medium::{Access, BLOCK, Cause, Fault, Medium};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};

const BLOCK_BYTES: usize = 4096;

struct Block {
    bytes: Box<[u8; BLOCK_BYTES]>,
    /// What it was, once it was written to.
    before: Option<Box<[u8; BLOCK_BYTES]>>,
}

impl Block {
    fn is_changed(&self) -> bool {
        self.before
            .as_ref()
            .is_some_and(|before| *before != self.bytes)
    }
}

/// A medium with a position. The blocks that were touched stay in memory, and
/// those that were changed go to the medium with [`Stream::store`] and only then:
/// the crates flush after every few bytes.
pub struct Stream<M> {
    medium: M,
    position: u64,
    blocks: BTreeMap<u64, Block>,
    readable: u64,
}

impl<M: Medium> Stream<M> {
    /// A stream from the first byte of `medium`.
    pub fn new(medium: M) -> Stream<M> {
        Stream::bounded(medium, u64::MAX)
    }

    /// The same, but reading fails after `bytes` bytes in all: links in a
    /// damaged filesystem may lead in a circle.
    pub fn bounded(medium: M, bytes: u64) -> Stream<M> {
        Stream {
            medium,
            position: 0,
            blocks: BTreeMap::new(),
            readable: bytes,
        }
    }

    /// The blocks that wait for [`Stream::store`], in the order in which they lie.
    pub fn changed(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let changed = self.blocks.values_mut().filter(|block| block.is_changed());
        changed.map(|block| block.bytes.as_mut_slice())
    }

    /// Writes what was changed to the medium and makes it durable. Bytes around what
    /// was changed go back with it, so each block is read again before: a bit that a
    /// device once gave wrong must not get onto it. Where that fails, what was changed is
    /// kept, to be written again.
    pub fn store(&mut self) -> io::Result<()> {
        let changed = self.blocks.iter_mut();
        for (start, block) in changed.filter(|(_, block)| block.is_changed()) {
            let mut again = Box::new([0; BLOCK_BYTES]);
            let rest = to_usize(self.medium.len().saturating_sub(*start));
            if let Some(room) = again.get_mut(..rest.min(BLOCK_BYTES)) {
                self.medium.read_at(*start, room).map_err(to_io)?;
            }
            if block.before.as_ref() != Some(&again) {
                return Err(io::Error::other(Fault {
                    access: Access::Read,
                    offset: *start,
                    length: BLOCK,
                    cause: Cause::Differs,
                }));
            }
            self.medium
                .write_at(*start, block.bytes.as_slice())
                .map_err(to_io)?;
            block.before = None;
        }
        self.medium.flush().map_err(to_io)
    }

    /// The block at the position, the place in it, and how much of it there is
    /// from there on; `None` at the end.
    fn here(&mut self) -> io::Result<Option<(&mut Block, usize, usize)>> {
        let start = self.position - self.position % BLOCK;
        let rest = self.medium.len().saturating_sub(start).min(BLOCK);
        let (at, end) = (to_usize(self.position - start), to_usize(rest));
        if at >= end {
            return Ok(None);
        }
        let block = match self.blocks.entry(start) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(vacant) => {
                let mut bytes = Box::new([0; BLOCK_BYTES]);
                if let Some(room) = bytes.get_mut(..end) {
                    self.medium.read_at(start, room).map_err(to_io)?;
                }
                vacant.insert(Block {
                    bytes,
                    before: None,
                })
            }
        };
        Ok(Some((block, at, end)))
    }

    fn advance(&mut self, bytes: usize) {
        self.position = self.position.saturating_add(to_u64(bytes));
    }
}

impl<M: Medium> Read for Stream<M> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut taken = 0;
        if let Some((block, at, end)) = self.here()? {
            let from = block.bytes.get(at..end).unwrap_or_default();
            for (to, from) in buf.iter_mut().zip(from) {
                *to = *from;
            }
            taken = buf.len().min(from.len());
        }
        self.readable = self
            .readable
            .checked_sub(to_u64(taken))
            .ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "it leads in a circle"))?;
        self.advance(taken);
        Ok(taken)
    }
}

impl<M: Medium> Write for Stream<M> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let Some((block, at, end)) = self.here()? else {
            return Ok(0);
        };
        block.before.get_or_insert_with(|| block.bytes.clone());
        let room = block.bytes.get_mut(at..end).unwrap_or_default();
        let taken = buf.len().min(room.len());
        for (to, from) in room.iter_mut().zip(buf) {
            *to = *from;
        }
        self.advance(taken);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<M: Medium> Seek for Stream<M> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::Current(step) => self.position.checked_add_signed(step),
            SeekFrom::End(step) => self.medium.len().checked_add_signed(step),
        };
        self.position = place.ok_or(ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

impl<M> fmt::Debug for Stream<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

/// A fault as the error that the operating system gave, where it gave one.
fn to_io(fault: Fault) -> io::Error {
    match fault.cause {
        Cause::Device(errno) => io::Error::from_raw_os_error(errno),
        _ => io::Error::other(fault),
    }
}

fn to_usize(small: u64) -> usize {
    usize::try_from(small).unwrap_or(usize::MAX)
}

fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fakedisk::FakeDisk;

    #[test]
    fn what_was_written_in_pieces_lies_on_the_medium_once_it_is_stored_and_not_before() {
        let medium = FakeDisk::new(16384);
        medium.write_at(4096, &[1; 4096]).unwrap();
        let mut stream = Stream::new(&medium);
        stream.seek(SeekFrom::Start(4000)).unwrap();
        stream.write_all(&[7; 200]).unwrap();
        assert_eq!(medium.content().bytes(4096..8192), [1; 4096]);
        stream.store().unwrap();
        let mut back = [0; 300];
        medium.read_at(3950, &mut back).unwrap();
        assert_eq!(
            (&back[..50], &back[50..250], &back[250..]),
            (&[0; 50][..], &[7; 200][..], &[1; 50][..])
        );
        assert_eq!(medium.content().places().count(), 2);
    }

    #[test]
    fn a_stream_ends_where_its_medium_ends() {
        let medium = FakeDisk::new(4096 + 512);
        let mut stream = Stream::new(&medium);
        let mut all = Vec::new();
        assert_eq!(stream.read_to_end(&mut all).unwrap(), 4608);
        assert_eq!(
            stream.write_all(&[1]).unwrap_err().kind(),
            ErrorKind::WriteZero
        );
        stream.seek(SeekFrom::Start(u64::MAX)).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        assert!(stream.seek(SeekFrom::Current(1)).is_err());
        assert!(stream.seek(SeekFrom::End(-5000)).is_err());
    }

    #[test]
    fn reading_in_a_circle_comes_to_an_end() {
        let medium = FakeDisk::new(8192);
        let mut stream = Stream::bounded(&medium, 10_000);
        let error = (0..1000).find_map(|_| {
            stream.seek(SeekFrom::Start(0)).unwrap();
            stream.read_exact(&mut [0; 512]).err()
        });
        assert_eq!(error.unwrap().kind(), ErrorKind::InvalidData);
    }
}
