//! Machines: QEMU scenarios of the whole chain, from firmware to production.

#![forbid(unsafe_code)]

pub mod fuzz;
pub mod machine;
pub mod plant;
pub mod replay;
pub mod sim;
pub mod story;
