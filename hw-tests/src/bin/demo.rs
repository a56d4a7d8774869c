//! `make demo`: tells the story of a real machine in plain lines with times, and
//! fails loudly if a step was not seen.

use hw_tests::machine::{self, Error};
use hw_tests::pipeline::Pipeline;
use hw_tests::story::{Seen, Story};
use std::process::ExitCode;

/// What is told.
#[derive(Clone, Copy, PartialEq)]
enum What {
    Demo,
    SecureBoot,
    Debian,
}

fn main() -> ExitCode {
    let what = match std::env::args().nth(1).as_deref() {
        None => What::Demo,
        Some("secure-boot") => What::SecureBoot,
        Some("debian") => What::Debian,
        Some(other) => {
            eprintln!("demo: {other:?} is not known; `secure-boot`, `debian`, or nothing");
            return ExitCode::from(2);
        }
    };
    match tell(what) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: FAILED: {error}");
            ExitCode::FAILURE
        }
    }
}

fn tell(what: What) -> Result<(), Error> {
    println!("demo: making a key, four images and the factory's disk");
    let pipeline = match what {
        What::Demo => Pipeline::new("demo")?,
        What::SecureBoot => {
            println!(
                "demo: making PK, KEK and db, signing bootshim and the kernel, enrolling them"
            );
            Pipeline::with_secure_boot("demo", 1..=4)?
        }
        What::Debian => Pipeline::of_debian("demo", 1..=4)?,
    };
    let memory = pipeline.memory();
    println!("demo: the machine is QEMU with OVMF, an i6300esb watchdog and {memory} MiB\n");
    let mut line = |seen: &Seen| println!("{:7.1} s  {}", seen.at.as_secs_f64(), seen.what);
    let mut story = Story::begin(&pipeline, &mut line)?;
    story.whole()?;
    let (seen, status) = story.end()?;
    println!("\nWhat the controller says now:\n");
    println!("{status}");
    let took = seen.last().map_or(0.0, |seen| seen.at.as_secs_f64());
    println!("| update | what happened | where it ended |");
    println!("|---|---|---|");
    println!("| 1.0 → 2.0 | installed, tried, healthy | 2.0 confirmed in slot b |");
    println!("| 2.0 → 3.0 | production did not start, 3 tries | back in slot b by itself |");
    let died = match what {
        What::Debian => "kernel panicked",
        What::Demo | What::SecureBoot => "system hung",
    };
    println!("| 2.0 → 4.0 | {died}, watchdog reset | back in slot b by itself |");
    println!(
        "\ndemo: every step was seen, {} starts, {took:.0} s",
        machine::count()
    );
    Ok(())
}
