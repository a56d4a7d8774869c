use super::*;
use crate::code::Exit;
use bootshim::record::{Slot, State};
use bootshim::state;
use fakedisk::{FakeDisk, blank, image, inputs, key};
use images::build::Inputs;
use images::head::Head;
use std::fs::File;
use std::sync::Arc;

const SLOT: u64 = 128 << 10;

fn slot(name: &str) -> SlotId {
    name.parse().unwrap()
}

fn ours() -> Trust {
    Trust::direct([key(7).public()])
}

/// The disk with an image of security version 1 in slot a, one of 2 that revokes what
/// is below that in slot b, and nothing in slot c; a record in which both are good.
fn controller() -> (Disk, Record) {
    let directory = tempfile::tempdir().unwrap();
    let mut content = blank(3, SLOT);
    let blank = Disk::on(Arc::new(FakeDisk::of(content.clone())), None).unwrap();
    let mut record = Record::new(blank.layout().record.id, 3);
    for (name, version, revoke_below) in [("a", 1, 0), ("b", 2, 2)] {
        let inputs = Inputs {
            security_version: u64::from(version),
            revoke_below,
            ..inputs(
                directory.path(),
                version,
                [&[version; 4096], b"kernel", b""],
            )
        };
        let mut file = File::open(image(&inputs)).unwrap();
        let (header, rest) = images::read::head(&mut file).unwrap();
        let head = Head::open(&header, &rest, &ours()).unwrap();
        let place = blank.layout().slot(slot(name)).unwrap().extent;
        let area = head.slot_area().unwrap();
        content.write(place.start + SLOT - area.len() as u64, &area);
        let good = Slot {
            state: State::Good,
            priority: version,
            manifest: head.digest,
            ..Slot::EMPTY
        };
        record.set_slot(slot(name), good);
    }
    (
        Disk::on(Arc::new(FakeDisk::of(content)), None).unwrap(),
        record,
    )
}

#[test]
fn each_slot_has_its_manifest_or_what_is_wrong_with_it() {
    let (disk, record) = controller();
    let mut found = Found::new(&disk, record, &ours());
    assert_eq!(found.manifest(slot("a")).unwrap().version, "1");
    assert_eq!(found.manifest(slot("b")).unwrap().version, "2");
    for missing in ["c", "d"] {
        let error = found.installed(slot(missing)).unwrap_err();
        assert_eq!(error.code, Code::NotIntact);
        assert!(
            error.found.starts_with(&format!("slot {missing}: ")),
            "{error}"
        );
    }
    let mut other = *found.record.slot(slot("a"));
    other.manifest = [9; 32];
    found.record.set_slot(slot("a"), other);
    let error = found.manifest(slot("a")).unwrap_err();
    assert!(error.found.contains("holds another image"), "{error}");
    assert!(found.installed(slot("a")).is_ok());
    // Whom it was not read with may be asked as well.
    let strangers = Trust::direct([key(8).public()]);
    assert!(found.by(slot("a"), &strangers).is_err() && found.by(slot("a"), &ours()).is_ok());
    assert_eq!(found.running(), None);
}

#[test]
fn nothing_is_started_below_the_floor_or_below_what_a_good_slot_revokes() {
    let (disk, record) = controller();
    let mut found = Found::new(&disk, record.clone(), &ours());
    let check = |found: &Found<'_>, name| {
        let image = found.manifest(slot(name)).unwrap();
        floor::check(found, image, name).map_err(|error| error.expected)
    };
    let revoked = Err("the good slot b revokes what is below 2".to_owned());
    assert_eq!(check(&found, "a"), revoked);
    assert_eq!(check(&found, "b"), Ok(()));
    // What was good before its trial revokes as before, and no other trial does.
    found.record = state::activate(&record, slot("b"), 3).unwrap().into();
    assert_eq!(check(&found, "a"), revoked);
    let mut ready = *record.slot(slot("b"));
    (ready.state, ready.priority) = (State::Ready, 0);
    found.record = record.clone();
    found.record.set_slot(slot("b"), ready);
    found.record = state::activate(&found.record, slot("b"), 3).unwrap().into();
    assert_eq!(check(&found, "a"), Ok(()));
    found.record.floor = 2;
    let below = Err("the floor of this controller is 2".to_owned());
    assert_eq!(check(&found, "a"), below);
    assert_eq!(found.floor().floor.security_version, 2);
}

#[test]
fn what_is_too_old_is_refused_and_what_is_wrong_is_not_authentic() {
    let error = |reason| defect(slot("b"), Defect::Bad(reason, String::new()));
    let old = error(Reason::BelowFloor);
    assert_eq!(old.code, Code::BelowFloor);
    assert_eq!(error(Reason::Damaged).exit(), Exit::NotAuthentic);
}
