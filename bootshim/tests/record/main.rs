//! The boot record against its golden vectors, and against a second reader that
//! was written from `docs/boot-record.md` alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "in a test, each of them is a failure that is seen"
)]

#[path = "../../examples/golden/describe.rs"]
mod describe;
#[path = "../../examples/golden/sections.rs"]
mod sections;
#[path = "../../examples/golden/vectors.rs"]
mod vectors;

mod golden;
mod second;
mod second_reader;
