#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, each of them is a failure that is seen"
)]

use super::*;
use std::fs;

struct Place {
    directory: tempfile::TempDir,
    ring: Ring,
}

fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("lib")).unwrap();
    let ring = Ring::at(&directory.path().join("lib/slotctl"));
    Place { directory, ring }
}

fn failure(reason: &str) -> Failure {
    Failure {
        slot: "b".into(),
        reason: reason.into(),
        ..Failure::default()
    }
}

fn reasons(ring: &Ring) -> Vec<String> {
    let found = ring.read().unwrap();
    assert_eq!(found.damaged, [""; 0]);
    let failures = found.failures.into_iter();
    failures.map(|(_, failure)| failure.reason).collect()
}

fn names(ring: &Ring) -> Vec<String> {
    let mut names = ring.names().unwrap();
    names.sort();
    names
}

#[test]
fn the_last_five_are_kept_newest_first() {
    let place = place();
    assert_eq!(reasons(&place.ring), [""; 0], "nothing is no error");
    for number in 1..=12 {
        let given = place.ring.put(None, &failure(&format!("{number}")));
        assert_eq!(given.unwrap(), number);
        assert!(names(&place.ring).len() <= KEPT_MAX);
    }
    assert_eq!(reasons(&place.ring), ["12", "11", "10", "9", "8"]);
}

#[test]
fn more_is_added_to_one_without_making_another() {
    let place = place();
    for reason in ["1", "2", "3"] {
        place.ring.put(None, &failure(reason)).unwrap();
    }
    place.ring.put(Some(2), &failure("2, and more")).unwrap();
    assert_eq!(reasons(&place.ring), ["3", "2, and more", "1"]);
}

/// What a power cut leaves of `put`: at each step, and of the file that is not flushed yet
/// any part. The name is there, or it is not; the one that is too old was removed, or not.
#[test]
fn a_cut_anywhere_leaves_all_that_were_kept_and_the_new_one_whole_or_not_at_all() {
    let new = failure("new").encode();
    let folder = |place: &Place| place.directory.path().join("lib/slotctl/failures");
    let begun = || {
        let place = place();
        for number in 1..=5 {
            place
                .ring
                .put(None, &failure(&format!("{number}")))
                .unwrap();
        }
        place
    };
    let old = ["5", "4", "3", "2", "1"];
    let cut = |what: &str, place: &Place, kept: &[&str]| {
        assert_eq!(reasons(&place.ring), kept, "{what}");
        place.ring.put(None, &failure("next")).unwrap();
        assert_eq!(reasons(&place.ring)[0], "next", "{what}");
        assert_eq!(names(&place.ring).len(), KEPT_MAX, "{what}");
    };
    // Before it has a name, there is nothing of it.
    cut("before the name", &begun(), &old);
    // The name it has for a moment.
    for length in [0, 1, new.len() / 2, new.len()] {
        let place = begun();
        fs::write(folder(&place).join(".slotctl-x1.part"), &new[..length]).unwrap();
        cut("under the name for now", &place, &old);
    }
    let place = begun();
    fs::write(folder(&place).join("6.json"), &new).unwrap();
    cut(
        "before the oldest goes",
        &place,
        &["new", "5", "4", "3", "2"],
    );
    // Whatever the name leads to was flushed before; one that is torn all the same, by a
    // disk that lies, hides no other.
    for length in [0, new.len() / 2] {
        let place = begun();
        fs::write(folder(&place).join("6.json"), &new[..length]).unwrap();
        let found = place.ring.read().unwrap();
        assert_eq!(found.failures.len(), 4);
        assert!(found.damaged[0].contains("6.json: it is damaged"));
        place.ring.put(None, &failure("next")).unwrap();
        assert_eq!(place.ring.read().unwrap().failures[0].0, 7);
    }
}

#[test]
fn a_folder_that_is_not_there_yet_is_made_and_a_data_partition_that_is_not_there_is_not() {
    let place = place();
    place.ring.put(None, &failure("1")).unwrap();
    assert_eq!(reasons(&place.ring), ["1"]);
    let nowhere = place.directory.path().join("missing/lib/slotctl");
    let ring = Ring::at(&nowhere);
    assert!(!ring.has_place());
    assert!(ring.put(None, &failure("1")).is_err());
    assert!(!place.directory.path().join("missing").exists());
    let seen = Acknowledged::new(Guid([1; 16]), 9, "now".into());
    let error = ring.acknowledge(&seen).unwrap_err();
    assert_eq!(error.exit().status(), 5);
    assert!(error.to_string().contains("mount it"), "{error}");
}

#[test]
fn what_is_kept_is_for_nobody_but_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let place = place();
    place.ring.put(None, &failure("1")).unwrap();
    let home = place.directory.path().join("lib/slotctl");
    let mode = |path: &str| {
        let about = fs::metadata(home.join(path)).unwrap();
        about.permissions().mode() & 0o777
    };
    assert_eq!((mode("failures"), mode("failures/1.json")), (0o700, 0o600));
}

#[test]
fn foreign_files_are_left_alone_and_a_file_that_is_too_long_is_not_read() {
    let place = place();
    place.ring.put(None, &failure("1")).unwrap();
    let folder = place.directory.path().join("lib/slotctl/failures");
    fs::write(folder.join("notes.txt"), "mine").unwrap();
    fs::write(folder.join("x.json"), "mine").unwrap();
    fs::write(folder.join("9.json"), vec![b' '; LENGTH_MAX + 7]).unwrap();
    let found = place.ring.read().unwrap();
    assert_eq!(found.failures.len(), 1);
    assert!(found.damaged[0].contains("longer than 262144 bytes"));
    place.ring.put(None, &failure("2")).unwrap();
    assert!(folder.join("notes.txt").exists() && folder.join("x.json").exists());
}

#[test]
fn a_number_that_is_the_highest_is_not_counted_beyond() {
    let place = place();
    place.ring.put(Some(u64::MAX), &failure("far")).unwrap();
    place.ring.put(None, &failure("in its place")).unwrap();
    assert_eq!(reasons(&place.ring), ["in its place"]);
}

#[test]
fn an_acknowledgement_is_of_one_failure_on_one_disk() {
    let place = place();
    assert_eq!(place.ring.acknowledged(), None);
    let (disk, other) = (Guid([1; 16]), Guid([2; 16]));
    let seen = Acknowledged::new(disk, 9, "2026-11-29T01:00:00Z".into());
    place.ring.acknowledge(&seen).unwrap();
    let known = place.ring.acknowledged().unwrap();
    assert!(known.is(disk, 9));
    assert!(!known.is(disk, 10) && !known.is(other, 9));
    // A damaged one is none: it is asked for again.
    let file = place.directory.path().join("lib/slotctl/acknowledged.json");
    fs::write(&file, "{\"schema\":\"slotctl.ackno").unwrap();
    assert_eq!(place.ring.acknowledged(), None);
    place.ring.acknowledge(&seen).unwrap();
    assert_eq!(place.ring.acknowledged(), Some(seen));
}
