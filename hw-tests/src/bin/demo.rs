//! `make demo`: tells the story of a real machine in plain lines with times, and
//! fails loudly if a step was not seen.

use hw_tests::machine::{self, Error};
use hw_tests::pipeline::Pipeline;
use hw_tests::story::{Seen, Story};
use std::process::ExitCode;

fn main() -> ExitCode {
    let secure_boot = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("secure-boot") => true,
        Some(other) => {
            eprintln!("demo: {other:?} is not known; `secure-boot`, or nothing");
            return ExitCode::from(2);
        }
    };
    match tell(secure_boot) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: FAILED: {error}");
            ExitCode::FAILURE
        }
    }
}

fn tell(secure_boot: bool) -> Result<(), Error> {
    println!("demo: making a key, four images and the factory's disk");
    let pipeline = if secure_boot {
        println!("demo: making PK, KEK and db, signing bootshim and the kernel, enrolling them");
        Pipeline::with_secure_boot("demo", 1..=4)?
    } else {
        Pipeline::new("demo")?
    };
    println!("demo: the machine is QEMU with OVMF, an i6300esb watchdog and 256 MiB\n");
    let mut line = |seen: &Seen| println!("{:7.1} s  {}", seen.at.as_secs_f64(), seen.what);
    let mut story = Story::begin(&pipeline, &mut line)?;
    story.good_update()?;
    story.production_does_not_start(3)?;
    story.system_hangs()?;
    let (seen, status) = story.end()?;
    println!("\nWhat the controller says now:\n");
    println!("{status}");
    let took = seen.last().map_or(0.0, |seen| seen.at.as_secs_f64());
    println!("| update | what happened | where it ended |");
    println!("|---|---|---|");
    println!("| 1.0 → 2.0 | installed, tried, healthy | 2.0 confirmed in slot b |");
    println!("| 2.0 → 3.0 | production did not start, 3 tries | back in slot b by itself |");
    println!("| 2.0 → 4.0 | system hung, watchdog reset | back in slot b by itself |");
    println!(
        "\ndemo: every step was seen, {} starts, {took:.0} s",
        machine::count()
    );
    Ok(())
}
