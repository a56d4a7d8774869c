//! Writes what the fuzzers begin with into a directory, one directory per
//! target: `cargo run -p hw-tests --example seeds -- target/fuzz/seeds`.

use std::error::Error;
use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1).ok_or("which directory?")?;
    for (target, name, bytes) in hw_tests::fuzz::seeds() {
        let directory = Path::new(&directory).join(target);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(name), bytes)?;
    }
    Ok(())
}
