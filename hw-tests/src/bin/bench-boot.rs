//! `bench-boot`: how long a start takes in bootshim, on an emulated machine:
//! medians of five starts each, of a good slot and of a trial. The figures go to
//! `target/bench/boot.json`, those of the trial, which commits, at its top.

use hw_tests::machine::{Error, Machine, START, target};
use hw_tests::pipeline::Pipeline;
use hw_tests::ready::Ready;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

const STARTS: usize = 5;

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-boot: FAILED: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<(), Error> {
    let pipeline = Pipeline::new("bench-boot")?;
    let disk = pipeline.disk("plc.img", 512)?;
    let good = starts("good", &disk)?;
    let tries = STARTS.to_string();
    let image = Pipeline::image(2);
    pipeline.slotctl_on(&disk, &["install", "--tries", &tries, &image])?;
    let mut figures = starts("trial", &disk)?;
    if let Some(figures) = figures.as_object_mut() {
        figures.insert("good".to_owned(), good);
    }

    let directory = target().join("bench");
    let file = directory.join("boot.json");
    let failed = || Error::host(file.display().to_string());
    std::fs::create_dir_all(&directory).map_err(failed())?;
    std::fs::write(&file, format!("{figures:#}\n")).map_err(failed())?;
    println!("{}", file.display());
    Ok(())
}

/// Starts the disk as what it shall start as, and gives the medians.
fn starts(kind: &str, disk: &Path) -> Result<Value, Error> {
    let mut seen = Vec::new();
    for _ in 0..STARTS {
        let mut machine = Machine::new(&format!("bench-{kind}")).disk(disk).start()?;
        let line = machine.expect("starting slot", START)?.text;
        if !line.contains(&format!("as {kind}")) {
            return Err(machine.not_as_expected(kind, &line));
        }
        let ready = machine.ready(START)?;
        println!("{kind}: ready in {ready}");
        seen.push(ready);
    }
    let median = |part: fn(&Ready) -> Duration| {
        let mut parts: Vec<Duration> = seen.iter().map(part).collect();
        parts.sort_unstable();
        parts.get(parts.len() / 2).map(Duration::as_millis)
    };
    Ok(json!({
        "own_ms": median(|ready| ready.own),
        "read_hash_ms": median(|ready| ready.reading + ready.hashing),
        "load_image_ms": median(|ready| ready.load_image),
        "whole_ms": median(|ready| ready.whole),
    }))
}
