//! A stream: what is not wanted is read all the same, and thrown away.

use super::Trouble;
use images::Part;
use images::header::Header;
use images::read;
use std::io::{self, Read};

/// Something that is read once, from front to back.
pub(super) struct Stream {
    inner: Box<dyn Read + Send>,
    /// How many bytes were read.
    pub(super) position: u64,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.position = self.position.saturating_add(read as u64);
        Ok(read)
    }
}

impl Stream {
    pub(super) fn new(inner: impl Read + Send + 'static) -> Stream {
        let inner = Box::new(inner);
        Stream { inner, position: 0 }
    }

    pub(super) fn read_at(
        &mut self,
        at: u64,
        buffer: &mut [u8],
        part: Part,
    ) -> Result<(), Trouble> {
        self.skip_to(at)?;
        Ok(read::whole(self, buffer, part)?)
    }

    pub(super) fn end(&mut self, header: &Header) -> Result<(), Trouble> {
        let (expected, found) = (header.file_length(), self.skip_to(header.file_length())?);
        match found < expected {
            true => Err(Trouble::Length { found, expected }),
            false => Ok(read::end(self, header)?),
        }
    }

    /// Throws away what comes before `at`; where it is then, which is less if it ends.
    fn skip_to(&mut self, at: u64) -> io::Result<u64> {
        let left = at.saturating_sub(self.position);
        io::copy(&mut self.by_ref().take(left), &mut io::sink())?;
        Ok(self.position)
    }
}
