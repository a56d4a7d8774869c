//! `slotctl`: the command line over the library of the same name.

#![forbid(unsafe_code)]

mod cli;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    // clap answers wrong use with status 2, help and version with 0.
    cli::run(&cli::args::Args::parse())
}
