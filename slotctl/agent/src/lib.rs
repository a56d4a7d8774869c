//! Signed orders: what a controller is told to do, and when it may.
//!
//! [`order`] is the document and who signed it, [`due`] decides whether it may be carried
//! out now, [`calendar`] knows when a window opens.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::cast_possible_truncation,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used,
        reason = "in a test, each of them is a failure that is seen"
    )
)]

pub mod calendar;
pub mod due;
pub mod order;
