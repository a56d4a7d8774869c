//! A file: only what is wanted is read.

use super::Trouble;
use images::Part;
use images::header::Header;
use images::read::{self, ReadError};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// How far ahead the kernel is asked to read. By itself it reads so little ahead
/// that a fast disk waits for its requests.
const AHEAD: u64 = 8 << 20;

/// An ordinary file.
pub(super) struct Plain {
    file: File,
    fetched: u64,
    /// Up to where the kernel was asked to read ahead.
    asked: u64,
}

/// Reads a file from one place on, whatever its own position is.
struct From<'a> {
    file: &'a File,
    at: u64,
}

impl Read for From<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at = self.at.saturating_add(read as u64);
        Ok(read)
    }
}

impl Plain {
    pub(super) fn new(file: File) -> Plain {
        Plain {
            file,
            fetched: 0,
            asked: 0,
        }
    }

    pub(super) fn fetched(&self) -> u64 {
        self.fetched
    }

    pub(super) fn head(&mut self) -> Result<(Header, Vec<u8>), Trouble> {
        let mut start = From {
            file: &self.file,
            at: 0,
        };
        let head = read::head(&mut start)?;
        self.fetched = self.fetched.saturating_add(start.at);
        Ok(head)
    }

    pub(super) fn read(&mut self, at: u64, buffer: &mut [u8], part: Part) -> Result<(), Trouble> {
        self.ask_ahead(at);
        let file = &self.file;
        read::whole(&mut From { file, at }, buffer, part)?;
        self.fetched = self.fetched.saturating_add(buffer.len() as u64);
        Ok(())
    }

    fn ask_ahead(&mut self, at: u64) {
        let until = at.saturating_add(AHEAD);
        if until.saturating_sub(self.asked) < AHEAD / 4 {
            return;
        }
        let from = at.max(self.asked);
        let length = until.saturating_sub(from);
        if let (Ok(from), Ok(length)) = (from.try_into(), length.try_into()) {
            // Advice: where it is not taken, reading waits.
            let will_need = PosixFadviseAdvice::POSIX_FADV_WILLNEED;
            let _ = posix_fadvise(&self.file, from, length, will_need);
        }
        self.asked = until;
    }

    pub(super) fn end(&mut self, header: &Header) -> Result<(), Trouble> {
        let length = self.file.metadata().map_err(ReadError::Io)?.len();
        let (found, expected) = (length, header.file_length());
        match found == expected {
            true => Ok(()),
            false => Err(Trouble::Length { found, expected }),
        }
    }
}
