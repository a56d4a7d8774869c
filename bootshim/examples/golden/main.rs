//! Writes the golden vectors of the boot record into a directory:
//! `cargo run -p bootshim --example golden -- bootshim/tests/golden`.
//! Only for a new format: vectors of a released one never change.

mod describe;
mod sections;
mod vectors;

use std::error::Error;
use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1).ok_or("which directory?")?;
    let directory = Path::new(&directory);
    for (name, blocks) in vectors::all()? {
        let path = |kind: &str| directory.join(format!("{name}.{kind}"));
        fs::write(path("bin"), blocks.concat())?;
        fs::write(path("txt"), describe::describe(&vectors::open(&blocks)))?;
    }
    let directory = directory.join("slotkey");
    fs::create_dir_all(&directory)?;
    for (name, bytes) in sections::all()? {
        let path = |kind: &str| directory.join(format!("{name}.{kind}"));
        let section = bootshim::trust::Section::parse(&bytes)?;
        fs::write(path("bin"), &bytes)?;
        fs::write(path("txt"), sections::describe(&section))?;
    }
    Ok(())
}
