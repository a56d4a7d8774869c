//! The power-cut simulator in full: `make sim-full`, and one case again.

use hw_tests::sim::{Case, Depth, World, explore};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let worlds = match arguments.next().as_deref() {
        None | Some("quick") => World::all(Depth::Quick),
        Some("full") => World::all(Depth::Full),
        Some(case) => match case.parse::<Case>() {
            Ok(case) => vec![World::of(case)],
            Err(error) => {
                eprintln!("sim: {error}");
                return ExitCode::from(2);
            }
        },
    };
    for world in worlds {
        let report = explore(&world, &|line| eprintln!("{line}"));
        println!("{world}\n{report}\n");
        if report.failed() > 0 {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
