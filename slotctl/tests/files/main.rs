//! What `slotctl` promises, tried through its front door on disk image files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "in a test, each of them is a failure that is seen"
)]

mod bench;
mod images_refused;
mod plant;
mod ran;
