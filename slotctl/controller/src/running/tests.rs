use super::*;
use crate::code::Code;
use crate::medium::Mode;
use crate::progress::Quiet;
use bootshim::copies::Store;
use bootshim::record::Slot;
use fakedisk::{FakeDisk, blank};
use std::sync::Arc;

const OURS: Digest = [2; 32];
const OTHER: Digest = [9; 32];

/// A disk with a good slot a, and slot b, which runs, on trial for the first time,
/// before anything else was done to its record.
fn disk(change: impl FnOnce(&mut Record, &mut Slot)) -> Disk {
    let disk = Disk::on(Arc::new(FakeDisk::of(blank(3, 128 << 10))), None).unwrap();
    let id = disk.layout().record.id;
    let good = Slot {
        state: State::Good,
        priority: 1,
        manifest: [1; 32],
        ..Slot::EMPTY
    };
    let mut ours = Slot {
        state: State::Trying,
        priority: 0,
        manifest: OURS,
        tries: 3,
        tries_left: 2,
        attempts: 1,
        ..good
    };
    let mut record = Record::new(id, 3);
    record.armed = Some(armed("b", Arming::Trial));
    change(&mut record, &mut ours);
    record.set_slot(slot("a"), good);
    record.set_slot(slot("b"), ours);
    Store::open(disk.record(Mode::Write).unwrap(), id)
        .commit_everywhere(Next::by_hand(record), Note::default())
        .unwrap();
    disk
}

fn slot(name: &str) -> SlotId {
    name.parse().unwrap()
}

fn armed(name: &str, as_what: Arming) -> Armed {
    let slot = slot(name);
    Armed { slot, as_what }
}

fn handover(disk: &Disk, manifest: Digest) -> Handover {
    Handover {
        slot: slot("b"),
        disk: disk.layout().record.id,
        boot: 7,
        manifest,
    }
}

fn be_good(ours: &mut Slot) {
    (ours.state, ours.priority, ours.tries_left) = (State::Good, 2, 0);
}

fn be_bad(ours: &mut Slot, reason: Reason) {
    (ours.state, ours.reason, ours.tries_left) = (State::Bad, reason, 0);
}

/// What is in the record of slot b, and the words beside it.
fn known(disk: &Disk) -> (State, Reason, String) {
    let (record, note) = disk.read_record().unwrap();
    let known = record.slot(slot("b"));
    (known.state, known.reason, note.text().into())
}

#[test]
fn on_trial_is_what_is_armed_not_confirmed_and_still_the_image_that_runs() {
    let ready = |ours: &mut Slot| (ours.state, ours.tries_left) = (State::Ready, 0);
    let asked = |manifest, change: &dyn Fn(&mut Record, &mut Slot)| {
        let disk = disk(change);
        let handover = handover(&disk, manifest);
        Running::new(&disk, &handover).is_on_trial().unwrap()
    };
    let last_resort = Some(armed("b", Arming::LastResort));
    assert!(asked(OURS, &|_, _| ()));
    assert!(!asked(OTHER, &|_, _| ()));
    assert!(!asked(OURS, &|record, _| record.armed = None));
    let elsewhere = Some(armed("a", Arming::Once));
    assert!(!asked(OURS, &|record, _| record.armed = elsewhere));
    assert!(!asked(OURS, &|_, ours| be_good(ours)));
    assert!(asked(OURS, &|record, _| record.armed = last_resort));
    assert!(asked(OURS, &|record, ours| {
        record.armed = last_resort;
        ready(ours);
    }));
    assert!(!asked(OURS, &|record, ours| {
        record.armed = Some(armed("b", Arming::Once));
        ready(ours);
    }));
    assert!(!asked(OURS, &|record, ours| {
        record.armed = last_resort;
        be_bad(ours, Reason::Exhausted);
    }));
}

#[test]
fn what_is_not_on_trial_is_good_or_a_last_resort_that_nobody_rejected() {
    let asked = |manifest, arming, change: &dyn Fn(&mut Slot)| {
        let disk = disk(|record, ours| {
            record.armed = Some(armed("b", arming));
            change(ours);
        });
        let handover = handover(&disk, manifest);
        Running::new(&disk, &handover).running_as().unwrap()
    };
    let (once, last) = (Arming::Once, Arming::LastResort);
    let exhausted = |ours: &mut Slot| be_bad(ours, Reason::Exhausted);
    assert_eq!(asked(OURS, once, &be_good), RunningAs::Good);
    assert_eq!(asked(OTHER, once, &be_good), RunningAs::Otherwise);
    assert_eq!(asked(OURS, last, &exhausted), RunningAs::LastResort);
    assert_eq!(asked(OURS, once, &exhausted), RunningAs::Otherwise);
    let rejected = |ours: &mut Slot| be_bad(ours, Reason::Rejected);
    assert_eq!(asked(OURS, last, &rejected), RunningAs::Otherwise);
    assert_eq!(asked(OURS, once, &|_| ()), RunningAs::Otherwise);
}

