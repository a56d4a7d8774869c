use super::*;
use crate::events::Events;
use blackbox::ring::Acknowledged;
use bootshim::guid::Guid;
use bootshim::record::{Arming, Reason, Slot, Stage, State};
use bootshim::state::{self, Next};
use std::fs;

const PANIC: &str = "Panic#1 Part1\n[    9.1] Kernel panic - not syncing: no init\n";

/// The record of a controller whose slot a is good and whose slot b is started, on trial.
#[derive(Clone)]
struct Fake {
    record: Record,
    note: String,
    booted: bool,
}

fn id(index: usize) -> SlotId {
    SlotId::new(index).unwrap()
}

impl Fake {
    fn new() -> Fake {
        let mut record = Record::new(Guid([7; 16]), 3);
        record.sequence = 10;
        for (index, state) in [(0, State::Good), (1, State::Ready)] {
            let slot = Slot {
                state,
                priority: u8::from(state == State::Good),
                manifest: [u8::try_from(index).unwrap() + 1; 32],
                ..Slot::EMPTY
            };
            record.set_slot(id(index), slot);
        }
        let mut fake = Fake {
            record,
            note: String::new(),
            booted: true,
        };
        fake.commit(|record| state::activate(record, id(1), 2).unwrap());
        fake.commit(|record| state::arm(record, id(1), Arming::Trial));
        fake
    }

    fn commit(&mut self, next: impl FnOnce(&Record) -> Next) {
        self.record = next(&self.record).into();
        self.record.sequence += 1;
    }

    /// Bootshim finds that the trial has no try left, and starts slot a.
    fn ended(mut self, reason: Reason) -> Fake {
        self.commit(|record| state::fail(record, id(1), reason, Stage::Started));
        self.note = format!("slot b: {reason}; its system never said why");
        self
    }

    fn given_up(&mut self) {
        self.commit(|record| state::give_up_start(record, id(1), Reason::Deadline).unwrap());
    }

    fn running(&self) -> SlotId {
        match self.record.slot(id(1)).state {
            State::Trying => id(1),
            _ => id(0),
        }
    }
}

impl Source for Fake {
    fn facts(&self) -> Result<Option<Facts>> {
        let slot = self.running();
        let facts = Facts {
            handover: Handover {
                slot,
                disk: self.record.partition,
                boot: 12,
                manifest: self.record.slot(slot).manifest,
            },
            record: self.record.clone(),
            note: self.note.clone(),
        };
        Ok(self.booted.then_some(facts))
    }

    fn version(&self, slot: SlotId) -> Option<String> {
        Some(format!("{}.0", slot.index() + 1))
    }
}

struct Place {
    root: tempfile::TempDir,
}

/// A system with a data partition and a pstore.
fn place() -> Place {
    let place = Place {
        root: tempfile::tempdir().unwrap(),
    };
    for folder in [
        "run",
        "var/lib",
        "sys/fs/pstore",
        "sys/module/pstore/parameters",
        "proc/self",
    ] {
        fs::create_dir_all(place.path(folder)).unwrap();
    }
    place.write("sys/module/pstore/parameters/backend", "ramoops\n");
    place.write("proc/self/mounts", "pstore /sys/fs/pstore pstore rw 0 0\n");
    place.write("kmsg", "6,1,1500000,-;the last line\n");
    place
}

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    fn ring(&self) -> Ring {
        Ring::at(&self.path("var/lib/slotctl"))
    }

    fn kept(&self) -> Vec<Failure> {
        let found = self.ring().read().unwrap();
        assert_eq!(found.damaged, [""; 0]);
        found
            .failures
            .into_iter()
            .map(|(_, failure)| failure)
            .collect()
    }

    fn log(&self) -> Vec<String> {
        let events = Events::at(&self.path("log"), Path::new("/nonexistent"), None);
        let all = events.follow().new_events().unwrap().into_iter();
        all.map(|event| event.event).collect()
    }

    /// What a start does that finds this record; its events are in the log when it ends.
    fn start<T>(&self, source: &Fake, does: impl FnOnce(&mut Recorder) -> T) -> T {
        let events = Events::at(&self.path("log"), Path::new("/nonexistent"), None);
        let home = self.path("var/lib/slotctl");
        let source = Box::new(source.clone());
        let mut recorder = Recorder {
            black_box: BlackBox::at(source, self.root.path(), &home, &self.path("kmsg")),
            journal: Journal::begin(events, std::io::sink()).unwrap(),
            began: Instant::now(),
            said: Vec::new(),
        };
        let done = does(&mut recorder);
        recorder.journal.flush();
        done
    }

    fn takes_in(&self, source: &Fake) {
        let done = self.start(source, |recorder| recorder.take_in(false));
        assert_eq!(done, Ok(true));
    }
}

