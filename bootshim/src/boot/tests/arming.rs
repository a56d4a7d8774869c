//! Nothing starts but with leave: armed on the disk first, or good.

use super::*;

/// A platform that looks at the disk whenever something depends on it.
struct Witness<'a> {
    fake: FakePlatform,
    disk: &'a FakeDisk,
    armed: Vec<Option<(SlotId, Arming)>>,
}

impl Witness<'_> {
    fn look(&mut self) {
        let record = Store::open(self.disk, PARTITION).record().cloned();
        let armed = record.and_then(|record| record.armed);
        self.armed
            .push(armed.map(|armed| (armed.slot, armed.as_what)));
    }
}

impl Platform for Witness<'_> {
    type Image = ();
    type Running = (SlotId, StartKind);

    fn load(&mut self, slot: SlotId) -> Result<(Facts, ()), Defect> {
        self.look();
        self.fake.load(slot)
    }
    fn manifest(&mut self, slot: SlotId) -> Result<Facts, Defect> {
        self.fake.manifest(slot)
    }
    fn floor(&mut self) -> Kept {
        self.fake.floor()
    }
    fn raise_floor(&mut self, floor: Floor) -> Result<(), String> {
        self.fake.raise_floor(floor)
    }
    fn start(
        &mut self,
        clearance: Clearance,
        record: &Record,
        facts: &Facts,
        (): (),
    ) -> Result<(SlotId, StartKind), Why> {
        self.look();
        self.fake.start(clearance, record, facts, ())
    }
    fn tell(&mut self, _: &Event) {}
    fn seed(&self) -> u64 {
        self.fake.seed()
    }
}

#[test]
fn what_is_not_simply_good_is_armed_on_the_disk_before_it_is_read_and_before_it_starts() {
    let cases = [
        ([Good, Trying, Empty], false, Arming::Trial),
        ([Good, Ready, Empty], true, Arming::Once),
        ([Empty, Ready, Empty], false, Arming::LastResort),
    ];
    for (states, once, how) in cases {
        let disk = committed(states);
        if once {
            amend(&disk, |record| record.once = Some(id("b")));
        }
        let witness = Witness {
            fake: three(),
            disk: &disk,
            armed: Vec::new(),
        };
        let mut boot = Boot::new(&disk, PARTITION, 3, witness);
        assert!(boot.run().is_some());
        let armed = Some((id("b"), how));
        assert_eq!(boot.into_platform().armed, [armed, armed]);
    }
}

#[test]
fn no_trial_and_no_one_shot_starts_when_the_record_cannot_be_written() {
    for states in [[Good, Trying, Empty], [Good, Ready, Empty]] {
        let medium = committed(states);
        if states[1] == Ready {
            amend(&medium, |record| record.once = Some(id("b")));
        }
        let mut boot = Boot::new(read_only(&medium), PARTITION, 3, three());
        assert_eq!(boot.run(), good("a"));
    }
}

#[test]
fn when_nothing_can_be_committed_and_nothing_good_starts_a_verified_slot_starts_all_the_same() {
    let medium = committed([Bad, Trying, Ready]);
    let mut boot = Boot::new(read_only(&medium), PARTITION, 3, three());
    assert_eq!(boot.run(), last_resort("b"));
}

#[test]
fn a_clearance_is_for_the_slot_that_is_armed_and_as_what_it_is_armed() {
    let medium = committed([Good, Trying, Ready]);
    let mut store = Store::open(&medium, PARTITION);
    let armed = state::arm(store.record().unwrap(), id("b"), Arming::Trial);
    let durable = store.commit(armed, Note::default()).unwrap();
    let clearance = |slot, kind| Clearance::armed(&durable, id(slot), kind).is_some();
    assert!(clearance("b", StartKind::Trial));
    assert!(!clearance("c", StartKind::Trial));
    assert!(!clearance("b", StartKind::Once));
    assert!(!clearance("b", StartKind::Good));
}

#[test]
fn a_trial_that_a_person_starts_by_hand_loses_a_try_too() {
    let medium = committed([Good, Trying, Empty]);
    let mut boot = Boot::new(&medium, PARTITION, 3, three());
    let outcome = boot.by_hand(id("b"));
    assert_eq!(outcome, last_resort("b"));
    let store = Store::open(&medium, PARTITION);
    assert_eq!(store.record().unwrap().slot(id("b")).tries_left, 2);
}

#[test]
fn a_slot_without_an_image_is_not_started_by_hand_and_costs_nothing() {
    let medium = committed([Good, State::Writing, Empty]);
    let before = medium.content();
    let mut boot = Boot::new(&medium, PARTITION, 3, three());
    for letter in ["b", "c"] {
        assert_eq!(boot.by_hand(id(letter)), None);
    }
    assert!(before == medium.content());
    assert_eq!(boot.by_hand(id("a")), good("a"));
}