#[test]
fn a_trial_is_confirmed_once_and_no_other_image_in_its_name() {
    let disk = disk(|_, _| ());
    let (ours, other) = (handover(&disk, OURS), handover(&disk, OTHER));
    let refused = Running::new(&disk, &other).confirm().unwrap_err();
    assert_eq!(refused.code, Code::OtherImage);
    let running = Running::new(&disk, &ours);
    assert!(!running.renew().unwrap());
    assert!(running.confirm().unwrap().changed);
    assert_eq!(known(&disk).0, State::Good);
    assert!(!running.confirm().unwrap().changed);
    // Good by now, and another image all the same.
    assert!(Running::new(&disk, &other).confirm().is_err());
    // Nobody asks for keys, and no ESP has a bootshim that counts.
    let keys = || panic!("nothing is to be verified");
    assert!(running.prove(keys, &Quiet).unwrap().is_none());
    assert!(!running.renew().unwrap() && !running.bootshim_counts());
}

#[test]
fn a_confirm_by_a_person_and_a_system_that_is_up_end_a_row_of_starts() {
    for confirm in [true, false] {
        let disk = disk(|record, ours| {
            be_good(ours);
            record.set_starts(Some((slot("b"), 2)));
        });
        let handover = handover(&disk, OURS);
        let running = Running::new(&disk, &handover);
        let done = match confirm {
            true => running.confirm(),
            false => running.came_up(),
        };
        let done = done.unwrap();
        assert!(done.before.starts().is_some());
        assert_eq!(done.durable.record().starts(), None);
    }
}

#[test]
fn a_last_resort_is_confirmed_only_with_every_byte_verified() {
    let disk = disk(|record, ours| {
        record.armed = Some(armed("b", Arming::LastResort));
        be_bad(ours, Reason::Exhausted);
    });
    let handover = handover(&disk, OURS);
    let running = Running::new(&disk, &handover);
    let refused = running.prove(|| Ok(Trust::direct([])), &Quiet).unwrap_err();
    assert_eq!(refused.code, Code::NotIntact);
    let (record, _) = disk.read_record().unwrap();
    let proven = Proven { record };
    let done = running.confirm_last_resort(&proven, Judge::Checks).unwrap();
    assert!(done.changed && known(&disk).0 == State::Good);
    // It is not what was proven any more.
    let refused = running.confirm_last_resort(&proven, Judge::Checks);
    assert_eq!(refused.unwrap_err().code, Code::Busy);
}

#[test]
fn why_a_start_failed_stands_beside_the_record_and_the_first_word_stays() {
    let said = |words: &str| format!("slot b, start 7: {words}");
    let rejected = disk(|_, _| ());
    let ours = handover(&rejected, OURS);
    let running = Running::new(&rejected, &ours);
    assert!(running.reject("no").unwrap().changed);
    assert!(!running.reject("again").unwrap().changed);
    assert_eq!(known(&rejected), (State::Bad, Reason::Rejected, said("no")));

    let late = disk(|_, _| ());
    Running::new(&late, &ours).give_up_start("late").unwrap();
    assert_eq!(
        known(&late),
        (State::Trying, Reason::Deadline, said("late"))
    );

    let damaged = disk(|_, _| ());
    let other = handover(&damaged, OTHER);
    let failed = |handover, words: &str| {
        Running::new(&damaged, handover).root_failed(Reason::Damaged, words)
    };
    assert_eq!(failed(&other, "other").unwrap_err().code, Code::OtherImage);
    assert!(failed(&ours, "a block").unwrap().changed);
    assert!(!failed(&ours, "again").unwrap().changed);
    let words = said("a block");
    assert_eq!(known(&damaged), (State::Bad, Reason::Damaged, words));
}

#[test]
fn a_restart_in_order_gives_the_try_back_until_three_times_the_tries() {
    let first = disk(|_, _| ());
    let ours = handover(&first, OURS);
    Running::new(&first, &ours).shut_down().unwrap();
    let (record, note) = first.read_record().unwrap();
    assert_eq!(record.slot(slot("b")).tries_left, 3);
    assert_eq!(note.text(), "");
    let last = disk(|_, ours| ours.attempts = 9);
    let running = Running::new(&last, &ours);
    running.shut_down().unwrap();
    let words = "slot b, start 7: started three times its tries and never confirmed";
    let over = (State::Bad, Reason::Unconfirmed, words.to_owned());
    assert_eq!(known(&last), over);
    assert!(!running.shut_down().unwrap().changed);
}
