//! Signed orders: what a controller is told to do, and when it may.
//!
//! [`order`] is the document and who signed it, [`due`] decides whether it may be carried
//! out now, [`calendar`] knows when a window opens.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::cast_possible_truncation,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used,
        reason = "in a test, each of them is a failure that is seen"
    )
)]

pub use images::Digest;
pub use jiff::Timestamp;

/// The 32 bytes of 64 hexadecimal digits in lower case: one spelling of each, so that a
/// person who compares two is not misled.
#[must_use]
pub fn digest_of_hex(text: &str) -> Option<Digest> {
    let upper = text.bytes().any(|byte| byte.is_ascii_uppercase());
    let hash = blake3::Hash::from_hex(text).ok().filter(|_| !upper)?;
    Some(*hash.as_bytes())
}

pub mod calendar;
pub mod due;
pub mod order;
