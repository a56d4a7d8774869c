use super::*;
use crate::medium::memory::Memory;
use crate::medium::{Access, Cause};
use crate::record::tests::PARTITION;
use crate::record::{Arming, NO_DIGEST};
use alloc::string::ToString;
use alloc::vec;

const RECORD_LEN: usize = 1024 * 1024;

fn id(letter: &str) -> SlotId {
    letter.parse().unwrap()
}

/// A machine whose slots hold what the test says and which writes down what it
/// was told to start.
struct Rig {
    slots: Vec<Result<Facts, Defect>>,
    starts: bool,
    events: Vec<String>,
}

impl Hands for Rig {
    type Image = ();
    type Running = (SlotId, Kind);

    fn load(&mut self, slot: SlotId) -> Result<(Facts, ()), Defect> {
        self.slots[slot.index()].clone().map(|facts| (facts, ()))
    }
    fn start(
        &mut self,
        permit: Permit,
        record: &Record,
        _: &Facts,
        (): (),
    ) -> Result<(SlotId, Kind), String> {
        if permit.kind() != Kind::Good && record.armed.map(|a| a.slot) != Some(permit.slot()) {
            self.events.push("started without being armed".into());
        }
        if self.starts {
            Ok((permit.slot(), permit.kind()))
        } else {
            Err("Unsupported".into())
        }
    }
    fn tell(&mut self, event: &Event) {
        self.events.push(event.to_string());
    }
    fn turn(&self) -> u64 {
        1
    }
}

fn facts(fill: u8, version: &str) -> Result<Facts, Defect> {
    Ok(Facts {
        manifest: [fill; 32],
        security_version: 0,
        version: version.into(),
    })
}

fn damaged() -> Result<Facts, Defect> {
    Err(Defect::Bad(Reason::Damaged, "kernel".into()))
}

fn rig(slots: Vec<Result<Facts, Defect>>) -> Rig {
    Rig {
        slots,
        starts: true,
        events: Vec::new(),
    }
}

fn three() -> Rig {
    rig(vec![facts(1, "1"), facts(2, "2"), facts(3, "3")])
}

fn committed(states: [State; 3]) -> Memory {
    let mut record = Record::new(PARTITION, 3);
    for (slot, (state, fill)) in SlotId::all().zip(states.into_iter().zip(1u8..)) {
        let empty = matches!(state, State::Empty | State::Writing);
        let manifest = if empty { NO_DIGEST } else { [fill; 32] };
        let tries = if state == State::Trying { 3 } else { 0 };
        let priority = if state == State::Good { fill } else { 0 };
        let made = Slot {
            state,
            manifest,
            tries,
            tries_left: tries,
            priority,
            ..Slot::EMPTY
        };
        record.set_slot(slot, made);
    }
    let medium = Memory::new(RECORD_LEN);
    Store::open(&medium, PARTITION)
        .commit_everywhere(record, Note::default())
        .unwrap();
    medium
}

fn start(medium: &Memory, rig: Rig) -> (Outcome<(SlotId, Kind)>, Rig, Option<Record>) {
    let mut boot = Boot::new(medium, PARTITION, 3, rig);
    let outcome = boot.run();
    let record = boot.record().cloned();
    (outcome, boot.into_hands(), record)
}

use State::{Bad, Empty, Good, Ready, Trying};

#[test]
fn a_steady_good_boot_writes_nothing() {
    let medium = committed([Good, Good, Empty]);
    let before = medium.0.borrow().clone();
    let (outcome, _, _) = start(&medium, three());
    assert_eq!(outcome, Outcome::Running((id("b"), Kind::Good)));
    assert!(before == *medium.0.borrow());
}

#[test]
fn a_trial_loses_a_try_before_it_starts() {
    let medium = committed([Good, Trying, Empty]);
    let (outcome, _, record) = start(&medium, three());
    assert_eq!(outcome, Outcome::Running((id("b"), Kind::Trial)));
    let record = record.unwrap();
    assert_eq!(
        (
            record.slot(id("b")).tries_left,
            record.slot(id("b")).attempts
        ),
        (2, 1)
    );
}

