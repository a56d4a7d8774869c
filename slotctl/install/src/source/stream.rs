//! A stream: what is not wanted is read all the same, and thrown away.

use super::Trouble;
use images::header::Header;
use images::read::{self, ReadError};
use images::{Part, Refused};
use std::io::{self, Read};

/// Bytes that are thrown away at once.
const PART: usize = 64 << 10;

/// Something that is read once, from front to back.
pub(super) struct Stream {
    reader: Counted,
}

struct Counted {
    inner: Box<dyn Read + Send>,
    position: u64,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.position = self.position.saturating_add(read as u64);
        Ok(read)
    }
}

impl Stream {
    pub(super) fn new(inner: Box<dyn Read + Send>) -> Stream {
        Stream {
            reader: Counted { inner, position: 0 },
        }
    }

    /// How many bytes were read.
    pub(super) fn position(&self) -> u64 {
        self.reader.position
    }

    pub(super) fn head(&mut self) -> Result<(Header, Vec<u8>), Trouble> {
        Ok(read::head(&mut self.reader)?)
    }

    pub(super) fn read(&mut self, at: u64, buffer: &mut [u8], part: Part) -> Result<(), Trouble> {
        if !self.skip_to(at)? {
            let (expected, found) = (buffer.len() as u64, 0);
            let truncated = Refused::Truncated {
                part,
                expected,
                found,
            };
            return Err(ReadError::from(truncated).into());
        }
        Ok(read::whole(&mut self.reader, buffer, part)?)
    }

    pub(super) fn end(&mut self, header: &Header) -> Result<(), Trouble> {
        let expected = header.file_length();
        if !self.skip_to(expected)? {
            let found = self.position();
            return Err(Trouble::Length { found, expected });
        }
        Ok(read::end(&mut self.reader, header)?)
    }

    /// Throws away what comes before `at`; whether there is as much.
    fn skip_to(&mut self, at: u64) -> Result<bool, ReadError> {
        let mut rest = [0; PART];
        while let Some(left) = at.checked_sub(self.position()).filter(|left| *left > 0) {
            let length = usize::try_from(left).unwrap_or(PART).min(PART);
            let room = rest.get_mut(..length).unwrap_or_default();
            match self.reader.read(room) {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }
}
