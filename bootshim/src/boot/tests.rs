use super::*;
use crate::fake::FakeDisk;
use crate::medium::{Access, Cause};
use crate::record::Slot;
use crate::record::tests::{PARTITION, id};
use crate::record::{Arming, NO_DIGEST};
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::Cell;

mod arming;
mod chainloaded;
mod floors;
mod memory;
mod rebuilding;
mod said;
mod starts;

const RECORD_LEN: u64 = 1024 * 1024;

/// A machine whose slots hold what the test says and which writes down what it
/// was told to start.
struct FakePlatform {
    slots: Vec<Result<Facts, Defect>>,
    /// Why it starts nothing.
    refuses: Option<Why>,
    /// So many starts end because there is no memory for them.
    without_memory: usize,
    kept: Kept,
    /// Whether the firmware has room for a higher floor.
    keeps: bool,
    events: Vec<String>,
    steps: Cell<u32>,
    last_reset: reset::Cause,
}

impl Platform for FakePlatform {
    type Image = ();
    type Running = (SlotId, StartKind);

    fn load(&mut self, slot: SlotId) -> Result<(Facts, ()), Defect> {
        self.slots[slot.index()].clone().map(|facts| (facts, ()))
    }
    fn manifest(&mut self, slot: SlotId) -> Result<Facts, Defect> {
        self.slots[slot.index()].clone()
    }
    fn floor(&mut self) -> Kept {
        self.kept.clone()
    }
    fn raise_floor(&mut self, floor: Floor) -> Result<(), String> {
        if !self.keeps {
            return Err("OUT_OF_RESOURCES".into());
        }
        self.kept = Kept::Here(floor);
        Ok(())
    }
    fn start(
        &mut self,
        clearance: Clearance,
        record: &Record,
        _: &Facts,
        (): (),
    ) -> Result<(SlotId, StartKind), Why> {
        if clearance.kind() != StartKind::Good
            && record.armed.map(|a| a.slot) != Some(clearance.slot())
        {
            self.events.push("started without being armed".into());
        }
        if self.without_memory > 0 {
            self.without_memory -= 1;
            return Err(Why::NoMemory("the kernel came back".into()));
        }
        match self.refuses.clone() {
            Some(why) => Err(why),
            None => Ok((clearance.slot(), clearance.kind())),
        }
    }
    fn tell(&mut self, event: &Event) {
        self.events.push(event.to_string());
    }
    fn seed(&self) -> u64 {
        self.steps.set(self.steps.get() + 1);
        assert!(self.steps.get() < 50, "a start that never ends");
        1
    }
    fn last_reset(&self) -> reset::Cause {
        self.last_reset
    }
}

fn facts(fill: u8, version: &str) -> Result<Facts, Defect> {
    Ok(Facts {
        manifest: [fill; 32],
        security_version: 0,
        revoke_below: 0,
        key_epoch: None,
        version: version.into(),
    })
}

fn damaged() -> Result<Facts, Defect> {
    Err(Defect::Bad(Reason::Damaged, "kernel".into()))
}

fn fake(slots: Vec<Result<Facts, Defect>>) -> FakePlatform {
    FakePlatform {
        slots,
        refuses: None,
        without_memory: 0,
        kept: Kept::Absent,
        keeps: true,
        events: Vec::new(),
        steps: Cell::new(0),
        last_reset: reset::Cause::Unknown,
    }
}

fn three() -> FakePlatform {
    fake(vec![facts(1, "1"), facts(2, "2"), facts(3, "3")])
}

fn committed(states: [State; 3]) -> FakeDisk {
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
    let medium = FakeDisk::new(RECORD_LEN);
    Store::open(&medium, PARTITION)
        .commit_everywhere(Next::by_hand(record), Note::default())
        .unwrap();
    medium
}

fn start(
    medium: &FakeDisk,
    fake: FakePlatform,
) -> (Option<(SlotId, StartKind)>, FakePlatform, Option<Record>) {
    let mut boot = Boot::new(medium, PARTITION, 3, fake);
    let outcome = boot.run();
    let record = boot.record().cloned();
    (outcome, boot.into_platform(), record)
}

/// Somebody changes the record, and commits that.
fn amend(medium: &FakeDisk, change: impl FnOnce(&mut Record)) {
    let mut store = Store::open(medium, PARTITION);
    let mut record = store.record().unwrap().clone();
    change(&mut record);
    store
        .commit(Next::by_hand(record), Note::default())
        .unwrap();
}

