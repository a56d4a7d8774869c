//! A disk with a cache that a power cut empties: nbdkit's, in write-back mode,
//! before a disk image. Its power is cut at an exact moment of what the machine
//! asks of it.

use super::Error;
use super::nbdkit::{self, Action};
use bootshim::medium::Extent;
use std::io::{BufRead, BufReader, PipeReader};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

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

/// The log is the client's side of the cache. Blocks of 4 KiB, so that no flush of
/// one block takes a neighbour along.
const CACHE: &[&str] = &[
    "--filter=cache",
    "cache=writeback",
    "cache-min-block-size=4K",
];

/// The disk; dropping it ends it.
#[derive(Debug)]
pub struct VolatileDisk {
    line: Arc<OwnedFd>,
    cut: Receiver<u64>,
}

impl VolatileDisk {
    /// Before the disk image `image`, which gets what is flushed.
    pub fn new(image: &Path, moment: Moment) -> Result<VolatileDisk, Error> {
        let (log, log_end) = std::io::pipe().map_err(Error::host("lines to nbdkit"))?;
        let (line, process) = nbdkit::serve(image, CACHE, log_end.into())?;
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
        let line = Arc::new(line);
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
        let before = self.written < self.moment.bytes;
        match Action::parse(line) {
            Some(Action::Write(written)) => {
                let bytes = self.bytes_inside(written);
                self.written = self.written.saturating_add(bytes);
                let now = before && self.written >= self.moment.bytes;
                now && self.moment.point == Point::Write
            }
            Some(Action::Flush(id)) if !before && self.flushing.is_none() => {
                self.flushing = Some(id.to_owned());
                self.moment.point == Point::Flush
            }
            Some(Action::Flushed(id)) => self.flushing.as_deref() == Some(id),
            _ => false,
        }
    }

    /// How many bytes of a write lie in the range, where it begins in it.
    fn bytes_inside(&mut self, written: Extent) -> u64 {
        let end = self.moment.range.end().unwrap_or(u64::MAX);
        if !(self.moment.range.start..end).contains(&written.start) {
            return 0;
        }
        if self.written < self.moment.bytes {
            self.last = written.start;
        }
        written.len
    }
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
