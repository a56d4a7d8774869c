//! How a program of ours talks: one clear line for a person, one object for a
//! program, a bar for who waits, and an exit status for a script.

#![forbid(unsafe_code)]

pub mod answer;
#[cfg(feature = "bar")]
pub mod bar;
pub mod options;
pub mod sibling;