fn amend_slot(medium: &FakeDisk, slot: &str, change: impl FnOnce(&mut Slot)) {
    amend(medium, |record| {
        let mut changed = *record.slot(id(slot));
        change(&mut changed);
        record.set_slot(id(slot), changed);
    });
}

fn good(slot: &str) -> Option<(SlotId, StartKind)> {
    Some((id(slot), StartKind::Good))
}

fn trial(slot: &str) -> Option<(SlotId, StartKind)> {
    Some((id(slot), StartKind::Trial))
}

fn last_resort(slot: &str) -> Option<(SlotId, StartKind)> {
    Some((id(slot), StartKind::LastResort))
}

use State::{Bad, Empty, Good, Ready, Trying};

#[test]
fn a_steady_good_boot_writes_nothing() {
    let medium = committed([Good, Good, Empty]);
    let before = medium.content();
    let (outcome, _, _) = start(&medium, three());
    assert_eq!(outcome, good("b"));
    assert!(before == medium.content());
}

#[test]
fn a_trial_loses_a_try_before_it_starts() {
    let medium = committed([Good, Trying, Empty]);
    let (outcome, _, record) = start(&medium, three());
    assert_eq!(outcome, trial("b"));
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
        assert_eq!(start(&medium, three()).0, trial("b"));
    }
    let (outcome, fake, record) = start(&medium, three());
    assert_eq!(outcome, good("a"));
    let failure = record.unwrap().last_failure.unwrap();
    assert_eq!(
        (failure.slot, failure.reason, failure.stage),
        (id("b"), Reason::Exhausted, Stage::Started)
    );
    assert!(
        fake.events
            .contains(&"slot b passed over: trial over: tries used up".to_string())
    );
}

#[test]
fn an_image_that_does_not_verify_is_bad_at_once() {
    let medium = committed([Good, Trying, Empty]);
    let (outcome, _, record) = start(&medium, fake(vec![facts(1, "1"), damaged(), damaged()]));
    assert_eq!(outcome, good("a"));
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
    let (outcome, _, record) = start(&medium, fake(vec![facts(1, "1"), facts(9, "2"), damaged()]));
    assert_eq!(outcome, good("a"));
    assert_eq!(record.unwrap().slot(id("b")).reason, Reason::WrongManifest);
}

#[test]
fn an_unreadable_device_is_no_verdict_on_the_slot() {
    let medium = committed([Good, Trying, Empty]);
    let (outcome, _, record) = start(&medium, fake(vec![facts(1, "1"), unreadable(), damaged()]));
    assert_eq!(outcome, good("a"));
    assert_eq!(record.unwrap().slot(id("b")).state, Trying);
}

#[test]
fn what_the_bootshim_of_an_image_cannot_read_costs_a_try_and_nothing_else() {
    let medium = committed([Good, Trying, Empty]);
    let mut handing_over = three();
    handing_over.refuses = Some(Why::NotRead("it said last: reading 1 bytes at 0".into()));
    let (_, fake, record) = start(&medium, handing_over);
    assert!(
        fake.events
            .contains(&"slot b passed over: unreadable: it said last: reading 1 bytes at 0".into()),
        "{:?}",
        fake.events
    );
    let record = record.unwrap();
    let slot = record.slot(id("b"));
    assert_eq!((slot.state, slot.tries_left), (Trying, 2));
    assert_eq!(record.last_failure, None);
}

#[test]
fn a_damaged_good_slot_is_passed_over_and_noted_once() {
    let medium = committed([Good, Good, Empty]);
    let slots = || fake(vec![facts(1, "1"), damaged(), damaged()]);
    let (outcome, _, record) = start(&medium, slots());
    assert_eq!(outcome, good("a"));
    assert_eq!(record.unwrap().slot(id("b")).state, Good);
    let before = medium.content();
    start(&medium, slots());
    assert!(
        before == medium.content(),
        "the second start wrote the same again"
    );
}

#[test]
fn the_only_good_slot_is_noted_once_however_often_it_fails() {
    let medium = committed([Good, Empty, Empty]);
    let slots = || fake(vec![damaged(), damaged(), damaged()]);
    assert_eq!(start(&medium, slots()).0, None);
    let before = medium.content();
    assert_eq!(start(&medium, slots()).0, None);
    assert!(before == medium.content());
}

