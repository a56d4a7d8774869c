//! Devices that fail: at each single access of an install, of a start, of a
//! confirm and of a change of bootshim, in every way that a device can.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test, each of them is a failure that is seen"
)]

mod booting;
mod confirming;
mod ground;
mod installing;
mod judge;
mod reads;
mod renewing;
mod report;
