//! Reading little-endian fields from a bounded slice with `nom`.

use nom::bytes::complete::take;
use nom::error::Error;
use nom::number::complete::{le_u8, le_u16, le_u32, le_u64};
use nom::{IResult, Parser};

use crate::{Digest, Malformed};

/// What is left of a slice, and where in it we are: so that an error can say
/// at which byte.
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    whole: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            whole: bytes.len(),
        }
    }

    /// The offset of the next byte.
    pub(crate) fn at(&self) -> u64 {
        // The rest is a part of the whole.
        (self.whole - self.rest.len()) as u64
    }

    /// An error about the next byte.
    pub(crate) fn malformed(&self, what: &'static str) -> Malformed {
        Malformed {
            what,
            at: self.at(),
        }
    }

    fn read<T>(
        &mut self,
        what: &'static str,
        mut parser: impl Parser<&'a [u8], Output = T, Error = Error<&'a [u8]>>,
    ) -> Result<T, Malformed> {
        let parsed: IResult<&'a [u8], T> = parser.parse(self.rest);
        let (rest, value) = parsed.map_err(|_| self.malformed(what))?;
        self.rest = rest;
        Ok(value)
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, Malformed> {
        self.read(what, le_u8)
    }

    pub(crate) fn u16(&mut self, what: &'static str) -> Result<u16, Malformed> {
        self.read(what, le_u16)
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, Malformed> {
        self.read(what, le_u32)
    }

    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, Malformed> {
        self.read(what, le_u64)
    }

    pub(crate) fn slice(&mut self, what: &'static str, len: usize) -> Result<&'a [u8], Malformed> {
        self.read(what, take(len))
    }

    pub(crate) fn array<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<[u8; N], Malformed> {
        let at = self.at();
        let bytes = self.slice(what, N)?;
        bytes.try_into().map_err(|_| Malformed { what, at })
    }

    pub(crate) fn digest(&mut self, what: &'static str) -> Result<Digest, Malformed> {
        self.array(what)
    }

    /// `len` bytes that must be zero.
    pub(crate) fn zeros(&mut self, what: &'static str, len: usize) -> Result<(), Malformed> {
        let start = self.at();
        let bytes = self.slice(what, len)?;
        match bytes.iter().position(|byte| *byte != 0) {
            None => Ok(()),
            Some(offset) => Err(Malformed {
                what,
                at: start + offset as u64,
            }),
        }
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Nothing may be left.
    pub(crate) fn end(&self, what: &'static str) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.malformed(what))
        }
    }
}

/// `value` rounded up to a multiple of [`crate::ALIGN`], unless that leaves 64 bits.
pub(crate) fn round_up(value: u64) -> Option<u64> {
    value.checked_next_multiple_of(crate::ALIGN)
}

#[cfg(test)]
mod tests;
