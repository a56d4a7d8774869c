//! A file: only what is wanted is read.

use super::Trouble;
use images::Part;
use images::header::Header;
use images::read;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use std::fs::File;
use std::io::{Seek, SeekFrom};

/// How far ahead the kernel is asked to read. By itself it reads so little ahead
/// that a fast disk waits for its requests.
const AHEAD: u64 = 8 << 20;

/// An ordinary file.
pub(super) struct Plain {
    file: File,
    pub(super) fetched: u64,
    /// Up to where the kernel was asked to read ahead.
    asked: u64,
}

impl Plain {
    pub(super) fn new(file: File) -> Plain {
        Plain {
            file,
            fetched: 0,
            asked: 0,
        }
    }

    pub(super) fn head(&mut self) -> Result<(Header, Vec<u8>), Trouble> {
        let head = read::head(&mut self.file)?;
        self.fetched = self.file.stream_position()?;
        Ok(head)
    }

    pub(super) fn read_at(
        &mut self,
        at: u64,
        buffer: &mut [u8],
        part: Part,
    ) -> Result<(), Trouble> {
        self.ask_ahead(at);
        self.file.seek(SeekFrom::Start(at))?;
        read::whole(&mut self.file, buffer, part)?;
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

    pub(super) fn end(&self, header: &Header) -> Result<(), Trouble> {
        let (found, expected) = (self.file.metadata()?.len(), header.file_length());
        match found == expected {
            true => Ok(()),
            false => Err(Trouble::Length { found, expected }),
        }
    }
}
