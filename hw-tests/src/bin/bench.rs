//! `make bench`: installing and updating, measured beside the peers.

use hw_tests::bench::{ROWS, Selection, bench};
use hw_tests::machine::Error;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut quick = false;
    let mut smoke = false;
    let mut only = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(word) = arguments.next() {
        match word.as_str() {
            "--quick" => quick = true,
            "--smoke" => smoke = true,
            "--only" => only = arguments.next(),
            _ => return usage(),
        }
    }
    let selection = if smoke {
        Selection::smoke()
    } else {
        Selection::new(quick, only)
    };
    match measure(&selection) {
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

fn measure(selection: &Selection) -> Result<usize, Error> {
    let report = bench(selection)?;
    println!("{}", report.table());
    let (met, missed, missing) = report.counts();
    println!("bench: {met} targets met, {missed} missed, {missing} lines not measured");
    let folder = selection.folder();
    println!("bench: target/{folder} has table.md, bench.json, bench.svg and bench.png");
    Ok(report.failures())
}

fn usage() -> ExitCode {
    eprintln!("bench [--quick | --smoke] [--only ROWS], as root; rows:");
    for (letter, what) in ROWS {
        eprintln!("  {letter}  {what}");
    }
    ExitCode::from(2)
}
