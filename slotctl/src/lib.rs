//! Installs signed OS images into the slot that is not in use, verifies every
//! byte, and flips the boot slot with one durable write. The command line over
//! it is in `main.rs`.

#![deny(unsafe_code)]

pub mod config;
pub mod content;
pub mod disk;
pub mod duration;
pub mod error;
pub mod events;
pub mod install;
pub mod lock;
pub mod medium;
pub mod progress;
pub mod source;
