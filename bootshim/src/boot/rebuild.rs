//! A record that is lost, made again of the slots themselves.

use super::{Boot, Defect, Event, Facts, Platform, Why};
use crate::copies::Note;
use crate::medium::Medium;
use crate::record::{Record, Slot, SlotId, State};
use crate::state::{self, Next};
use alloc::vec::Vec;
use core::cmp::Ordering;

impl<M: Medium, H: Platform> Boot<M, H> {
    /// Without a record that counts, one is made of what verifies; success is
    /// never invented: nothing becomes good.
    pub(super) fn require_record(&mut self) {
        if let Some(major) = self.store.unknown_major() {
            self.platform.tell(&Event::UnknownMajor(major));
            self.can_commit = false;
        }
        if self
            .store
            .record()
            .is_some_and(|record| record.ids().count() == self.slots)
        {
            return;
        }
        self.platform.tell(&Event::RecordLost);
        let (record, judged) = self.rebuild();
        if !(self.can_commit && judged) {
            self.desperate = Some(record.into());
            return;
        }
        match self
            .store
            .commit_everywhere(record.clone(), Note::default())
        {
            Ok(durable) => self
                .platform
                .tell(&Event::Rebuilt(durable.record().sequence)),
            Err(error) => {
                self.commit_failed(error);
                self.desperate = Some(record.into());
            }
        }
    }

    /// The record that the slots themselves give, and whether it is a judgement:
    /// of a disk that gives nothing at all nobody can say that nothing is there.
    fn rebuild(&mut self) -> (Next, bool) {
        let mut record = Record::new(self.partition, self.slots);
        let mut found: Vec<(SlotId, Facts)> = Vec::new();
        let mut unreadable = false;
        for slot in record.ids() {
            match self.platform.load(slot) {
                Ok((facts, _)) => {
                    self.platform.tell(&Event::Found(slot, facts.clone()));
                    found.push((slot, facts));
                }
                Err(defect) => {
                    unreadable |= matches!(defect, Defect::Unreadable(_));
                    self.platform
                        .tell(&Event::PassedOver(slot, Why::Defect(defect)));
                }
            }
        }
        for (slot, facts) in &found {
            let installed = Slot {
                state: State::Ready,
                manifest: facts.manifest,
                security_version: facts.security_version,
                ..Slot::EMPTY
            };
            record.set_slot(*slot, installed);
        }
        let best = found.iter().max_by(|(_, a), (_, b)| by_worth(a, b));
        let activated = best.and_then(|(slot, _)| state::activate(&record, *slot, 1).ok());
        let rebuilt = activated.unwrap_or(Next(record));
        // The record is lost, the floor is not, where the firmware keeps it.
        (self.following(rebuilt), !found.is_empty() || !unreadable)
    }
}

fn by_worth(a: &Facts, b: &Facts) -> Ordering {
    let version = || images::version::compare(&a.version, &b.version);
    a.security_version
        .cmp(&b.security_version)
        .then_with(version)
}
