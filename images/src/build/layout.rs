//! Where the inputs go in the slot, and how they are cut, known from their
//! lengths and from where the root filesystem has its files.

use std::fs::File;
use std::path::PathBuf;
use std::vec;
use std::vec::Vec;

use super::BuildError;
use super::input::Input;
use crate::bytes::round_up;
use crate::header::Header;
use crate::index::Piece;
use crate::key_set::SignedKeySet;
use crate::manifest::{Kind, Payload};
use crate::verity::Shape;
use crate::{Digest, FILE_FORMAT, FILE_FORMAT_KEY_SET, Malformed, PIECE_MAX, index, table};

/// A payload and its place in the slot.
pub(super) struct Placed {
    pub(super) kind: Kind,
    pub(super) source: Source,
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// Where the bytes of a payload come from.
pub(super) enum Source {
    /// An input.
    File(PathBuf, File),
    /// The verity tree, which is made while the root is read.
    Tree,
}

/// All payloads and their places, one behind the other.
pub(super) struct Layout {
    pub(super) inputs: Vec<Placed>,
    pub(super) content_len: u64,
    /// All pieces, with all hashes zero.
    pub(super) pieces: Vec<Piece>,
    /// Chunks from here on may be made of content before here: the initrd of
    /// the root filesystem's files. 0 where there is none.
    pub(super) self_limit: u64,
}

const TOO_LARGE: Malformed = Malformed {
    what: "the inputs are longer than any slot",
    at: 0,
};

impl Layout {
    /// Lays the inputs out, the verity tree behind the root. Each begins a new
    /// piece: a kernel that did not change then has the same pieces, wherever it
    /// lies.
    pub(super) fn plan(inputs: Vec<Input>) -> Result<Self, BuildError> {
        let mut layout = Self {
            inputs: Vec::new(),
            content_len: 0,
            pieces: Vec::new(),
            self_limit: 0,
        };
        for input in inputs {
            let (kind, length) = (input.kind, input.length);
            let source = Source::File(input.path, input.file);
            layout.add(kind, source, length, &input.borders)?;
            if kind == Kind::Rootfs {
                let tree = Shape::over(length).length();
                layout.add(Kind::Verity, Source::Tree, tree, &[])?;
            }
        }
        let initrd = layout
            .inputs
            .iter()
            .find(|input| input.kind == Kind::Initrd);
        let starts = |input: &&Placed| index::starts_group(&layout.pieces, input.offset);
        layout.self_limit = initrd.filter(starts).map_or(0, |input| input.offset);
        Ok(layout)
    }

    fn add(
        &mut self,
        kind: Kind,
        source: Source,
        length: u64,
        borders: &[u64],
    ) -> Result<(), Malformed> {
        let padded = round_up(length).ok_or(TOO_LARGE)?;
        let offset = self.content_len;
        self.content_len = self.content_len.checked_add(padded).ok_or(TOO_LARGE)?;
        let mut at = offset;
        for piece in cut(borders, padded) {
            self.pieces.push(Piece {
                offset: at,
                length: piece,
                hash: Digest::default(),
            });
            at += u64::from(piece);
        }
        self.inputs.push(Placed {
            kind,
            source,
            offset,
            length,
        });
        Ok(())
    }

    /// Where the group begins that has the first byte of the verity tree: what is
    /// before it is root alone.
    pub(super) fn tree_group(&self) -> u64 {
        let tree = self.inputs.iter().find(|input| input.kind == Kind::Verity);
        let tree = tree.map_or(0, |tree| tree.offset);
        let (mut first, mut begins) = (0, 0);
        while let Some(piece) = self.pieces.get(first).filter(|piece| piece.offset <= tree) {
            begins = piece.offset;
            first = index::group_end(&self.pieces, first);
        }
        begins
    }

    pub(super) fn index_len(&self) -> u64 {
        (self.pieces.len() as u64).saturating_mul(crate::INDEX_ENTRY_LEN as u64)
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
    pub(super) fn header(
        &self,
        manifest_len: usize,
        key_set: Option<&SignedKeySet>,
    ) -> Result<Header, BuildError> {
        let key_set = key_set.map(SignedKeySet::encode).transpose()?;
        let start = table::encode_start(None, self.self_limit).len() as u64;
        let entries = (self.pieces.len() as u64).saturating_mul(table::ENTRY_LEN as u64);
        let header = Header {
            format: key_set
                .as_ref()
                .map_or(FILE_FORMAT, |_| FILE_FORMAT_KEY_SET),
            key_set_len: u32::try_from(key_set.map_or(0, |set| set.len())).unwrap_or(u32::MAX),
            manifest_len: u32::try_from(manifest_len).unwrap_or(u32::MAX),
            index_len: self.index_len(),
            table_len: start.saturating_add(entries),
            payload_len: 0,
        };
        header.check()?;
        Ok(header)
    }
}

/// The lengths of the pieces between borders, none longer than it may be.
fn cut(borders: &[u64], length: u64) -> Vec<u32> {
    let (mut lengths, mut at) = (vec![], 0);
    for border in borders.iter().copied().chain([length]) {
        while let Some(left) = border.checked_sub(at).filter(|left| *left > 0) {
            let piece = u32::try_from(left).unwrap_or(PIECE_MAX).min(PIECE_MAX);
            lengths.push(piece);
            at += u64::from(piece);
        }
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_end_at_borders_and_are_never_too_long() {
        let max = u64::from(PIECE_MAX);
        assert_eq!(cut(&[], 2 * max + 4096), [PIECE_MAX, PIECE_MAX, 4096]);
        assert_eq!(cut(&[4096, 4096, max], max), [4096, PIECE_MAX - 4096]);
        assert_eq!(cut(&[max + 8192], max + 12288), [PIECE_MAX, 8192, 4096]);
    }
}
