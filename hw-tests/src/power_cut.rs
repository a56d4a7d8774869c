//! Power cuts on a real machine: every write that firmware, bootshim, kernel and
//! slotctl made is in a log; each disk that a power cut among them can leave is
//! rebuilt, and must reach a slot that verifies.
//!
//! | module | holds |
//! |---|---|
//! | [`log`] | the strict reader of the log |
//! | [`region`] | to which part of the disk a write went |
//! | [`cuts`] | what a cut can leave of the unflushed writes |
//! | [`position`] | what is durable and what is pending at a place in the log |
//! | [`rebuilt`] | a disk that a cut left |
//! | [`judge`] | whether it does what was promised |
//! | [`report`] | the counts of an exploration |
//! | [`recording`] | the machine that is recorded, and those that start from what is left |
//! | [`power`] | machines whose disk loses power for real |

pub mod cuts;
mod error;
pub mod judge;
pub mod log;
pub mod position;
pub mod power;
pub mod rebuilt;
pub mod recording;
pub mod region;
pub mod report;

pub use error::Error;

use bootshim::medium::Extent;
use bootshim::record::State;
use cuts::Samples;
use fastrand::Rng;
use judge::Judge;
use log::{Event, Write};
use position::Position;
use rebuilt::Before;
use region::Region;
use report::{Report, Sample};
use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crate::machine;

/// A disk before, and everything that was then written to it.
#[derive(Debug)]
pub struct WriteLog {
    before: Arc<Before>,
    events: Vec<Event>,
}

impl WriteLog {
    /// Reads the log of the writes to the disk image `before`.
    pub fn open(before: &Path, log: &Path) -> Result<WriteLog, Error> {
        let bytes = std::fs::read(log).map_err(machine::Error::host(log.display().to_string()))?;
        let events = log::read(&bytes)?;
        let before = Arc::new(Before::open(before)?);
        Ok(WriteLog { before, events })
    }

    /// The same writes on a drive that lies: the flushes between the content of a
    /// slot and the commit that follows do nothing. To see that this is found.
    pub fn with_lies(&self) -> Result<WriteLog, Error> {
        let mut written = 0;
        let mut events = Vec::new();
        for event in &self.events {
            match event {
                Event::Write(write) => match self.region(write)? {
                    Region::Slot(_) => written += 1,
                    Region::Record => written = 0,
                    _ => {}
                },
                // The first write takes the old manifest away, and its flush
                // stays.
                Event::Flush if written > 1 => continue,
                Event::Flush | Event::Discard(_) => {}
            }
            events.push(event.clone());
        }
        let before = Arc::clone(&self.before);
        Ok(WriteLog { before, events })
    }

    /// Rebuilds and judges the disk of every cut; what is too many to be tried
    /// is sampled, by `seed`. Two disks that differ only outside record and slots
    /// count as one: the next start reads nothing else that was written.
    pub fn run(&self, samples: Samples, seed: u64) -> Result<Report, Error> {
        let mut exploration = Exploration {
            position: Position::new(Arc::clone(&self.before)),
            judge: Judge::default(),
            seen: HashSet::new(),
            rng: Rng::with_seed(seed),
            samples,
            flushed: 0,
            report: Report::new(seed),
        };
        for (index, event) in self.events.iter().enumerate() {
            match event {
                Event::Write(write) => exploration.write(&self.before, write)?,
                Event::Flush => exploration.flush(index)?,
                Event::Discard(range) => exploration.discard(&self.before, *range)?,
            }
        }
        exploration.cut()?;
        Ok(exploration.report)
    }

    /// Writes the disk of `sample` into a file: besides what was left of record
    /// and slots, all that was durable elsewhere.
    pub fn write_out(&self, sample: &Sample, before: &Path, to: &Path) -> Result<(), Error> {
        let failed = || machine::Error::host(to.display().to_string());
        std::fs::copy(before, to).map_err(failed())?;
        let file = File::options().write(true).open(to).map_err(failed())?;
        for event in self.events.iter().take(sample.flushed) {
            if let Event::Write(write) = event
                && !self.region(write)?.decides()
            {
                file.write_all_at(&write.data, write.offset)
                    .map_err(failed())?;
            }
        }
        for patch in sample.disk.patches() {
            file.write_all_at(patch.bytes(), patch.offset())
                .map_err(failed())?;
        }
        Ok(())
    }

