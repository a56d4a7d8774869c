//! Installs signed OS images into the slot that is not in use, verifies every
//! byte, and flips the boot slot with one durable write. The command line over
//! it is in `main.rs`.

#![deny(unsafe_code)]

pub mod activation;
pub mod config;
pub mod content;
pub mod create;
pub mod date;
mod device_mapper;
pub mod disk;
pub mod duration;
pub mod error;
pub mod esp;
pub mod events;
pub mod floor;
pub mod helper;
pub mod install;
pub mod lock;
pub mod medium;
pub mod memory;
pub mod next_boot;
pub mod overlay;
pub mod plain;
pub mod program;
pub mod progress;
pub mod renewal;
pub mod root;
pub mod running;
pub mod size;
pub mod source;
pub mod status;
pub mod stream;
pub mod system;
pub mod trust;
pub mod variable;
pub mod verify;
pub mod watch;
