//! What this start is: how much of the root is read before it is trusted, and what
//! a block does that turns out to be damaged later.

use bootshim::choice::{self, Situation, Slots};
use bootshim::handover::Handover;
use bootshim::record::{Reason, Record, SlotId, Stage, State};
use bootshim::state;
use controller::disk::Disk;
use images::manifest::Manifest;
use std::path::Path;

/// `WDIOF_CARDRESET`: the watchdog has reset the machine (`linux/watchdog.h`).
const CARD_RESET: u64 = 0x20;
const WATCHDOGS: &str = "/sys/class/watchdog";

/// What is known of this start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    good: bool,
    /// Nothing was ever found against it.
    spotless: bool,
    /// Another slot would start if this one were damaged.
    replaceable: bool,
    /// The image pets a watchdog that says afterwards whether it has fired.
    watched: bool,
    /// The watchdog ended the start before this one.
    fired: bool,
}

impl Start {
    /// By the record, the manifest and the watchdogs of this machine. A record that
    /// cannot be read says nothing for the slot.
    pub(super) fn of(disk: &Disk, handover: &Handover, manifest: &Manifest) -> Start {
        let causes = reset_causes(Path::new(WATCHDOGS));
        let record = disk.read_record().ok().map(|(record, _)| record);
        let slot = handover.slot;
        let known = record.as_ref().map(|record| *record.slot(slot));
        let known = known.filter(|known| known.manifest == handover.manifest);
        let failed = |record: &Record| {
            let failed = state::fail(record, slot, Reason::Damaged, Stage::Started);
            instead(&failed, slot).is_some()
        };
        Start {
            good: known.is_some_and(|known| known.state == State::Good),
            spotless: known.is_some_and(|known| known.reason == Reason::None),
            replaceable: record.as_ref().is_some_and(failed),
            watched: manifest.watchdog_seconds > 0 && !causes.is_empty(),
            fired: causes.iter().any(|cause| cause & CARD_RESET != 0),
        }
    }

    pub(super) fn is_good(&self) -> bool {
        self.good
    }

    /// Whether this start ends for another slot when something is wrong with the root.
    /// A good slot is left once: where something is known against it already, bootshim
    /// has passed over all that would go before it, would again, and the machine would
    /// go round for ever.
    pub(super) fn leaves(&self) -> bool {
        self.replaceable && (self.spotless || !self.good)
    }

    /// Whether the whole root is read before it is mounted: on a trial, where
    /// something is known against the slot, and where the start before may have died
    /// of a damaged block. A steady start reads the first block.
    pub(super) fn reads_all(&self) -> bool {
        !(self.good && self.spotless) || self.fired
    }

    /// Whether a damaged block may end this start in a panic: the watchdog then
    /// resets the machine, the next start reads everything, and another slot takes
    /// over. Where none would, the block is a read error and the machine runs.
    pub(super) fn may_panic(&self) -> bool {
        self.watched && self.leaves()
    }
}

/// The slot that starts next by this record, if it is another one. A good slot is
/// left only for one of which nothing is known: bootshim may have passed over the
/// other at this very start and will at the next, and the machine would go round for
/// ever.
pub(super) fn instead(record: &Record, slot: SlotId) -> Option<SlotId> {
    let now = Situation {
        passed: Slots::default(),
        can_commit: true,
        seed: 0,
    };
    let (next, _) = choice::first(record, &now)?;
    let spotless = record.slot(next).reason == Reason::None;
    let leaves = spotless || record.slot(slot).state != State::Good;
    Some(next).filter(|next| *next != slot && leaves)
}

