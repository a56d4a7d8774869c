//! The state of a slot on the data partition: what its image declares, which directory
//! the flip has chosen, and what becomes of it before the units of the slot start.
//!
//! | | |
//! |---|---|
//! | [`declared`] | what the image declares, in `/usr/lib/slotctl/state.d` |
//! | [`activation`] | what belongs together: a slot, its manifest and a number |
//! | [`plan`] | what is to be done, and what must not be; no I/O |
//! | [`given`] | what the slot that runs was given |
//! | [`partition`] | the data partition itself, changed one durable step after the other |
//!
//! `docs/state.md` says it for those who build images and for technicians.

#![forbid(unsafe_code)]

pub mod activation;
pub mod declared;
pub mod given;
pub mod partition;
pub mod plan;

mod copy;
