//! What is said when copies of the boot record cannot be read.

use crate::error::Error;
use bootshim::copies::{COPIES, Copy};

/// The fault for which a copy cannot be read.
pub(super) fn copy(copy: &Copy) -> Option<Error> {
    match copy {
        Copy::Unreadable(fault) => Some(Error::fault("reading the boot record", *fault)),
        _ => None,
    }
}

/// The fault for which a whole pair of copies cannot be read. The record that
/// counts may be on it: what an older one refuses says nothing.
pub(super) fn pair(copies: &[Copy; COPIES]) -> Option<Error> {
    let [a, b, c, d] = copies;
    let mut pairs = [(a, b), (c, d)].into_iter();
    pairs.find_map(|(first, second)| copy(first).and(copy(second)))
}
