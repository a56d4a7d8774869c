//! What tests put in the place of a disk, and the smallest things to lay on it.

#![forbid(unsafe_code)]
// It serves tests, where a panic is the answer to what must not happen.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc
)]

mod blank;
mod copies;
mod disk;
mod image;
pub mod program;

pub use blank::blank;
pub use copies::{blocks, copies};
pub use disk::{Asked, BYTES, Block, Content, Epoch, FakeDisk, Injection, Interruption, Wrong};
pub use image::{image, inputs, key, noise};
