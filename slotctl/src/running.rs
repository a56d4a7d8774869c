//! The slot that runs, and what can be said of its trial.

use crate::disk::{Committed, Disk};
use crate::error::Result;
use crate::watch;
use bootshim::copies::Note;
use bootshim::handover::Handover;
use bootshim::record::{Reason, State};
use bootshim::state;

/// The running slot of the disk that this controller booted from.
#[derive(Clone, Copy, Debug)]
pub struct Running<'a> {
    disk: &'a Disk,
    handover: &'a Handover,
}

impl<'a> Running<'a> {
    /// The slot that was handed over, on its disk.
    #[must_use]
    pub fn new(disk: &'a Disk, handover: &'a Handover) -> Running<'a> {
        Running { disk, handover }
    }

    /// Whether it is on trial, by the record as it is now: armed, not yet
    /// confirmed, and still the image that runs.
    ///
    /// # Errors
    /// The record's.
    pub fn is_on_trial(&self) -> Result<bool> {
        let (record, _) = self.disk.read_record()?;
        let Handover { slot, manifest, .. } = self.handover;
        let known = record.slot(*slot);
        let armed = record.armed.is_some_and(|armed| armed.slot == *slot);
        Ok(armed && known.state == State::Trying && known.manifest == *manifest)
    }

    /// It is good.
    ///
    /// # Errors
    /// Refused unless it is the armed trial; the record's.
    pub fn confirm(&self) -> Result<Committed> {
        let Handover { slot, manifest, .. } = self.handover;
        self.disk.update(|record, note| {
            let known = record.slot(*slot);
            if known.state == State::Good && known.manifest == *manifest {
                return Ok((record.clone(), note));
            }
            Ok((state::confirm(record, *slot, manifest)?, note))
        })
    }

    /// It is bad, at once, for this reason.
    ///
    /// # Errors
    /// Refused unless it is on trial; the record's.
    pub fn reject(&self, reason: &str) -> Result<Committed> {
        let Handover { slot, manifest, .. } = self.handover;
        let words = self.note(reason);
        self.disk.update(|record, note| {
            let known = record.slot(*slot);
            if known.state == State::Bad && known.reason == Reason::Rejected {
                return Ok((record.clone(), note));
            }
            Ok((state::reject(record, *slot, manifest)?, words))
        })
    }

    /// This start is given up, because its checks did not pass in time; `words`
    /// say which and what they said.
    ///
    /// # Errors
    /// Refused unless it is the armed trial; the record's.
    pub fn give_up_start(&self, words: &str) -> Result<Committed> {
        let slot = self.handover.slot;
        let words = self.note(words);
        self.disk
            .update(|record, _| Ok((state::give_up_start(record, slot, Reason::Deadline)?, words)))
    }

    /// The system goes down in order: this start costs no try.
    ///
    /// # Errors
    /// Refused unless it is the armed trial; the record's.
    pub fn give_back(&self) -> Result<Committed> {
        let slot = self.handover.slot;
        self.disk
            .update(|record, note| Ok((state::give_back(record, slot)?, note)))
    }

    fn note(&self, words: &str) -> Note {
        Note::new(&format!(
            "slot {}, start {}: {words}",
            self.handover.slot, self.handover.boot
        ))
    }
}

impl watch::Trial for Running<'_> {
    fn is_on_trial(&mut self) -> Result<bool> {
        Running::is_on_trial(self)
    }
    fn confirm(&mut self) -> Result<()> {
        Running::confirm(self).map(drop)
    }
    fn give_up(&mut self, reason: &str) -> Result<()> {
        self.give_up_start(reason).map(drop)
    }
    fn give_back(&mut self) -> Result<()> {
        Running::give_back(self).map(drop)
    }
}

/// A system that no slot of any disk at hand was started for: there is nothing
/// to confirm or to give up.
#[derive(Clone, Copy, Debug)]
pub struct Unknown;

impl watch::Trial for Unknown {
    fn is_on_trial(&mut self) -> Result<bool> {
        Ok(false)
    }
    fn confirm(&mut self) -> Result<()> {
        Ok(())
    }
    fn give_up(&mut self, _: &str) -> Result<()> {
        Ok(())
    }
    fn give_back(&mut self) -> Result<()> {
        Ok(())
    }
}
