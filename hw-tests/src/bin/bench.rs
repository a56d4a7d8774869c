//! `make bench`: installing and updating, measured beside the peers.

use hw_tests::bench::{Error, Plan, ROWS, bench};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut quick = false;
    let mut only = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(word) = arguments.next() {
        match word.as_str() {
            "--quick" => quick = true,
            "--only" => only = arguments.next(),
            _ => return usage(),
        }
    }
    match measure(&Plan::new(quick, only)) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failed) => {
            eprintln!("bench: {failed} rows FAILED");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("bench: FAILED: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(plan: &Plan) -> Result<usize, Error> {
    let report = bench(plan)?;
    println!("{}", report.table());
    let (met, missed, missing) = report.counts();
    println!("bench: {met} targets met, {missed} missed, {missing} lines not measured");
    println!("bench: target/bench has table.md, bench.json, bench.svg and bench.png");
    Ok(report.failures())
}

fn usage() -> ExitCode {
    eprintln!("bench [--quick] [--only ROWS], as root; rows:");
    for (letter, what) in ROWS {
        eprintln!("  {letter}  {what}");
    }
    ExitCode::from(2)
}
