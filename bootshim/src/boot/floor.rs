//! What counts as the floor in a start, and how it follows the good slots.

use super::{Boot, Event, Facts, Platform};
use crate::floor::{Counts, Demand, Floor, Keeper, Kept};
use crate::medium::Medium;
use crate::record::{Record, SlotId};
use crate::state::Next;

impl<M: Medium, H: Platform> Boot<M, H> {
    pub(super) fn tell_of_floor(&mut self) {
        let hint = self.record().map_or(0, |record| record.floor);
        let counts = Counts::of(&self.kept, hint);
        let kept = self.kept.clone();
        self.platform.tell(&Event::Floor { counts, kept, hint });
    }

    /// What the good slots ask of the floor, and one that was good before its trial
    /// and may be so again: the one that is being started by what was loaded, the
    /// others by their manifests.
    pub(super) fn demand(&mut self, record: &Record, slot: SlotId, loaded: &Facts) -> Demand {
        let mut demand = Demand::default();
        let again = record.trial().filter(|trial| record.was_good(*trial));
        for good in record.good().into_iter().chain(again) {
            let facts = if good == slot {
                Some(loaded.clone())
            } else {
                self.platform.manifest(good).ok()
            };
            let installed = record.slot(good).manifest;
            demand.add(facts.filter(|facts| facts.manifest == installed).as_ref());
        }
        demand
    }

    /// A slot is verified and about to start. For a good one the floor follows. A
    /// power cut before it leaves the lower floor, and the next start raises it; a
    /// cut after it finds a floor that this slot and every good one that may start
    /// still reach, whether or not this start comes to its end. Nothing is written
    /// where the floor is there and high enough.
    ///
    /// For any other slot it stays as it is, and is kept where the firmware keeps
    /// none: once the variable exists the system that starts cannot make one of its
    /// name.
    pub(super) fn keep_floor(&mut self, counts: Floor, due: Floor) {
        match &self.kept {
            Kept::Here(_) if due == counts => return,
            Kept::Nowhere(_) => return,
            Kept::Here(_) | Kept::Absent | Kept::Garbage(_) => {}
        }
        match self.platform.raise_floor(due) {
            Ok(()) => self.kept = Kept::Here(due),
            // A start must not depend on it: the floor that counted still does.
            Err(words) => self.platform.tell(&Event::FloorNotRaised(words)),
        }
        self.tell_of_floor();
    }

    /// A record that is about to be written anyway: its hint becomes the floor
    /// that the firmware keeps. One that somebody put too high or too low on the
    /// disk ends here.
    pub(super) fn following(&self, mut next: Next) -> Next {
        let counts = Counts::of(&self.kept, next.floor);
        if counts.keeper == Keeper::Firmware {
            next.0.floor = counts.floor.security_version;
        }
        next
    }
}
