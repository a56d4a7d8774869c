//! The power-cut simulator: the very code of bootshim's and slotctl's libraries
//! on a disk that keeps every write and flush, cut at each of them.
//!
//! It walks through every record state that can be reached ([`explorer`]), runs
//! every operation from each ([`operation`]) with all its writes recorded
//! ([`FakeDisk`](fakedisk::FakeDisk)), makes every disk that a cut could leave behind ([`cuts`]),
//! starts bootshim on each ([`start`]), with what its firmware keeps
//! ([`firmware`]), and holds what happens against what must
//! always hold ([`promise`]).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test bench: what cannot go on stops, and is seen"
)]

mod cuts;
mod disk;
mod explorer;
mod firmware;
mod image;
mod operation;
mod promise;
mod renewal;
mod report;
mod start;
mod visit;
mod world;

pub use explorer::explore;
pub use promise::Promise;
pub use renewal::{Renewals, renewals};
pub use report::{Count, Report, Violation};
pub use world::{Case, Depth, World};
