//! Reading an image from a stream: a file, a pipe, a connection.

use std::io::{self, Read};
use std::path::PathBuf;
use std::vec;
use std::vec::Vec;

use crate::header::{HEADER_LEN, Header};
use crate::{Part, Refused};

/// Why an image could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source failed; that says nothing about the image.
    #[error("cannot read the image: {0}")]
    Io(#[from] io::Error),
    /// The image is not taken.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// What it unpacks to cannot be kept for a while.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// A place for large files that takes none, or gives none back.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep unpacked content in {}: {source}", directory.display())]
pub struct SpoolError {
    /// Which place.
    pub directory: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// The header, and the bytes between it and the payload: at most 16 MiB, not
/// yet verified. For [`crate::head::Head::open`].
///
/// # Errors
/// [`ReadError`]: I/O, no image, or one that ends within its head.
pub fn head(reader: &mut impl Read) -> Result<(Header, Vec<u8>), ReadError> {
    let mut first = [0; HEADER_LEN];
    let found = fill(reader, &mut first)?;
    let header = Header::parse(first.get(..found).unwrap_or_default())?;
    let mut rest = vec![0; header.rest_length()];
    whole(reader, &mut rest, Part::Head)?;
    Ok((header, rest))
}

/// Fills `buffer`, which is one part of the image.
///
/// # Errors
/// [`Refused::Truncated`] if the source ends before.
pub fn whole(reader: &mut impl Read, buffer: &mut [u8], part: Part) -> Result<(), ReadError> {
    let found = fill(reader, buffer)? as u64;
    let expected = buffer.len() as u64;
    if found < expected {
        let truncated = Refused::Truncated {
            part,
            expected,
            found,
        };
        return Err(truncated.into());
    }
    Ok(())
}

/// Nothing may follow the payload of an image.
///
/// # Errors
/// [`Refused::TrailingBytes`] if something does.
pub fn end(reader: &mut impl Read, header: &Header) -> Result<(), ReadError> {
    if fill(reader, &mut [0])? > 0 {
        let end = header.file_length();
        return Err(Refused::TrailingBytes { end }.into());
    }
    Ok(())
}

/// Reads until `buffer` is full or the source ends; how many bytes it gave.
pub(crate) fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match reader.read(room) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
