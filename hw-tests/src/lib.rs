//! Machines: QEMU scenarios of the whole chain, from firmware to production.

#![forbid(unsafe_code)]

pub mod bench;
pub mod damage;
pub mod fuzz;
pub mod machine;
pub mod pipeline;
pub mod power_cut;
pub mod ready;
pub mod secure_boot;
pub mod sim;
pub mod standstill;
pub mod story;
pub mod variables;

/// Says something to the person who waits for the tests, also of one that
/// passes: the test runner keeps what `println!` writes.
pub fn say(words: &str) -> std::io::Result<()> {
    use std::io::Write;
    std::io::stdout().write_all(format!("{words}\n").as_bytes())
}
