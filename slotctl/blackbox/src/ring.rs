//! The files: the last five failures, each in a file of its own, `NUMBER.json`, and what a
//! person has acknowledged. Each is written whole, flushed, and gets its name then, so
//! that a cut anywhere leaves the old one or the new one.
//!
//! They lie on the data partition, which nobody has verified: whatever is there is read
//! without trust, and nothing is decided by it.

#[cfg(test)]
mod tests;

use crate::failure::{Failure, LENGTH_MAX};
use bootshim::guid::Guid;
use controller::code::Code;
use controller::error::{Error, Result};
use images::new_file::{NewFile, SECRET};
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// So many failures are kept.
pub const KEPT_MAX: usize = 5;
const SUFFIX: &str = ".json";
/// The name of what is not whole, where a cut has left it.
const UNFINISHED: &str = ".part";
/// For nobody but root: programs write into the journal what is not for everybody.
const FOLDER: u32 = 0o700;

/// The failures that are kept on a controller.
#[derive(Clone, Debug)]
pub struct Ring {
    home: PathBuf,
}

/// What of it could be read.
#[derive(Debug, Default)]
pub struct Found {
    /// The failures with their numbers, newest first.
    pub failures: Vec<(u64, Failure)>,
    /// What is wrong with files that hold none, each with its path.
    pub damaged: Vec<String>,
}

/// The last failure that a person has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    schema: String,
    disk: String,
    sequence: u64,
    time: String,
}

const ACKNOWLEDGED_SCHEMA: &str = "slotctl.acknowledged/1";

impl Acknowledged {
    /// The failure with this number in the record of this disk.
    #[must_use]
    pub fn new(disk: Guid, sequence: u64, time: String) -> Acknowledged {
        Acknowledged {
            schema: ACKNOWLEDGED_SCHEMA.to_owned(),
            disk: disk.to_string(),
            sequence,
            time,
        }
    }

    /// Whether it is that failure.
    #[must_use]
    pub fn is(&self, disk: Guid, sequence: u64) -> bool {
        self.schema == ACKNOWLEDGED_SCHEMA
            && self.disk == disk.to_string()
            && self.sequence == sequence
    }
}

impl Ring {
    /// Below the directory of slotctl on the data partition, `/var/lib/slotctl`.
    #[must_use]
    pub fn at(home: &Path) -> Ring {
        Ring {
            home: home.to_owned(),
        }
    }

    /// Whether it has a place: where the data partition is not mounted, nothing is made in
    /// its stead.
    #[must_use]
    pub fn has_place(&self) -> bool {
        let parent = self.home.parent();
        self.home.is_dir() || parent.is_some_and(Path::is_dir)
    }

    /// All that is kept. That there is nothing is no error.
    pub fn read(&self) -> Result<Found> {
        let mut found = Found::default();
        for number in self.numbers()?.into_iter().take(KEPT_MAX) {
            let path = self.file(number);
            match read(&path, LENGTH_MAX) {
                Ok(bytes) => match Failure::decode(&bytes) {
                    Ok(failure) => found.failures.push((number, failure)),
                    Err(why) => found.damaged.push(format!("{}: {why}", path.display())),
                },
                // It was removed meanwhile, for a newer one.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => found.damaged.push(format!("{}: {error}", path.display())),
            }
        }
        Ok(found)
    }

    /// Keeps a failure: in place of the one with this number, or as the newest; its
    /// number. Durable when it returns.
    pub fn put(&self, number: Option<u64>, failure: &Failure) -> Result<u64> {
        self.prepare()?;
        let newest = self.numbers()?.first().copied();
        let number = number.unwrap_or_else(|| newest.unwrap_or(0).saturating_add(1));
        write(&self.file(number), &failure.encode())?;
        self.prune()?;
        Ok(number)
    }

    /// What a person has acknowledged, where anything can be read.
    #[must_use]
    pub fn acknowledged(&self) -> Option<Acknowledged> {
        let bytes = read(&self.acknowledgement(), LENGTH_MAX).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// A person has seen it. Durable when it returns.
    pub fn acknowledge(&self, seen: &Acknowledged) -> Result<()> {
        if !self.has_place() {
            let found = format!("{} is not there", self.home.display());
            return Err(Error::new(Code::Io, found)
                .expected("expected the data partition")
                .advice("mount it; until then nothing can be acknowledged")
                .changed("nothing was written"));
        }
        self.prepare()?;
        let text = serde_json::to_vec(seen).unwrap_or_default();
        write(&self.acknowledgement(), &text)
    }

    fn folder(&self) -> PathBuf {
        self.home.join("failures")
    }

    fn acknowledgement(&self) -> PathBuf {
        self.home.join("acknowledged.json")
    }

    fn file(&self, number: u64) -> PathBuf {
        self.folder().join(format!("{number}{SUFFIX}"))
    }

    /// Makes the directories, in a parent that must be there.
    fn prepare(&self) -> Result<()> {
        for (folder, mode) in [(self.home.clone(), 0o777), (self.folder(), FOLDER)] {
            match DirBuilder::new().mode(mode).create(&folder) {
                // Flushed, or a cut takes it with all that is in it.
                Ok(()) => flush_above(&folder)?,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed("making", &folder, &error)),
            }
        }
        Ok(())
    }

    /// The numbers of the failures, newest first.
    fn numbers(&self) -> Result<Vec<u64>> {
        let number = |name: &str| name.strip_suffix(SUFFIX)?.parse().ok();
        let mut numbers: Vec<u64> = self.names()?.iter().filter_map(|n| number(n)).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        Ok(numbers)
    }

    fn names(&self) -> Result<Vec<String>> {
        let folder = self.folder();
        let entries = match folder.read_dir() {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("reading", &folder, &error)),
        };
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let names: std::io::Result<_> = names.collect();
        names.map_err(|error| failed("reading", &folder, &error))
    }

    /// Removes what is too old, and what a cut has left.
    fn prune(&self) -> Result<()> {
        let old = self.numbers()?.into_iter().skip(KEPT_MAX);
        let unfinished = self.names()?.into_iter();
        let unfinished = unfinished.filter(|name| name.ends_with(UNFINISHED));
        let unfinished = unfinished.map(|name| self.folder().join(name));
        for path in old.map(|number| self.file(number)).chain(unfinished) {
            std::fs::remove_file(&path).map_err(|error| failed("removing", &path, &error))?;
        }
        Ok(())
    }
}

/// No more than `limit` bytes and one, so that a file that is too long shows.
fn read(path: &Path, limit: usize) -> std::io::Result<Vec<u8>> {
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let mut file = File::open(path)?.take(limit.saturating_add(1));
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let file = NewFile::replace(path, SECRET)?;
    let written = file.file().write_all(bytes);
    written.map_err(|error| failed("writing", path, &error))?;
    Ok(file.publish()?)
}

fn flush_above(path: &Path) -> Result<()> {
    let above = path.parent().unwrap_or(Path::new("/"));
    let flushed = File::open(above).and_then(|above| above.sync_all());
    flushed.map_err(|error| failed("flushing", above, &error))
}

fn failed(doing: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::io(format_args!("{doing} {}", path.display()), error)
}
