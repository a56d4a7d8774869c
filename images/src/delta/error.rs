//! Why a delta was not built.

use std::io;
use std::path::PathBuf;
use std::string::String;

use crate::build::BuildError;
use crate::read::{ReadError, SpoolError};
use crate::signature::NotAdded;

/// Why a delta was not built. Nothing was left behind.
#[derive(Debug, thiserror::Error)]
pub enum DeltaError {
    /// One of the images cannot be read, or is none.
    #[error("{}: {_1}", _0.display())]
    Input(PathBuf, ReadError),
    /// One of the images is itself a delta.
    #[error("{} is a delta and has no content of its own; name the full image", .0.display())]
    OfADelta(PathBuf),
    /// The images are for different machines.
    #[error("the old image is for \"{from}\" and the new one for \"{to}\"")]
    OtherMachine {
        /// For which machine the old one is.
        from: String,
        /// For which machine the new one is.
        to: String,
    },
    /// There is no room for the content of the images.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// A chunk cannot be made.
    #[error("cannot make a chunk: {0}")]
    Pack(#[from] io::Error),
    /// The delta cannot be written.
    #[error(transparent)]
    Output(#[from] BuildError),
    /// The same key twice, or too many keys.
    #[error(transparent)]
    Signature(#[from] NotAdded),
}