#[test]
fn a_trial_that_is_never_confirmed_ends_in_the_good_slot_after_its_tries() {
    let medium = committed([Good, Trying, Empty]);
    for _ in 0..3 {
        assert_eq!(
            start(&medium, three()).0,
            Outcome::Running((id("b"), Kind::Trial))
        );
    }
    let (outcome, rig, record) = start(&medium, three());
    assert_eq!(outcome, Outcome::Running((id("a"), Kind::Good)));
    assert_eq!(record.unwrap().slot(id("b")).reason, Reason::Exhausted);
    assert!(
        rig.events
            .contains(&"slot b passed over: trial over: tries used up".to_string())
    );
}

#[test]
fn an_image_that_does_not_verify_is_bad_at_once() {
    let medium = committed([Good, Trying, Empty]);
    let (outcome, _, record) = start(&medium, rig(vec![facts(1, "1"), damaged(), damaged()]));
    assert_eq!(outcome, Outcome::Running((id("a"), Kind::Good)));
    let record = record.unwrap();
    assert_eq!(
        (record.slot(id("b")).state, record.slot(id("b")).reason),
        (Bad, Reason::Damaged)
    );
    assert_eq!(record.last_failure.unwrap().stage, Stage::Verify);
}

#[test]
fn a_slot_with_another_manifest_than_installed_does_not_start() {
    let medium = committed([Good, Trying, Empty]);
    let (outcome, _, record) = start(&medium, rig(vec![facts(1, "1"), facts(9, "2"), damaged()]));
    assert_eq!(outcome, Outcome::Running((id("a"), Kind::Good)));
    assert_eq!(record.unwrap().slot(id("b")).reason, Reason::WrongManifest);
}

#[test]
fn an_unreadable_device_is_no_verdict_on_the_slot() {
    let fault = Fault {
        access: Access::Read,
        offset: 0,
        length: 1,
        cause: Cause::Device(5),
    };
    let medium = committed([Good, Trying, Empty]);
    let unreadable = Err(Defect::Unreadable(fault));
    let (outcome, _, record) = start(&medium, rig(vec![facts(1, "1"), unreadable, damaged()]));
    assert_eq!(outcome, Outcome::Running((id("a"), Kind::Good)));
    assert_eq!(record.unwrap().slot(id("b")).state, Trying);
}

#[test]
fn a_damaged_good_slot_is_passed_over_and_noted_once() {
    let medium = committed([Good, Good, Empty]);
    let slots = || rig(vec![facts(1, "1"), damaged(), damaged()]);
    let (outcome, _, record) = start(&medium, slots());
    assert_eq!(outcome, Outcome::Running((id("a"), Kind::Good)));
    assert_eq!(record.unwrap().slot(id("b")).state, Good);
    let before = medium.0.borrow().clone();
    start(&medium, slots());
    assert!(
        before == *medium.0.borrow(),
        "the second start wrote the same again"
    );
}

#[test]
fn a_kernel_that_the_firmware_refuses_makes_way_for_the_next_slot() {
    let medium = committed([Good, Trying, Empty]);
    let mut refusing = three();
    refusing.starts = false;
    let (outcome, _, record) = start(&medium, refusing);
    assert_eq!(outcome, Outcome::Nothing);
    let record = record.unwrap();
    assert_eq!(
        (record.slot(id("b")).state, record.slot(id("a")).state),
        (Bad, Good)
    );
    assert_eq!(record.slot(id("a")).reason, Reason::NotStarted);
}

#[test]
fn a_lost_record_is_made_anew_and_success_is_never_invented() {
    let medium = Memory::new(RECORD_LEN);
    let (outcome, _, record) = start(
        &medium,
        rig(vec![facts(1, "1.9"), facts(2, "1.10"), damaged()]),
    );
    assert_eq!(outcome, Outcome::Running((id("b"), Kind::Trial)));
    let record = record.unwrap();
    assert_eq!(
        (record.slot(id("a")).state, record.slot(id("b")).state),
        (Ready, Trying)
    );
    assert_eq!(record.slot(id("c")).state, Empty);
    assert!(record.known_good().is_none());
}

