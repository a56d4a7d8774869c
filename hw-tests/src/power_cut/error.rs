//! What can go wrong in an exploration itself.

use super::log::LogError;
use super::region::Region;
use crate::machine;
use bootshim::medium::Fault;
use std::fmt;

/// Why an exploration could not be done; not a violation.
#[derive(thiserror::Error)]
pub enum Error {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The disk from before is not that of a controller.
    #[error("the disk before: {}", .0.found)]
    Disk(controller::error::Error),
    /// Reading the disk from before.
    #[error("the disk before: {0}")]
    Read(Fault),
    /// A write that was not confined to one partition.
    #[error("{length} bytes written at {offset} do not lie in one partition")]
    Across {
        /// Where.
        offset: u64,
        /// How many bytes.
        length: usize,
    },
    /// A write to record or slot that is not made of whole blocks of 4 KiB.
    #[error("{length} bytes written to {region} at {offset} are not whole blocks")]
    Crooked {
        /// To what.
        region: Region,
        /// Where on the disk.
        offset: u64,
        /// How many bytes.
        length: usize,
    },
    /// Two writes to one block with no flush between them: which comes last is
    /// then the drive's choice.
    #[error("the block at {offset}, in {region}, was written twice without a flush between")]
    Twice {
        /// In what.
        region: Region,
        /// Where on the disk.
        offset: u64,
    },
    /// The machine, or a file of the host.
    #[error(transparent)]
    Machine(#[from] machine::Error),
}

/// As [`fmt::Display`]: a test that unwraps it shows it so.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