fn account() -> Account {
    Account {
        reason: "check web: no".into(),
        checks: vec![Check {
            name: "web".into(),
            passes: Some(false),
            ..Check::default()
        }],
        device: "/dev/watchdog".into(),
        timeout: 60,
        open: true,
    }
}

#[test]
fn what_the_kernel_left_of_a_silent_start_is_kept_with_its_failure_and_removed_then() {
    let place = place();
    place.write("sys/fs/pstore/dmesg-ramoops-0", PANIC);
    place.write("sys/fs/pstore/console-ramoops-0", "Run /sbin/init\n");
    let silent = Fake::new().ended(Reason::Exhausted);
    place.takes_in(&silent);
    let [failure] = &place.kept()[..] else {
        panic!("{:?}", place.kept())
    };
    assert_eq!((failure.slot.as_str(), failure.attempt), ("b", Some(1)));
    assert_eq!(failure.version.as_deref(), Some("2.0"));
    assert_eq!(
        failure.sequence,
        silent.record.last_failure.map(|noted| noted.sequence)
    );
    assert_eq!(failure.reason, silent.note);
    assert_eq!(failure.kernel, ["Run /sbin/init"]);
    assert!(failure.pstore[0].lines[0].contains("Kernel panic"));
    assert!(!place.has("sys/fs/pstore/dmesg-ramoops-0"));
    assert!(place.has("run/motd.d/slotctl"));
    assert_eq!(place.log(), ["failure-kept"]);
    // The same start once more, and the one after it, find nothing new.
    place.takes_in(&silent);
    assert_eq!(place.kept().len(), 1);
}

#[test]
fn a_start_that_is_given_up_is_one_failure_whatever_the_next_start_finds() {
    let place = place();
    let mut trial = Fake::new();
    trial.given_up();
    place.start(&trial, |recorder| recorder.keep(account()));
    let [failure] = &place.kept()[..] else {
        panic!("{:?}", place.kept())
    };
    assert_eq!(
        (failure.boot, failure.attempt, failure.given_up),
        (Some(12), Some(1), true)
    );
    assert_eq!(failure.reason, "check web: no");
    assert_eq!(failure.kernel, ["[    1.500000] the last line"]);
    assert_eq!(
        failure.watchdog.as_ref().and_then(|dog| dog.timeout),
        Some(60)
    );
    let without_systemd = Missing::new("units", "this system does not run systemd");
    assert_eq!(failure.missing, [without_systemd]);
    assert!(failure.uptime.is_some() && failure.sequence.is_some());
    // The kernel panics over the restart; then bootshim ends the trial.
    place.write("sys/fs/pstore/dmesg-ramoops-0", PANIC);
    let ended = trial.ended(Reason::Deadline);
    place.takes_in(&ended);
    let [failure] = &place.kept()[..] else {
        panic!("{:?}", place.kept())
    };
    assert_eq!(
        failure.sequence,
        ended.record.last_failure.map(|noted| noted.sequence)
    );
    assert_eq!(
        (failure.reason.as_str(), failure.pstore.len()),
        ("check web: no", 1)
    );
}

