use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::fs;

struct Place {
    directory: tempfile::TempDir,
    events: Events,
}

fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("kmsg"), "").unwrap();
    let log = directory.path().join("log");
    fs::create_dir(&log).unwrap();
    let events = Events::at(&log, &directory.path().join("kmsg"), Some(42));
    Place { directory, events }
}

impl Place {
    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join("log").join(name)
    }

    fn kernel_log(&self) -> String {
        fs::read_to_string(self.directory.path().join("kmsg")).unwrap()
    }

    fn texts(&self) -> Vec<String> {
        texts(&mut self.events.follow())
    }
}

fn texts(log: &mut Follow) -> Vec<String> {
    let events = log.new_events().unwrap().into_iter();
    events.map(|event| event.text).collect()
}

#[test]
fn what_happened_is_read_back_with_time_boot_and_uptime() {
    let place = place();
    place
        .events
        .record("confirmed", "slot b is good", json!({"slot": "b"}));
    let all = place.events.follow().new_events().unwrap();
    let [event] = all.as_slice() else {
        panic!("{all:?}")
    };
    assert_eq!(
        (event.event.as_str(), event.text.as_str()),
        ("confirmed", "slot b is good")
    );
    assert_eq!(event.boot, Some(42));
    assert_eq!(event.details, json!({"slot": "b"}));
    assert!(event.uptime.is_some());
    assert!(
        humantime::parse_rfc3339(&event.time).is_ok(),
        "{}",
        event.time
    );
}

#[test]
fn a_line_is_one_json_object_whatever_the_text() {
    let place = place();
    place
        .events
        .record("x", "two\nlines \"and\" ünicode", Value::Null);
    let bytes = fs::read(place.file("events.log")).unwrap();
    assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 1);
    assert_eq!(place.texts(), ["two\nlines \"and\" ünicode"]);
}

#[test]
fn no_log_is_an_empty_one() {
    assert!(place().texts().is_empty());
}

#[test]
fn a_torn_last_line_is_skipped_and_does_not_spoil_the_next() {
    let place = place();
    place.events.record("x", "first", Value::Null);
    let whole = fs::read(place.file("events.log")).unwrap();
    for cut in 1..whole.len() {
        let torn = [whole.as_slice(), &whole[..cut]].concat();
        fs::write(place.file("events.log"), torn).unwrap();
        place.events.record("x", "after", Value::Null);
        let texts = place.texts();
        assert_eq!(texts.first().map(String::as_str), Some("first"));
        assert_eq!(texts.last().map(String::as_str), Some("after"));
    }
}

