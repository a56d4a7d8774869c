//! A disk with a cache that a power cut empties: nbdkit's, in write-back mode,
//! before a disk image. Its power is cut at an exact moment of what the machine
//! asks of it.

use super::process::{Process, mortal};
use super::{Error, target};
use bootshim::medium::Extent;
use command_fds::{CommandFdExt, FdMapping};
use std::fs::File;
use std::io::{BufRead, BufReader, PipeReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// The descriptor at which nbdkit finds the pipe for its log.
const LOG_FD: i32 = 10;

/// When the power is cut: at a point of the write with which a number of bytes
/// written to a range is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The range of the disk.
    pub range: Extent,
    /// How many bytes were written to it.
    pub bytes: u64,
    /// Where in the course of that write.
    pub point: Point,
}

/// A point in the course of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// The disk has been given the write.
    Write,
    /// The disk has been given the flush after it.
    Flush,
    /// That flush is done.
    Flushed,
}

/// The disk; dropping it ends it.
#[derive(Debug)]
pub struct VolatileDisk {
    line: Arc<OwnedFd>,
    cut: Receiver<u64>,
}

impl VolatileDisk {
    /// Before the disk image `image`, which gets what is flushed.
    ///
    /// # Errors
    /// When nbdkit cannot be started.
    pub fn new(image: &Path, moment: Moment) -> Result<VolatileDisk, Error> {
        let failed = || Error::host("lines to nbdkit");
        let (line, served) = UnixStream::pair().map_err(failed())?;
        let (log, log_end) = std::io::pipe().map_err(failed())?;
        let process = serve(image, served, log_end.into())?;
        let (tell, cut) = channel();
        thread::Builder::new()
            .name("volatile disk".into())
            .spawn(move || {
                if let Some(last) = reached(moment, log) {
                    // Killed: what was not flushed is gone.
                    drop(process);
                    let _ = tell.send(last);
                }
            })
            .map_err(Error::host("a thread to watch nbdkit"))?;
        let line = Arc::new(line.into());
        Ok(VolatileDisk { line, cut })
    }

    pub(super) fn line(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.line)
    }

    /// Waits until the power was cut, and says where the write began at which it
    /// was; nothing when that did not happen within `limit`.
    #[must_use]
    pub fn wait_for_cut(&self, limit: Duration) -> Option<u64> {
        self.cut.recv_timeout(limit).ok()
    }
}

fn serve(image: &Path, line: UnixStream, log: OwnedFd) -> Result<Process, Error> {
    let failed = || Error::host("lines to nbdkit");
    let input = line.try_clone().map_err(failed())?;
    let machines = target().join("machines");
    std::fs::create_dir_all(&machines).map_err(failed())?;
    let complaints = File::options()
        .create(true)
        .append(true)
        .open(machines.join("nbdkit.log"));
    let mut command = mortal("nbdkit");
    // The log is the client's side of the cache. Blocks of 4 KiB, so that no
    // flush of one block takes a neighbour along.
    command
        .args(["--single", "--filter=log", "--filter=cache", "file"])
        .arg(image)
        .args(["cache=writeback", "cache-min-block-size=4K"])
        .arg(format!("logfile=/dev/fd/{LOG_FD}"))
        .env("TMPDIR", target())
        .stdin(Stdio::from(OwnedFd::from(input)))
        .stdout(Stdio::from(OwnedFd::from(line)))
        .stderr(complaints.map_err(Error::host("the log of nbdkit"))?)
        .fd_mappings(vec![FdMapping {
            parent_fd: log,
            child_fd: LOG_FD,
        }])
        .map_err(|error| failed()(std::io::Error::other(error)))?;
    Process::start(command).map_err(Error::host("setpriv (package util-linux)"))
}

