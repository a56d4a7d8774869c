//! A disk that counts what is read from it.

use super::nbdkit::{self, Action};
use super::process::Process;
use super::{Error, target};
use bootshim::medium::Extent;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The disk; dropping it ends it.
#[derive(Debug)]
pub struct CountedDisk {
    line: Arc<OwnedFd>,
    log: PathBuf,
    _process: Process,
}

impl CountedDisk {
    /// Before the disk image `image`; its log is the file `NAME.reads` beside those
    /// of the machines.
    pub fn new(image: &Path, name: &str) -> Result<CountedDisk, Error> {
        let machines = target().join("machines");
        let log = machines.join(format!("{name}.reads"));
        let failed = || Error::host(log.display().to_string());
        std::fs::create_dir_all(&machines).map_err(failed())?;
        let file = File::create(&log).map_err(failed())?;
        let (line, process) = nbdkit::serve(image, &[], file.into())?;
        Ok(CountedDisk {
            line: Arc::new(line),
            log,
            _process: process,
        })
    }

    pub(super) fn line(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.line)
    }

    /// What was read in `range` so far, in the order in which it was asked for, and
    /// of each read the part that lies in it. nbdkit logs a read before it answers.
    pub fn reads(&self, range: Extent) -> Result<Vec<Extent>, Error> {
        let log = std::fs::read_to_string(&self.log)
            .map_err(Error::host(self.log.display().to_string()))?;
        let end = range.end().unwrap_or(u64::MAX);
        let inside = |line| match Action::parse(line)? {
            Action::Read(read) => {
                let start = read.start.max(range.start);
                let len = read.end()?.min(end).checked_sub(start)?;
                (len > 0).then_some(Extent { start, len })
            }
            _ => None,
        };
        Ok(log.lines().filter_map(inside).collect())
    }
}