#[test]
fn a_trial_that_fails_is_bad_even_where_its_reason_was_noted_before() {
    let medium = committed([Good, Trying, Empty]);
    amend_slot(&medium, "b", |slot| slot.reason = Reason::Damaged);
    let slots = fake(vec![facts(1, "1"), damaged(), damaged()]);
    let (outcome, _, record) = start(&medium, slots);
    assert_eq!(outcome, good("a"));
    assert_eq!(record.unwrap().slot(id("b")).state, Bad);
}

#[test]
fn a_kernel_that_the_firmware_refuses_makes_way_for_the_next_slot() {
    let medium = committed([Good, Trying, Empty]);
    let mut refusing = three();
    refusing.refuses = Some(Why::NotStarted("Unsupported".into()));
    let (outcome, fake, record) = start(&medium, refusing);
    assert_eq!(outcome, None);
    let record = record.unwrap();
    assert_eq!(
        (record.slot(id("b")).state, record.slot(id("a")).state),
        (Bad, Good)
    );
    assert_eq!(record.slot(id("a")).reason, Reason::NotStarted);
    assert!(!fake.events.iter().any(|said| said.contains("tried again")));
}

#[test]
fn without_a_good_slot_what_verifies_is_started_in_turn_for_ever() {
    let medium = committed([Bad, Bad, Empty]);
    let mut seen = Vec::new();
    for _ in 0..4 {
        let Some((slot, kind)) = start(&medium, three()).0 else {
            panic!("nothing")
        };
        assert_eq!(kind, StartKind::LastResort);
        seen.push(slot);
    }
    assert_eq!(seen, [id("a"), id("b"), id("a"), id("b")]);
}

#[test]
fn with_a_record_of_an_unknown_format_only_good_slots_start_and_nothing_is_written() {
    let medium = committed([Good, Trying, Empty]);
    let mut raw: [u8; 512] = medium.content().bytes(0..512).try_into().unwrap();
    raw[8] = 2;
    crate::record::tests::reseal(&mut raw);
    medium.put(0, &raw);
    let before = medium.content();
    let (outcome, _, _) = start(&medium, three());
    assert_eq!(outcome, good("a"));
    assert!(before == medium.content());
}

#[test]
fn a_one_shot_starts_once() {
    let medium = committed([Good, Ready, Empty]);
    amend(&medium, |record| record.once = Some(id("b")));
    let (outcome, _, record) = start(&medium, three());
    let started = (id("b"), StartKind::Once);
    assert_eq!(outcome, Some(started));
    assert_eq!(record.unwrap().armed.unwrap().as_what, Arming::Once);
    assert_eq!(start(&medium, three()).0, good("a"));
}

/// A record that can be read and not written.
fn read_only(medium: &FakeDisk) -> &FakeDisk {
    medium.refuse(&[0, 1, 2, 3].map(|copy| (Access::Write, copy * crate::copies::SPACING)));
    medium
}

fn unreadable() -> Result<Facts, Defect> {
    Err(Defect::Unreadable(Fault {
        access: Access::Read,
        offset: 0,
        length: 1,
        cause: Cause::Device(5),
    }))
}

#[test]
fn what_an_earlier_trial_said_is_not_said_of_a_later_one() {
    for (reason, kept) in [(Reason::None, false), (Reason::Deadline, true)] {
        let medium = committed([Good, Trying, Empty]);
        let mut store = Store::open(&medium, PARTITION);
        let mut record = store.record().unwrap().clone();
        let used_up = Slot {
            tries_left: 0,
            reason,
            ..*record.slot(id("b"))
        };
        record.set_slot(id("b"), used_up);
        store
            .commit(Next::by_hand(record), Note::new("check web failed"))
            .unwrap();
        start(&medium, three());
        let note = Store::open(&medium, PARTITION).note();
        assert_eq!(note.text() == "check web failed", kept, "{}", note.text());
    }
}

#[test]
fn the_third_reset_by_the_watchdog_in_a_row_starts_the_next_good_slot() {
    let medium = committed([Good, Good, Empty]);
    let start_after = |last_reset| {
        let fake = FakePlatform {
            last_reset,
            ..three()
        };
        start(&medium, fake).0
    };
    use reset::Cause::{Other, Watchdog};
    assert_eq!(start_after(Watchdog), good("b"));
    assert_eq!(start_after(Watchdog), good("b"));
    assert_eq!(start_after(Watchdog), good("a"));
    let note = Store::open(&medium, PARTITION).note();
    assert_eq!(note.text(), "slot b: the watchdog reset it again and again");
    let before = medium.content();
    assert_eq!(start_after(Other), good("a"));
    assert!(before == medium.content(), "written without need");
}
