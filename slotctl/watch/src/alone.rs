//! One `slotctl watch` on a controller: two would judge the same start, and one of them
//! would take the other for a program that keeps the watchdog from it.

use controller::code::Code;
use controller::error::{Error, Result};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Where the lock of this controller lies.
pub const LOCKED_IN: &str = "/run/slotctl";

/// Held for as long as this program watches; whoever is killed leaves no lock behind.
#[derive(Debug)]
pub struct Alone {
    _lock: Option<File>,
}

/// Makes sure that nobody watches here already. Without a place for the lock nobody is
/// refused: better two than none.
///
/// # Errors
/// Another one watches.
pub fn alone(run: &Path) -> Result<Alone> {
    let Ok(file) = lock_file(run) else {
        return Ok(Alone { _lock: None });
    };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(Error::new(
            Code::Busy,
            "another `slotctl watch` runs on this controller",
        )
        .expected("expected one, which pets the watchdog and judges this start")
        .advice("stop that one first, or leave it alone")
        .changed("it goes on, and nothing was changed")),
        _ => Ok(Alone { _lock: Some(file) }),
    }
}

/// For root alone: who can open it can lock it.
fn lock_file(run: &Path) -> std::io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o755).create(run)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    options.open(run.join("watch.lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_second_is_refused_until_the_first_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run/slotctl");
        let first = alone(&run).unwrap();
        let refused = alone(&run).unwrap_err();
        assert_eq!(refused.code, Code::Busy);
        drop(first);
        alone(&run).unwrap();
    }

    #[test]
    fn without_a_place_for_a_lock_nobody_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let _first = alone(file.path()).unwrap();
        alone(file.path()).unwrap();
    }
}