    fn region(&self, write: &Write) -> Result<Region, Error> {
        region_of(&self.before, write.offset, write.data.len())
    }
}

fn region_of(before: &Before, offset: u64, length: usize) -> Result<Region, Error> {
    let across = Error::Across { offset, length };
    let len = u64::try_from(length).unwrap_or(u64::MAX);
    Region::of(Extent { start: offset, len }, before.layout()).ok_or(across)
}

/// An exploration while it runs.
struct Exploration {
    position: Position,
    judge: Judge,
    seen: HashSet<rebuilt::Content>,
    rng: Rng,
    samples: Samples,
    /// How many events of the log there are up to the last flush.
    flushed: usize,
    report: Report,
}

impl Exploration {
    fn write(&mut self, before: &Before, write: &Write) -> Result<(), Error> {
        let region = region_of(before, write.offset, write.data.len())?;
        let number = self.report.count(region);
        if let Some(broken) = self.broken_rule(region) {
            self.report
                .violation(format!("write {number} of the log, to {region}: {broken}"));
        }
        if region.decides() {
            self.position.write(number, region, write)?;
            if write.durable {
                self.cut()?;
                self.position.flush(true);
            }
        }
        Ok(())
    }

    /// What a write there breaks just by being made now.
    fn broken_rule(&self, region: Region) -> Option<String> {
        match region {
            Region::Data => None,
            Region::Esp | Region::Table => Some("nobody may write there".into()),
            Region::Record => self
                .position
                .is_pending(region)
                .then(|| "no flush has followed the copy before it".into()),
            Region::Slot(slot) => {
                let record = Judge::record(self.position.durable());
                let state = record.map(|record| record.slot(slot).state);
                (state != Some(State::Writing))
                    .then(|| format!("the durable record says {state:?} of it"))
            }
        }
    }

    fn flush(&mut self, index: usize) -> Result<(), Error> {
        self.report.flushes += 1;
        self.cut()?;
        self.position.flush(false);
        self.flushed = index;
        Ok(())
    }

    fn discard(&mut self, before: &Before, range: Extent) -> Result<(), Error> {
        let length = usize::try_from(range.len).unwrap_or(usize::MAX);
        let region = region_of(before, range.start, length)?;
        if region != Region::Data {
            let at = range.start;
            self.report
                .violation(format!("{length} bytes at {at} in {region} were discarded"));
        }
        Ok(())
    }

    /// The power is cut at any moment since the last flush.
    fn cut(&mut self) -> Result<(), Error> {
        let pending = self.position.pending();
        if pending.is_empty() && !self.seen.is_empty() {
            return Ok(());
        }
        let durable = Judge::record(self.position.durable()).map_or(0, |record| record.sequence);
        let mut candidates = 0;
        for left in cuts::all(&pending, self.samples, &mut self.rng) {
            self.report.rebuilt += 1;
            let disk = self.position.rebuild(&left)?;
            if !self.seen.insert(*disk.content()) {
                continue;
            }
            self.report.states += 1;
            match self.judge.judge(&disk, durable) {
                Err(why) => self.report.violation(format!(
                    "{why}: a cut after flush {} of the log, {left} ({})",
                    self.report.flushes,
                    self.position.describe()
                )),
                Ok(expected) => {
                    candidates += 1;
                    // One of all of them, each as likely as the other.
                    if self.rng.usize(0..candidates) == 0 {
                        self.report.keep(Sample {
                            disk,
                            flushed: self.flushed,
                            expected,
                            after: self.report.flushes,
                            left: left.to_string(),
                        });
                    }
                }
            }
        }
        Ok(())
    }
}
