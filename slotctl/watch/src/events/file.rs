//! The two files of the log.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Result, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Longest a file gets.
pub(super) const LENGTH_MAX: u64 = 1 << 20;

pub(super) fn current(directory: &Path) -> PathBuf {
    directory.join("events.log")
}

pub(super) fn previous(directory: &Path) -> PathBuf {
    directory.join("events.log.1")
}

/// Adds one line, and makes sure that it is on disk.
pub(super) fn append(directory: &Path, line: &[u8]) -> Result<()> {
    let mut file = open(directory)?;
    let length = file.metadata()?.len();
    let added = u64::try_from(line.len()).unwrap_or(u64::MAX);
    if length.saturating_add(added) > LENGTH_MAX && turn_over(directory, &file)? {
        file = open(directory)?;
    } else if torn(&file, length)? {
        // What a power cut left of the last line must not spoil this one.
        return write(&mut file, &[b"\n", line].concat());
    }
    write(&mut file, line)
}

/// Opens the file, and makes the directory for it in a parent that must be there: where
/// the data partition is not mounted yet, nothing is made in its stead.
fn open(directory: &Path) -> Result<File> {
    let path = current(directory);
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    match options.open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => match std::fs::create_dir(directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => options.open(&path),
        },
        answer => answer,
    }
}

fn write(file: &mut File, bytes: &[u8]) -> Result<()> {
    file.write_all(bytes)?;
    file.sync_data()
}

/// Makes room for a new file, unless somebody else is at it or has just done
/// so. Never waits: whoever holds the lock may be stopped.
fn turn_over(directory: &Path, file: &File) -> Result<bool> {
    if file.try_lock().is_err() {
        return Ok(false);
    }
    let same = std::fs::metadata(current(directory))?.ino() == file.metadata()?.ino();
    if same {
        std::fs::rename(current(directory), previous(directory))?;
    }
    Ok(true)
}

fn torn(file: &File, length: u64) -> Result<bool> {
    let Some(last) = length.checked_sub(1) else {
        return Ok(false);
    };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte != *b"\n")
}