#[test]
fn without_a_good_slot_what_verifies_is_started_in_turn_for_ever() {
    let medium = committed([Bad, Bad, Empty]);
    let mut seen = Vec::new();
    for _ in 0..4 {
        let Outcome::Running((slot, kind)) = start(&medium, three()).0 else {
            panic!("nothing")
        };
        assert_eq!(kind, Kind::LastResort);
        seen.push(slot);
    }
    assert_eq!(seen, [id("a"), id("b"), id("a"), id("b")]);
}

#[test]
fn with_a_record_of_an_unknown_format_only_good_slots_start_and_nothing_is_written() {
    let medium = committed([Good, Trying, Empty]);
    let mut raw = [0; 512];
    raw.copy_from_slice(&medium.0.borrow()[..512]);
    raw[8] = 2;
    crate::record::tests::reseal(&mut raw);
    medium.0.borrow_mut()[..512].copy_from_slice(&raw);
    let before = medium.0.borrow().clone();
    let (outcome, _, _) = start(&medium, three());
    assert_eq!(outcome, Outcome::Running((id("a"), Kind::Good)));
    assert!(before == *medium.0.borrow());
}

#[test]
fn a_one_shot_starts_once() {
    let medium = committed([Good, Ready, Empty]);
    let mut store = Store::open(&medium, PARTITION);
    let once = state::activate_once(store.record().unwrap(), id("b")).unwrap();
    store.commit(once, Note::default()).unwrap();
    let (outcome, _, record) = start(&medium, three());
    assert_eq!(outcome, Outcome::Running((id("b"), Kind::Once)));
    assert_eq!(record.unwrap().armed.unwrap().as_what, Arming::Once);
    assert_eq!(
        start(&medium, three()).0,
        Outcome::Running((id("a"), Kind::Good))
    );
}

/// A record that can be read and not written.
struct ReadOnly<'a>(&'a Memory);

impl Medium for ReadOnly<'_> {
    fn len(&self) -> u64 {
        self.0.len()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Fault> {
        self.0.read_at(offset, buf)
    }
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Fault> {
        let length = data.len() as u64;
        Err(Fault {
            access: Access::Write,
            offset,
            length,
            cause: Cause::Device(30),
        })
    }
    fn flush(&self) -> Result<(), Fault> {
        Ok(())
    }
}

#[test]
fn no_trial_and_no_one_shot_starts_when_the_record_cannot_be_written() {
    for states in [[Good, Trying, Empty], [Good, Ready, Empty]] {
        let medium = committed(states);
        if states[1] == Ready {
            let mut store = Store::open(&medium, PARTITION);
            let once = state::activate_once(store.record().unwrap(), id("b")).unwrap();
            store.commit(once, Note::default()).unwrap();
        }
        let mut boot = Boot::new(ReadOnly(&medium), PARTITION, 3, three());
        assert_eq!(boot.run(), Outcome::Running((id("a"), Kind::Good)));
    }
}

#[test]
fn when_nothing_can_be_committed_and_nothing_good_starts_a_verified_slot_starts_all_the_same() {
    let medium = committed([Bad, Trying, Ready]);
    let mut boot = Boot::new(ReadOnly(&medium), PARTITION, 3, three());
    assert_eq!(boot.run(), Outcome::Running((id("b"), Kind::LastResort)));
}

#[test]
fn below_the_floor_nothing_starts() {
    let medium = committed([Good, Trying, Empty]);
    let mut store = Store::open(&medium, PARTITION);
    let mut raised = store.record().unwrap().clone();
    raised.floor = 4;
    store.commit(raised, Note::default()).unwrap();
    let mut slots = three();
    slots.slots[0] = Ok(Facts {
        manifest: [1; 32],
        security_version: 4,
        version: "1".into(),
    });
    let (outcome, _, record) = start(&medium, slots);
    assert_eq!(outcome, Outcome::Running((id("a"), Kind::Good)));
    assert_eq!(record.unwrap().slot(id("b")).reason, Reason::BelowFloor);
}