/// What each watchdog says of the last reset.
fn reset_causes(folder: &Path) -> Vec<u64> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let cause = std::fs::read_to_string(entry.path().join("bootstatus")).ok()?;
            cause.trim_end().parse().ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bootshim::guid::Guid;
    use bootshim::record::Slot;

    /// A good slot as it starts day by day, with another one beside it.
    const STEADY: Start = Start {
        good: true,
        spotless: true,
        replaceable: true,
        watched: true,
        fired: false,
    };

    fn slot(name: &str) -> SlotId {
        name.parse().unwrap()
    }

    /// A record whose slots have these states.
    fn record(states: &[State]) -> Record {
        let mut record = Record::new(Guid([1; 16]), states.len());
        let ids: Vec<SlotId> = record.ids().collect();
        for ((id, state), priority) in ids.into_iter().zip(states).zip(1..) {
            let good = *state == State::Good;
            let to = Slot {
                state: *state,
                priority: if good { priority } else { 0 },
                manifest: [priority; 32],
                tries: 3,
                tries_left: 0,
                ..Slot::EMPTY
            };
            record.set_slot(id, to);
        }
        record
    }

    fn damaged(record: &Record, name: &str) -> Record {
        state::fail(record, slot(name), Reason::Damaged, Stage::Started).into()
    }

    #[test]
    fn a_damaged_good_slot_is_left_only_for_another_good_one() {
        let two = record(&[State::Good, State::Good, State::Ready]);
        assert_eq!(instead(&damaged(&two, "b"), slot("b")), Some(slot("a")));
        let one = record(&[State::Good, State::Ready, State::Bad]);
        assert_eq!(instead(&damaged(&one, "a"), slot("a")), None);
    }

    #[test]
    fn of_two_good_slots_with_a_fault_each_stays_and_the_machine_does_not_go_round() {
        let two = record(&[State::Good, State::Good]);
        for (reason, stage) in [
            (Reason::Damaged, Stage::Started),
            (Reason::Damaged, Stage::Verify),
            (Reason::NotAuthentic, Stage::Verify),
            (Reason::Watchdog, Stage::Started),
        ] {
            let both = damaged(&state::fail(&two, slot("b"), reason, stage), "a");
            assert_eq!(instead(&both, slot("a")), None, "{reason}");
            assert_eq!(instead(&both, slot("b")), None, "{reason}");
        }
    }

    #[test]
    fn a_damaged_trial_is_left_for_the_good_slot() {
        let trial = record(&[State::Good, State::Trying]);
        assert_eq!(instead(&trial, slot("b")), Some(slot("a")));
        assert_eq!(instead(&damaged(&trial, "b"), slot("b")), Some(slot("a")));
    }

    #[test]
    fn a_steady_start_reads_the_first_block_and_any_other_all_of_them() {
        assert!(!STEADY.reads_all() && STEADY.may_panic());
        let all = [
            Start {
                good: false,
                ..STEADY
            },
            Start {
                spotless: false,
                ..STEADY
            },
            Start {
                fired: true,
                ..STEADY
            },
        ];
        assert!(all.iter().all(Start::reads_all));
        // A panic without a watchdog would be the end, and on the only slot as well.
        assert!(
            !Start {
                watched: false,
                ..STEADY
            }
            .may_panic()
        );
        assert!(
            !Start {
                replaceable: false,
                ..STEADY
            }
            .may_panic()
        );
    }

    #[test]
    fn a_good_slot_that_starts_with_something_against_it_is_left_for_no_other() {
        assert!(STEADY.leaves());
        let known = Start {
            spotless: false,
            ..STEADY
        };
        assert!(!known.leaves() && !known.may_panic());
        let trial = Start {
            good: false,
            ..known
        };
        assert!(trial.leaves());
    }

    #[test]
    fn the_cause_of_the_last_reset_is_read_from_every_watchdog() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(reset_causes(&folder.path().join("none")), [0; 0]);
        for (name, cause) in [("watchdog0", "0\n"), ("watchdog1", "32\n"), ("odd", "?")] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join("bootstatus"), cause).unwrap();
        }
        let mut causes = reset_causes(folder.path());
        causes.sort_unstable();
        assert_eq!(causes, [0, 32]);
    }
}
