//! Reading the log while it is written, and turned over.

use super::{Event, Result, file, read_error};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A reader of the log that goes on where it was.
#[derive(Debug)]
pub struct Follow {
    directory: PathBuf,
    /// Oldest first. The one before the last is read on: whoever had it open when it was
    /// turned over may still add a line.
    files: Vec<Tail>,
}

impl Follow {
    pub(super) fn new(directory: &Path) -> Follow {
        Follow {
            directory: directory.to_owned(),
            files: Vec::new(),
        }
    }

    /// The events that were not read before, oldest first; the first time all that are
    /// kept. Lines that were torn by a power cut are left out. That there is no log is no
    /// error.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn new_events(&mut self) -> Result<Vec<Event>> {
        self.open_what_is_new()?;
        let mut events = Vec::new();
        for file in &mut self.files {
            file.read_on(&mut events)?;
        }
        let gone = self.files.len().saturating_sub(2);
        self.files.drain(..gone);
        Ok(events)
    }

    /// Opens the files that are not open yet: the current one first, so that one which is
    /// turned over meanwhile is not missed.
    fn open_what_is_new(&mut self) -> Result<()> {
        let current = Tail::open(file::current(&self.directory))?;
        let previous = Tail::open(file::previous(&self.directory))?;
        for found in [previous, current].into_iter().flatten() {
            // The number of a file that is open is given to no other one.
            if self.files.iter().all(|known| known.id != found.id) {
                self.files.push(found);
            }
        }
        Ok(())
    }
}

/// A file of the log, and how far it was read.
#[derive(Debug)]
struct Tail {
    path: PathBuf,
    file: File,
    /// Device and inode.
    id: (u64, u64),
    /// A line whose end is not there yet.
    begun: Vec<u8>,
}

impl Tail {
    fn open(path: PathBuf) -> Result<Option<Tail>> {
        let opened = File::open(&path).and_then(|file| {
            let metadata = file.metadata()?;
            Ok((file, (metadata.dev(), metadata.ino())))
        });
        match opened {
            Ok((file, id)) => Ok(Some(Tail {
                path,
                file,
                id,
                begun: Vec::new(),
            })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(read_error(&path, &error)),
        }
    }

    fn read_on(&mut self, events: &mut Vec<Event>) -> Result<()> {
        let read = self.file.read_to_end(&mut self.begun);
        read.map_err(|error| read_error(&self.path, &error))?;
        let whole = self.begun.iter().rposition(|byte| *byte == b'\n');
        let whole = whole.map_or(0, |end| end + 1);
        let lines: Vec<u8> = self.begun.drain(..whole).collect();
        let lines = lines.split(|byte| *byte == b'\n');
        events.extend(lines.filter_map(|line| serde_json::from_slice(line).ok()));
        Ok(())
    }
}