/// Reads the log until the moment has come; nothing when it ends before.
fn reached(moment: Moment, log: PipeReader) -> Option<u64> {
    let mut watch = Watch {
        moment,
        written: 0,
        last: 0,
        flushing: None,
    };
    BufReader::new(log)
        .lines()
        .map_while(Result::ok)
        .any(|line| watch.see(&line))
        .then_some(watch.last)
}

/// Looks for the moment in the lines of nbdkit's log.
#[derive(Debug)]
struct Watch {
    moment: Moment,
    written: u64,
    /// Where the last write to the range began.
    last: u64,
    /// The number of the flush that was begun after the write.
    flushing: Option<String>,
}

impl Watch {
    fn see(&mut self, line: &str) -> bool {
        let mut words = line
            .split(' ')
            .skip_while(|word| !word.starts_with("connection="));
        let action = words.nth(1).unwrap_or_default();
        let words: Vec<&str> = words.collect();
        let before = self.written < self.moment.bytes;
        match action {
            "Write" => {
                let bytes = self.bytes_inside(&words);
                self.written = self.written.saturating_add(bytes);
                let now = before && self.written >= self.moment.bytes;
                now && self.moment.point == Point::Write
            }
            "Flush" if !before && self.flushing.is_none() => {
                self.flushing = field(&words, "id=").map(str::to_owned);
                self.moment.point == Point::Flush
            }
            "...Flush" => {
                self.flushing.is_some() && field(&words, "id=") == self.flushing.as_deref()
            }
            _ => false,
        }
    }

    /// How many bytes of a write lie in the range, where it begins in it.
    fn bytes_inside(&mut self, words: &[&str]) -> u64 {
        let number = |name| {
            let digits = field(words, name)?.strip_prefix("0x")?;
            u64::from_str_radix(digits, 16).ok()
        };
        let (offset, count) = (number("offset="), number("count="));
        let end = self.moment.range.end().unwrap_or(u64::MAX);
        let inside = offset.filter(|offset| (self.moment.range.start..end).contains(offset));
        if self.written < self.moment.bytes {
            self.last = inside.unwrap_or(self.last);
        }
        inside.and(count).unwrap_or(0)
    }
}

fn field<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    words.iter().find_map(|word| word.strip_prefix(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: [&str; 7] = [
        "2026-11-21 04:15:00.049576 ...Preconnect id=1 return=0",
        "2026-11-21 04:15:00.052538 connection=1 Write id=1 offset=0x100000 count=0x1000 fua=0 ...",
        "2026-11-21 04:15:00.053089 connection=1 ...Write id=1 return=0",
        "2026-11-21 04:15:00.053193 connection=1 Write id=2 offset=0x200000 count=0x1000 fua=0 ...",
        "2026-11-21 04:15:00.053193 connection=1 Write id=3 offset=0x101000 count=0x1000 fua=0 ...",
        "2026-11-21 04:15:00.053368 connection=1 Flush id=4 ...",
        "2026-11-21 04:15:00.053402 connection=1 ...Flush id=4 return=0",
    ];

    fn cut(bytes: u64, point: Point) -> Option<usize> {
        let (start, len) = (0x10_0000, 0x2000);
        let range = Extent { start, len };
        let moment = Moment {
            range,
            bytes,
            point,
        };
        let (written, last, flushing) = (0, 0, None);
        let mut watch = Watch {
            moment,
            written,
            last,
            flushing,
        };
        LINES.iter().position(|line| watch.see(line))
    }

    #[test]
    fn the_power_is_cut_at_the_write_with_which_the_bytes_are_reached() {
        assert_eq!(cut(1, Point::Write), Some(1));
        assert_eq!(cut(0x1000, Point::Write), Some(1));
        assert_eq!(cut(0x1001, Point::Write), Some(4));
        assert_eq!(cut(0x2001, Point::Write), None);
    }

    #[test]
    fn or_at_the_beginning_or_the_end_of_the_flush_after_it() {
        assert_eq!(cut(0x2000, Point::Flush), Some(5));
        assert_eq!(cut(0x2000, Point::Flushed), Some(6));
    }
}
