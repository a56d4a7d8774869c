//! A disk whose record was lost, and on which nothing is good any more.

use crate::bench::{Bench, handover, range};
use bootshim::handover::Handover;
use bootshim::record::{Arming, Reason, SlotId, Stage, State};
use bootshim::state::{self, Judge};
use controller::code::{Code, Exit};
use controller::disk::Disk;
use controller::progress::Quiet;
use controller::running::Running;
use controller::trust;

fn a() -> SlotId {
    SlotId::new(0).unwrap()
}

/// The record is lost, and the power fails in the one start that it was given: the
/// only image is bad, and runs.
fn after_one_power_cut() -> (Bench, Handover) {
    let bench = Bench::new();
    let record = range(&Disk::open(&bench.file("disk.img")).unwrap().layout().record);
    bench.change("disk.img", |disk| disk[record].fill(0));
    bench.boots_next("next-boot --arm", "a", "trial");
    bench.boots_next("next-boot --arm", "a", "last_resort");
    assert_eq!(bench.record().slot(a()).state, State::Bad);
    let running = handover(&bench.record());
    (bench, running)
}

#[test]
fn the_only_image_that_starts_is_not_overwritten_while_two_slots_are_empty() {
    let (bench, _) = after_one_power_cut();
    assert_eq!(bench.ask("install v2.slotimg")["slot"], "b");
    assert_eq!(bench.ask("install v3.slotimg")["slot"], "c");
}

#[test]
fn what_runs_well_as_last_resort_is_good_after_a_full_verify() {
    let (bench, running) = after_one_power_cut();
    let disk = Disk::open(&bench.file("disk.img")).unwrap();
    let running = Running::new(&disk, &running);
    let error = running.confirm().unwrap_err();
    assert_eq!(error.exit(), Exit::Refused, "not without one");
    let proven = running.prove(|| trust::keys(&disk), &Quiet).unwrap();
    running
        .confirm_last_resort(&proven.unwrap(), Judge::Checks)
        .unwrap();
    bench.boots_next("next-boot", "a", "good");
}

#[test]
fn a_damaged_slot_that_runs_as_last_resort_stays_bad() {
    let (bench, running) = after_one_power_cut();
    let slot = bench.slot(0);
    // In the root: bootshim does not read it.
    bench.change("disk.img", |disk| disk[slot.start + 100] ^= 1);
    let disk = Disk::open(&bench.file("disk.img")).unwrap();
    let running = Running::new(&disk, &running);
    let error = running.prove(|| trust::keys(&disk), &Quiet).unwrap_err();
    assert_eq!(error.exit(), Exit::NotAuthentic, "{error}");
    assert_eq!(bench.record().slot(a()).state, State::Bad);
}

#[test]
fn a_slot_below_the_floor_that_runs_as_last_resort_stays_bad() {
    let (bench, running) = after_one_power_cut();
    bench.change_record(|record| record.floor = 9);
    let disk = Disk::open(&bench.file("disk.img")).unwrap();
    let running = Running::new(&disk, &running);
    let error = running.prove(|| trust::keys(&disk), &Quiet).unwrap_err();
    assert_eq!(error.code, Code::BelowFloor, "{error}");
}

#[test]
fn what_a_person_rejected_is_confirmed_by_a_person_alone() {
    let (bench, running) = after_one_power_cut();
    bench.change_record(|record| {
        let rejected = state::fail(record, a(), Reason::Rejected, Stage::Watch);
        *record = state::arm(&rejected, a(), Arming::LastResort).into();
    });
    let disk = Disk::open(&bench.file("disk.img")).unwrap();
    let running = Running::new(&disk, &running);
    let proven = running.prove(|| trust::keys(&disk), &Quiet).unwrap();
    let confirm = |judge| running.confirm_last_resort(proven.as_ref().unwrap(), judge);
    assert_eq!(confirm(Judge::Checks).unwrap_err().code, Code::Rejected);
    confirm(Judge::Person).unwrap();
}