/// A cut after it was kept, and before it was removed.
#[test]
fn a_report_that_could_not_be_removed_yet_is_not_kept_twice() {
    let place = place();
    let silent = Fake::new().ended(Reason::Exhausted);
    for _ in 0..2 {
        place.write("sys/fs/pstore/dmesg-ramoops-0", PANIC);
        let file = fs::File::options()
            .write(true)
            .open(place.path("sys/fs/pstore/dmesg-ramoops-0"));
        file.unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        place.takes_in(&silent);
        assert!(!place.has("sys/fs/pstore/dmesg-ramoops-0"));
    }
    let [failure] = &place.kept()[..] else {
        panic!("{:?}", place.kept())
    };
    assert_eq!(failure.pstore.len(), 1);
}

#[test]
fn while_it_cannot_be_kept_nothing_is_removed_and_everything_goes_on() {
    let place = place();
    place.write("sys/fs/pstore/dmesg-ramoops-0", PANIC);
    let silent = Fake::new().ended(Reason::Exhausted);
    fs::remove_dir(place.path("var/lib")).unwrap();
    place.start(&silent, |recorder| {
        assert!(recorder.take_in(false).is_err());
        assert!(!place.has("run/motd.d/slotctl"), "it may come yet");
        assert!(recorder.take_in(true).is_err());
        recorder.keep(account());
    });
    assert!(place.has("run/motd.d/slotctl"), "by the record alone");
    assert!(!place.has("var/lib/slotctl"));
    assert_eq!(place.log(), ["failure-not-kept"]);
    // Something is in the way: full and read-only data partitions end at the same place.
    fs::create_dir_all(place.path("var/lib/slotctl")).unwrap();
    place.write("var/lib/slotctl/failures", "in the way");
    let failed = place.start(&silent, |recorder| recorder.take_in(true));
    assert!(failed.is_err());
    assert!(place.has("sys/fs/pstore/dmesg-ramoops-0"));
    fs::remove_file(place.path("var/lib/slotctl/failures")).unwrap();
    place.takes_in(&silent);
    assert_eq!(place.kept().len(), 1);
    assert!(!place.has("sys/fs/pstore/dmesg-ramoops-0"));
}

#[test]
fn a_pstore_whose_driver_comes_late_is_waited_for_and_one_that_never_comes_is_said() {
    let place = place();
    place.write("sys/module/pstore/parameters/backend", "(null)\n");
    let silent = Fake::new().ended(Reason::Exhausted);
    let waits = place.start(&silent, |recorder| recorder.take_in(false));
    assert_eq!(waits, Ok(false));
    assert!(place.kept().is_empty());
    let done = place.start(&silent, |recorder| recorder.take_in(true));
    assert_eq!(done, Ok(true));
    assert_eq!(place.log(), ["failure-kept", "pstore-missing"]);
    let missing = &place.kept()[0].missing[0];
    assert_eq!(missing.what, "pstore");
    assert!(missing.why.contains("no driver"), "{missing:?}");
}

#[test]
fn a_system_that_bootshim_did_not_start_keeps_its_pstore() {
    let place = place();
    place.write("sys/fs/pstore/dmesg-ramoops-0", PANIC);
    let other = Fake {
        booted: false,
        ..Fake::new()
    };
    place.takes_in(&other);
    assert!(place.has("sys/fs/pstore/dmesg-ramoops-0"));
    assert!(place.kept().is_empty());
}

#[test]
fn each_login_is_told_of_a_fall_back_until_a_person_has_acknowledged_it() {
    let place = place();
    let mut trial = Fake::new();
    trial.given_up();
    place.takes_in(&trial);
    assert!(!place.has("run/motd.d/slotctl"), "the trial goes on");
    let ended = trial.ended(Reason::Deadline);
    place.takes_in(&ended);
    let said = fs::read_to_string(place.path("run/motd.d/slotctl")).unwrap();
    assert!(said.contains("slot b: deadline passed"), "{said}");
    let noted = ended.record.last_failure.unwrap();
    let seen = Acknowledged::new(ended.record.partition, noted.sequence, String::new());
    place.ring().acknowledge(&seen).unwrap();
    place.takes_in(&ended);
    assert!(!place.has("run/motd.d/slotctl"));
}
