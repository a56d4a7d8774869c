//! A controller, as every program of ours knows it: its disk, the boot record, the
//! slots, the ESP with bootshim, whom it trusts, and the one error that says what is
//! wrong with any of them. Nothing in here reads a command line or uses a network.

#![deny(unsafe_code)]

pub mod bootshim_update;
pub mod child;
pub mod code;
pub mod content;
pub mod date;
pub mod disk;
pub mod duration;
pub mod efi_program;
pub mod efi_variable;
pub mod error;
pub mod esp;
pub mod floor;
pub mod found;
pub mod helper;
mod inhibitor;
pub mod lock;
pub mod medium;
pub mod memory;
pub mod mistake;
pub mod next_boot;
pub mod overlay;
pub mod plain;
pub mod progress;
pub mod restart;
pub mod running;
pub mod size;
pub mod stream;
pub mod trust;
pub mod verify;
pub mod verity;
