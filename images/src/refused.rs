//! Why an image, or a slot's manifest, is not taken.

use alloc::vec::Vec;
use core::fmt;

use crate::key::KeyId;
use crate::manifest::Kind;

/// A field that does not say what it may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} (at byte {at})")]
pub struct Malformed {
    /// What is wrong, in words.
    pub what: &'static str,
    /// The offset in the structure that is read, in bytes.
    pub at: u64,
}

/// A part of an image, as an error names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The first 64 bytes.
    Header,
    /// Header, signatures, manifest, index and transport table together.
    Head,
    /// The signature area.
    Signatures,
    /// The key set.
    KeySet,
    /// The manifest.
    Manifest,
    /// The index of the slot's content.
    Index,
    /// The transport table.
    Table,
    /// The manifest area of a slot.
    SlotArea,
    /// The content of one piece, counted from 0.
    Piece(u64),
    /// The packed bytes of one chunk, counted from 0.
    Chunk(u64),
    /// One payload of a slot.
    Payload(Kind),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("header"),
            Self::Head => f.write_str("head"),
            Self::Signatures => f.write_str("signature area"),
            Self::KeySet => f.write_str("key set"),
            Self::Manifest => f.write_str("manifest"),
            Self::Index => f.write_str("index"),
            Self::Table => f.write_str("transport table"),
            Self::SlotArea => f.write_str("manifest area"),
            Self::Piece(number) => write!(f, "content of piece {number}"),
            Self::Chunk(number) => write!(f, "chunk {number}"),
            Self::Payload(kind) => write!(f, "{kind}"),
        }
    }
}

/// Why an image, or a slot's manifest, is not taken. Each is one sentence that
/// says what was found and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The file does not begin as an image does.
    #[error("not a slotctl image: it does not begin with the magic bytes of one")]
    NotAnImage,
    /// The manifest area of the slot is all zeros or something else altogether.
    #[error("no manifest in this slot: its last 64 KiB do not begin with the magic bytes")]
    NoManifest,
    /// Made by a later version.
    #[error("unknown format {found} of the {part}; a newer slotctl reads it")]
    UnknownFormat {
        /// What has the unknown format.
        part: Part,
        /// The number that was found.
        found: u32,
    },
    /// Not one signature.
    #[error("unsigned: the signature area holds no signature")]
    Unsigned,
    /// Signed, but by nobody who is trusted.
    #[error("no signature by a trusted key: signed by {}", KeyList(found))]
    NoTrustedSignature {
        /// Who signed.
        found: Vec<KeyId>,
    },
    /// A signature by a trusted key is not one over this manifest and table.
    #[error(
        "the signature by key {key} is wrong: manifest, transport table or signature were changed"
    )]
    SignatureWrong {
        /// Whose signature it claims to be.
        key: KeyId,
    },
    /// Signed by keys that are trusted, and not by enough of them.
    #[error("too few signatures by trusted keys: {found}, needed are {needed}")]
    TooFewSignatures {
        /// How many of them signed.
        found: u32,
        /// How many must.
        needed: u32,
    },
    /// Root keys are trusted, and they sign no images.
    #[error("no key set: this bootshim trusts root keys, which sign key sets and not images")]
    NoKeySet,
    /// Root keys do not vouch for the key set.
    #[error("key set not taken: {0}")]
    KeySetUnproven(Unproven),
    /// The key set was revoked.
    #[error("key set of epoch {epoch} was revoked: the floor is epoch {floor}")]
    KeySetBelowFloor {
        /// The epoch of the set.
        epoch: u64,
        /// The lowest that still counts.
        floor: u64,
    },
    /// The key set is not the one that the manifest names.
    #[error("the manifest names another key set than the one beside it")]
    OtherKeySet,
    /// A field that does not say what it may say.
    #[error("malformed {part}: {malformed}")]
    Malformed {
        /// Where.
        part: Part,
        /// What and at which byte.
        malformed: Malformed,
    },
    /// The data ends too early.
    #[error("truncated: {part} needs {expected} bytes, only {found} are there")]
    Truncated {
        /// What is incomplete.
        part: Part,
        /// How many bytes it needs.
        expected: u64,
        /// How many are there.
        found: u64,
    },
    /// More than any image may have.
    #[error("too large: {part} of {found} bytes, the limit is {limit}")]
    TooLarge {
        /// What is too large.
        part: Part,
        /// What it claims to need, in bytes.
        found: u64,
        /// The most that is read, in bytes.
        limit: u64,
    },
    /// A hash that the signed manifest binds does not fit the bytes.
    #[error("hash of {part} is wrong: its bytes are not the ones that were signed")]
    HashWrong {
        /// Whose hash.
        part: Part,
    },
    /// The hash of the packed bytes is right, and yet they do not unpack to
    /// what the index says: whoever built the image made a mistake.
    #[error("{part} does not unpack to the {expected} bytes that the index says")]
    DoesNotUnpack {
        /// Which chunk.
        part: Part,
        /// The length that the index says, in bytes.
        expected: u32,
    },
    /// The bytes are those that were signed, and yet Linux would not read the
    /// root through this tree: whoever built the image made a mistake.
    #[error("the verity tree is not that of the root filesystem; build the image again")]
    OtherTree,
    /// The bytes are those that were signed, and lie where nothing does.
    #[error(
        "byte {at} of the content belongs to no payload and is not zero; build the image again"
    )]
    NotZero {
        /// Where in the slot, in bytes.
        at: u64,
    },
    /// Something follows where the image ends.
    #[error("trailing bytes: the image ends at byte {end}, and more follows")]
    TrailingBytes {
        /// The length of the image, in bytes.
        end: u64,
    },
}

/// Why signatures do not prove who made something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// Not one signature.
    #[error("it is not signed")]
    Unsigned,
    /// Signed, but by nobody who is trusted.
    #[error("not signed by a trusted root key, but by {}", KeyList(found))]
    NotTrusted {
        /// Who signed.
        found: Vec<KeyId>,
    },
    /// A signature that claims to be by a trusted key, and is not.
    #[error("the signature by key {key} is wrong")]
    Wrong {
        /// Whose signature it claims to be.
        key: KeyId,
    },
    /// Not enough of the trusted keys signed.
    #[error("signed by {found} trusted root keys, needed are {needed}")]
    TooFew {
        /// How many of them signed.
        found: u32,
        /// How many must.
        needed: u32,
    },
}

/// What it means for an image.
impl From<Unproven> for Refused {
    fn from(unproven: Unproven) -> Self {
        match unproven {
            Unproven::Unsigned => Self::Unsigned,
            Unproven::NotTrusted { found } => Self::NoTrustedSignature { found },
            Unproven::Wrong { key } => Self::SignatureWrong { key },
            Unproven::TooFew { found, needed } => Self::TooFewSignatures { found, needed },
        }
    }
}

impl Malformed {
    /// The refusal that says in which part this was found.
    #[must_use]
    pub fn of(self, part: Part) -> Refused {
        Refused::Malformed {
            part,
            malformed: self,
        }
    }
}

/// Key ids with commas between.
struct KeyList<'a>(&'a [KeyId]);

impl fmt::Display for KeyList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, key) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{key}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
