//! What is given to a fuzzer, as plain functions: `cargo fuzz` runs them on what
//! it invents, and the tests on what it found worth keeping.
//!
//! Each takes any bytes and panics where a promise does not hold. Where hashes
//! and signatures would stop every change at the door, the bytes say which of
//! them are made right again, so that what lies behind is reached too.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test bench: what cannot go on stops, and is seen"
)]

mod chunk;
mod config;
mod draft;
mod gpt;
mod head;
mod http;
mod index;
mod input;
mod install;
mod keys;
mod keyset;
mod manifest;
mod patch;
mod places;
mod program;
mod record;
mod root;
mod scratch;
mod seeds;
mod wdat;
mod words;

pub use chunk::chunk;
pub use config::config;
pub use gpt::gpt;
pub use head::head;
pub use http::http;
pub use index::index;
pub use install::install;
pub use keys::keys;
pub use keyset::keyset;
pub use manifest::manifest;
pub use patch::patch;
pub use places::places;
pub use program::program;
pub use record::record;
pub use root::root;
pub use seeds::seeds;
pub use wdat::wdat;
pub use words::words;

/// Takes any bytes; panics where a promise does not hold.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: [(&str, Target); 17] = [
    ("record", record),
    ("gpt", gpt),
    ("head", head),
    ("manifest", manifest),
    ("index", index),
    ("chunk", chunk),
    ("patch", patch),
    ("install", install),
    ("config", config),
    ("keys", keys),
    ("http", http),
    ("program", program),
    ("words", words),
    ("keyset", keyset),
    ("wdat", wdat),
    ("places", places),
    ("root", root),
];
