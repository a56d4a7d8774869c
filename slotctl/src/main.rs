//! `slotctl`: the command line over the library of the same name.

#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(exit) = slotctl::helper::begun() {
        return exit;
    }
    let words: Vec<_> = std::env::args_os().collect();
    match cli::usage::read(&words) {
        Ok(args) => cli::run(&args),
        Err(said) => cli::usage::answer(&words, &said),
    }
}