#[test]
fn two_files_of_one_mib_are_kept_and_no_more() {
    let place = place();
    let long = "x".repeat(TEXT_MAX);
    for number in 0..800 {
        place
            .events
            .record("x", &format!("{number} {long}"), Value::Null);
    }
    for name in ["events.log", "events.log.1"] {
        let length = fs::metadata(place.file(name)).unwrap().len();
        assert!(length <= file::LENGTH_MAX, "{name}: {length}");
    }
    assert_eq!(
        fs::read_dir(place.directory.path().join("log"))
            .unwrap()
            .count(),
        2
    );
    let numbers: Vec<u32> = place
        .texts()
        .iter()
        .map(|text| text.split(' ').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(numbers.last(), Some(&799));
    assert!(numbers.windows(2).all(|two| two[0] + 1 == two[1]));
}

#[test]
fn a_stopped_program_that_holds_the_file_delays_nobody() {
    let place = place();
    place.events.record("x", "first", Value::Null);
    let held = fs::File::open(place.file("events.log")).unwrap();
    held.lock().unwrap();
    fs::OpenOptions::new()
        .append(true)
        .open(place.file("events.log"))
        .unwrap()
        .write_all(&vec![b'\n'; 1 << 20])
        .unwrap();
    place.events.record("x", "second", Value::Null);
    assert_eq!(place.texts(), ["first", "second"]);
}

#[test]
fn without_a_place_for_the_directory_the_line_goes_to_the_kernel() {
    let place = place();
    let log = place.directory.path().join("var/lib/slotctl");
    let events = Events::at(&log, &place.directory.path().join("kmsg"), None);
    events.record("given-up", "no\nanswer", Value::Null);
    assert_eq!(place.kernel_log(), "<5>slotctl: given-up: no answer\n");
    assert!(!place.directory.path().join("var").exists());
    let why = events.missing().unwrap();
    assert!(why.contains("var/lib/slotctl is not there"), "{why}");
}

#[test]
fn the_directory_is_made_where_its_parent_is_there() {
    let place = place();
    fs::remove_dir(place.directory.path().join("log")).unwrap();
    place.events.record("x", "first", Value::Null);
    assert_eq!(place.texts(), ["first"]);
    assert_eq!(place.kernel_log(), "");
    assert_eq!(place.events.missing(), None);
}

#[test]
fn what_happens_before_the_data_partition_is_there_is_in_the_log_once_it_is() {
    let place = place();
    let var = place.directory.path().join("var");
    let kernel_log = place.directory.path().join("kmsg");
    let events = Events::at(&var.join("slotctl"), &kernel_log, None);
    let mut log = Patient::new(events.clone());
    log.record("x", "first", Value::Null);
    log.record("x", "second", Value::Null);
    assert!(log.is_waiting());
    let said = "<5>slotctl: x: first\n<5>slotctl: x: second\n";
    assert_eq!(place.kernel_log(), said, "said at once");
    fs::create_dir(&var).unwrap();
    log.record("x", "third", Value::Null);
    assert!(!log.is_waiting());
    assert_eq!(texts(&mut events.follow()), ["first", "second", "third"]);
    assert_eq!(place.kernel_log(), said, "and not twice");
}

#[test]
fn of_events_that_wait_for_ever_the_latest_are_kept() {
    let place = place();
    let var = place.directory.path().join("var");
    let events = Events::at(&var.join("slotctl"), Path::new("/nonexistent"), None);
    let mut log = Patient::new(events.clone());
    for number in 0..1000 {
        log.record("x", &number.to_string(), Value::Null);
    }
    fs::create_dir(&var).unwrap();
    log.catch_up();
    let texts = texts(&mut events.follow());
    assert_eq!(
        (texts.len(), texts.last().unwrap().as_str()),
        (WAITING_MAX, "999")
    );
}

#[test]
fn on_a_full_disk_the_line_goes_to_the_kernel_in_a_length_it_takes() {
    let place = place();
    std::os::unix::fs::symlink("/dev/full", place.file("events.log")).unwrap();
    place.events.record("x", &"long ".repeat(500), Value::Null);
    let said = place.kernel_log();
    assert!(said.starts_with("<5>slotctl: x: long long"), "{said}");
    assert!(said.len() < 1000);
}

#[test]
fn without_any_log_the_program_runs_on() {
    let nowhere = Path::new("/nonexistent");
    Events::at(nowhere, nowhere, None).record("x", "y", Value::Null);
}

#[test]
fn whoever_follows_the_log_gets_each_event_once() {
    let place = place();
    let mut log = place.events.follow();
    assert!(texts(&mut log).is_empty());
    fs::remove_dir(place.directory.path().join("log")).unwrap();
    assert!(texts(&mut log).is_empty());
    for number in ["1", "2"] {
        place.events.record("x", number, Value::Null);
    }
    assert_eq!(texts(&mut log), ["1", "2"]);
    assert!(texts(&mut log).is_empty());
    place.events.record("x", "3", Value::Null);
    assert_eq!(texts(&mut log), ["3"]);
}

#[test]
fn whoever_follows_the_log_gets_each_event_once_however_often_it_is_turned_over() {
    let long = "x".repeat(TEXT_MAX);
    // A file holds some 250 of these: looks between each of them, and less often than
    // it is turned over.
    for every in [1, 100, 260, 300] {
        let place = place();
        let mut log = place.events.follow();
        let mut seen = Vec::new();
        for number in 0..800 {
            let text = format!("{number} {long}");
            place.events.record("x", &text, Value::Null);
            if (number + 1) % every == 0 {
                seen.extend(texts(&mut log));
            }
        }
        seen.extend(texts(&mut log));
        let numbers = seen.iter().map(|text| text.split(' ').next().unwrap());
        let numbers: Vec<u32> = numbers.map(|number| number.parse().unwrap()).collect();
        assert_eq!(numbers, (0..800).collect::<Vec<_>>(), "every {every}");
    }
}

#[test]
fn a_line_that_comes_late_into_the_file_before_is_read_too() {
    let place = place();
    place.events.record("x", "first", Value::Null);
    let mut late = fs::OpenOptions::new();
    let mut late = late.append(true).open(place.file("events.log")).unwrap();
    let mut log = place.events.follow();
    assert_eq!(texts(&mut log), ["first"]);
    fs::rename(place.file("events.log"), place.file("events.log.1")).unwrap();
    place.events.record("x", "third", Value::Null);
    assert_eq!(texts(&mut log), ["third"]);
    let line = fs::read_to_string(place.file("events.log.1")).unwrap();
    late.write_all(line.replace("first", "second").as_bytes())
        .unwrap();
    assert_eq!(texts(&mut log), ["second"]);
}

#[test]
fn an_event_counts_once_its_line_has_an_end() {
    let place = place();
    place.events.record("x", "first", Value::Null);
    let line = fs::read(place.file("events.log")).unwrap();
    fs::write(place.file("events.log"), "").unwrap();
    let mut log = place.events.follow();
    let mut file = fs::OpenOptions::new();
    let mut file = file.append(true).open(place.file("events.log")).unwrap();
    for byte in line {
        assert!(texts(&mut log).is_empty());
        file.write_all(&[byte]).unwrap();
    }
    assert_eq!(texts(&mut log), ["first"]);
}

proptest! {
    #[test]
    fn no_damage_to_the_file_makes_reading_panic(bytes: Vec<u8>) {
        let place = place();
        fs::write(place.file("events.log"), bytes).unwrap();
        place.events.record("x", "last", Value::Null);
        let texts = place.texts();
        prop_assert_eq!(texts.last().map(String::as_str), Some("last"));
    }
}
