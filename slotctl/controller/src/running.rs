//! The slot that runs, and what can be said of its trial.

use crate::bootshim_update::{self, Confirmed, Ready};
use crate::disk::{Committed, Disk};
use crate::error::Result;
use crate::floor;
use crate::found::Found;
use crate::progress::Progress;
use crate::trust;
use crate::verify;
use bootshim::copies::Note;
use bootshim::handover::Handover;
use bootshim::record::{Armed, Arming, Digest, MINOR_STARTS, Reason, Record, SlotId, Stage, State};
use bootshim::state::{self, Judge, Next};
use images::trust::Trust;
use std::cell::OnceCell;

/// The running slot of the disk that this controller booted from.
#[derive(Clone, Debug)]
pub struct Running<'a> {
    disk: &'a Disk,
    handover: &'a Handover,
    started_by: Option<Digest>,
    /// What was found when it could be read; a failure is asked for again.
    found: OnceCell<Found<'a>>,
}

impl<'a> Running<'a> {
    /// The slot that was handed over, on its disk.
    pub fn new(disk: &'a Disk, handover: &'a Handover) -> Running<'a> {
        Running {
            disk,
            handover,
            started_by: None,
            found: OnceCell::new(),
        }
    }

    /// The same, started by the bootshim of an image ([`bootshim_update::started_by`]).
    pub fn started_by(self, bootshim: Option<Digest>) -> Running<'a> {
        Running {
            started_by: bootshim,
            ..self
        }
    }

    /// Whether it is on trial, by the record as it is now: armed, not yet
    /// confirmed, and still the image that runs.
    pub fn is_on_trial(&self) -> Result<bool> {
        let (record, _) = self.disk.read_record()?;
        let Handover { slot, manifest, .. } = self.handover;
        let known = record.slot(*slot);
        let armed = record.armed.filter(|armed| armed.slot == *slot);
        // After a last resort `ready` is confirmed like a trial.
        let tried = match armed.map(|armed| armed.as_what) {
            Some(Arming::LastResort) => matches!(known.state, State::Trying | State::Ready),
            Some(_) => known.state == State::Trying,
            None => false,
        };
        Ok(tried && known.manifest == *manifest)
    }

    /// It is good, or was already; refused unless it is the trial that was started.
    pub fn confirm(&self) -> Result<Committed> {
        // A bootshim that it brings is made ready before the commit: after a cut it
        // is known by that. Production counts for more, and `renew` says what failed.
        let _ = self.prepare();
        let Handover { slot, manifest, .. } = self.handover;
        self.disk.update(|record, note| {
            let known = record.slot(*slot);
            if known.state == State::Good && known.manifest == *manifest {
                // A person says that it runs well: resets before this count no longer.
                // `watch` does not: a slot that hangs each day is left for another, too.
                return Ok((state::ran_well(record, *slot), note));
            }
            Ok((state::confirm(record, *slot, manifest)?, note))
        })
    }

    /// Every byte of it is verified, and that it is not below the floor, where a
    /// confirm needs that: a bad slot that runs as last resort. `None` where it does
    /// not.
    pub fn prove(
        &self,
        trusted: impl FnOnce() -> Result<Trust>,
        progress: &dyn Progress,
    ) -> Result<Option<Proven>> {
        let (record, _) = self.disk.read_record()?;
        let slot = self.handover.slot;
        if !is_bad_last_resort(&record, slot) {
            return Ok(None);
        }
        let trusted = trusted()?;
        let found = Found::new(self.disk, record, &trusted);
        let image = verify::slot(&found, slot, progress)?;
        floor::check(&found, image, &format!("slot {slot}"))?;
        let record = found.record.clone();
        let _ = self.found.set(found);
        Ok(Some(Proven { record }))
    }

    /// It was bad, runs as last resort, and is good.
    ///
    /// # Errors
    /// Refused unless it still is what was proven, and where a person rejected it and
    /// checks are the judge; the record's.
    pub fn confirm_last_resort(&self, proven: &Proven, judge: Judge) -> Result<Committed> {
        let Handover { slot, manifest, .. } = self.handover;
        self.disk.update(|record, note| {
            verify::unchanged(&proven.record, record, *slot)?;
            let good = state::confirm_last_resort(record, *slot, manifest, judge)?;
            Ok((good, note))
        })
    }

    /// Its system is up ([`state::came_up`]); refused unless the slot is good.
    pub fn came_up(&self) -> Result<Committed> {
        let Handover { slot, manifest, .. } = self.handover;
        self.disk
            .update(|record, note| Ok((state::came_up(record, *slot, manifest)?, note)))
    }

    /// Whether the bootshim on the ESP counts starts, and so reads what is written to
    /// end a row.
    pub fn bootshim_counts(&self) -> bool {
        self.disk.bootshim_reads(MINOR_STARTS)
    }

    /// As what it runs, where it is not on trial.
    pub fn running_as(&self) -> Result<RunningAs> {
        let (record, _) = self.disk.read_record()?;
        let Handover { slot, manifest, .. } = self.handover;
        let known = record.slot(*slot);
        Ok(match known.state {
            _ if known.manifest != *manifest => RunningAs::Otherwise,
            State::Good => RunningAs::Good,
            State::Bad if known.reason == Reason::Rejected => RunningAs::Otherwise,
            State::Bad if is_bad_last_resort(&record, *slot) => RunningAs::LastResort,
            _ => RunningAs::Otherwise,
        })
    }

    /// The bootshim that the image of a good slot brings, and that has started it,
    /// is on the ESP from now on; whether one was due.
    pub fn renew(&self) -> Result<bool> {
        let (record, _) = self.disk.read_record()?;
        if record.slot(self.handover.slot).state != State::Good {
            return Ok(false);
        }
        let Some(ready) = self.prepare()? else {
            return Ok(false);
        };
        let as_it_is = |record: &Record, note| Ok((Next::unchanged(record), note));
        let durable = self.disk.update(as_it_is)?.durable;
        ready.put(Confirmed::by(&durable, self.handover)?)?;
        Ok(true)
    }

    /// It is bad, at once, for this reason; refused unless it is on trial.
    pub fn reject(&self, reason: &str) -> Result<Committed> {
        let Handover { slot, manifest, .. } = self.handover;
        let words = self.note(reason);
        self.disk.update(|record, note| {
            let known = record.slot(*slot);
            if known.state == State::Bad && known.reason == Reason::Rejected {
                return Ok((Next::unchanged(record), note));
            }
            Ok((state::reject(record, *slot, manifest)?, words))
        })
    }

    /// This start is given up, because its checks did not pass in time; `words`
    /// say which and what they said.
    pub fn give_up_start(&self, words: &str) -> Result<Committed> {
        let slot = self.handover.slot;
        let words = self.note(words);
        self.disk
            .update(|record, _| Ok((state::give_up_start(record, slot, Reason::Deadline)?, words)))
    }

    /// Its root is not what was signed, or cannot be read; `words` say where. A good
    /// slot goes behind the other good ones, any other is bad. Refused where the slot holds
    /// another image by now.
    pub fn root_failed(&self, reason: Reason, words: &str) -> Result<Committed> {
        let Handover { slot, manifest, .. } = self.handover;
        self.disk.update(|record, note| {
            let known = record.slot(*slot);
            if known.manifest != *manifest {
                return Err(state::Refusal::OtherImage(*slot).into());
            }
            if known.reason == reason && known.state != State::Trying {
                return Ok((Next::unchanged(record), note));
            }
            let failed = state::fail(record, *slot, reason, Stage::Started);
            Ok((failed, self.note(words)))
        })
    }

    /// The system goes down in order ([`state::went_down_in_order`]).
    pub fn shut_down(&self) -> Result<Committed> {
        let slot = self.handover.slot;
        self.disk.update(|record, note| {
            let next = state::went_down_in_order(record, slot);
            let given_up = next.slot(slot).state == State::Bad && next != *record;
            let note = if given_up {
                self.note("started three times its tries and never confirmed")
            } else {
                note
            };
            Ok((next, note))
        })
    }

    /// `None` also where record, keys or the running slot cannot be read: that has
    /// others to say so, and is read again the next time.
    fn prepare(&self) -> Result<Option<Ready<'a>>> {
        let look = || {
            let (record, _) = self.disk.read_record().ok()?;
            let found = Found::new(self.disk, record, &trust::keys(self.disk).ok()?);
            found.slot(self.handover.slot).is_ok().then_some(found)
        };
        let found = match self.found.get() {
            Some(found) => found,
            None => match look() {
                Some(found) => self.found.get_or_init(|| found),
                None => return Ok(None),
            },
        };
        bootshim_update::prepare(found, self.handover, self.started_by)
    }

    fn note(&self, words: &str) -> Note {
        Note::new(&format!(
            "slot {}, start {}: {words}",
            self.handover.slot, self.handover.boot
        ))
    }
}

/// As what a slot runs that is not on trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunningAs {
    /// As a good one.
    Good,
    /// As last resort, bad, and nobody rejected it.
    LastResort,
    /// As something that checks have no say in.
    Otherwise,
}

/// A bad slot of which every byte was verified, and the record it was so in.
#[derive(Debug)]
pub struct Proven {
    record: Record,
}

fn is_bad_last_resort(record: &Record, slot: SlotId) -> bool {
    let as_last_resort = |armed: Armed| armed.slot == slot && armed.as_what == Arming::LastResort;
    record.slot(slot).state == State::Bad && record.armed.is_some_and(as_last_resort)
}

#[cfg(test)]
mod tests;
