//! Where the inputs go in the slot, known from their lengths alone.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::vec::Vec;

use super::BuildError;
use crate::bytes::round_up;
use crate::header::Header;
use crate::manifest::{Kind, Payload};
use crate::{Digest, Malformed, PIECE_MAX, index, table};

/// An input and its place in the slot.
pub(super) struct Placed {
    pub(super) kind: Kind,
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// All inputs and their places, one behind the other.
pub(super) struct Layout {
    pub(super) inputs: Vec<Placed>,
    pub(super) content_len: u64,
    pieces: u64,
}

const TOO_LARGE: Malformed = Malformed {
    what: "the inputs are longer than any slot",
    at: 0,
};

impl Layout {
    /// Opens the inputs and lays them out. Each begins a new piece: a kernel
    /// that did not change then has the same pieces, wherever it lies.
    pub(super) fn plan(paths: &[(Kind, &Path)]) -> Result<Self, BuildError> {
        let mut layout = Self {
            inputs: Vec::new(),
            content_len: 0,
            pieces: 0,
        };
        for (kind, path) in paths {
            let file = File::open(path).map_err(BuildError::input(path))?;
            let metadata = file.metadata().map_err(BuildError::input(path))?;
            if !metadata.is_file() {
                return Err(BuildError::NotAFile(path.into()));
            }
            if metadata.len() == 0 {
                return Err(BuildError::Empty(path.into()));
            }
            layout.add(*kind, path, file, metadata.len())?;
        }
        Ok(layout)
    }

    fn add(&mut self, kind: Kind, path: &Path, file: File, length: u64) -> Result<(), Malformed> {
        let padded = round_up(length).ok_or(TOO_LARGE)?;
        self.inputs.push(Placed {
            kind,
            path: path.into(),
            file,
            offset: self.content_len,
            length,
        });
        self.pieces += padded.div_ceil(u64::from(PIECE_MAX));
        self.content_len = self.content_len.checked_add(padded).ok_or(TOO_LARGE)?;
        Ok(())
    }

    pub(super) fn index_len(&self) -> u64 {
        self.pieces.saturating_mul(index::ENTRY_LEN as u64)
    }

    /// The payloads, with all hashes zero.
    pub(super) fn payloads(&self) -> Vec<Payload> {
        let payload = |input: &Placed| Payload {
            kind: input.kind,
            offset: input.offset,
            length: input.length,
            hash: Digest::default(),
        };
        self.inputs.iter().map(payload).collect()
    }

    /// The header, with no payload yet; refused if the head is too large.
    pub(super) fn header(&self, manifest_len: usize) -> Result<Header, BuildError> {
        let header = Header {
            manifest_len: u32::try_from(manifest_len).unwrap_or(u32::MAX),
            index_len: self.index_len(),
            table_len: self.pieces.saturating_mul(table::ENTRY_LEN as u64),
            payload_len: 0,
        };
        header.check()?;
        Ok(header)
    }
}
