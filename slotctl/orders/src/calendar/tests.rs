use super::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::process::Command;

const TIMES: usize = 4;
const BASE: &str = "2027-01-30 22:15:07";

/// The next times, as systemd gives them; `None`: it is no expression.
fn by_systemd(written: &str, base: &str, zone: &str) -> Option<Vec<Timestamp>> {
    let asked = Command::new("systemd-analyze")
        .env("TZ", zone)
        .env("LC_ALL", "C")
        .args(["calendar", "--iterations", &TIMES.to_string()])
        .args(["--base-time", base, "--", written])
        .output()
        .unwrap();
    if !asked.status.success() {
        return None;
    }
    let said = String::from_utf8(asked.stdout).unwrap();
    // Where the zone is another, a line in UTC follows.
    let in_utc = zone != "UTC";
    let marks = |line: &&str| match in_utc {
        true => line.contains("(in UTC):"),
        false => line.contains("Next elapse:") || line.contains("Iter. #"),
    };
    let times = said.lines().filter(marks).filter_map(|line| {
        let mut words = line.split_ascii_whitespace().rev();
        let (_utc, time, date) = (words.next()?, words.next()?, words.next()?);
        format!("{date}T{time}Z").parse().ok()
    });
    Some(times.collect())
}

fn by_us(written: &str, base: &str, zone: &TimeZone) -> Option<Vec<Timestamp>> {
    let calendar = Calendar::parse(written).ok()?;
    let base: DateTime = base.replace(' ', "T").parse().unwrap();
    let mut last = zone.to_timestamp(base).unwrap();
    let next = || {
        last = calendar.next(last, zone)?;
        Some(last)
    };
    Some(std::iter::from_fn(next).take(TIMES).collect())
}

fn field(lowest: i32, highest: i32) -> impl Strategy<Value = String> {
    // One beyond the border, so that what is refused is tried too.
    let number = (lowest - 1).max(0)..=highest + 1;
    let component = prop_oneof![
        4 => number.clone().prop_map(|a| a.to_string()),
        2 => (number.clone(), number.clone()).prop_map(|(a, b)| format!("{a}..{b}")),
        2 => (number.clone(), 0..20).prop_map(|(a, step)| format!("{a}/{step}")),
        1 => (number.clone(), number, 0..9).prop_map(|(a, b, step)| format!("{a}..{b}/{step}")),
    ];
    prop_oneof![
        2 => Just("*".to_owned()),
        3 => proptest::collection::vec(component, 1..3).prop_map(|parts| parts.join(",")),
    ]
}

fn expression() -> impl Strategy<Value = String> {
    let weekdays = prop_oneof![
        3 => Just(String::new()),
        1 => "(Mon|tue|Wednesday|Fri|SUN)( |,Sat |\\.\\.Sun |\\.\\.Tue )",
    ];
    let year = prop_oneof![3 => Just("*".to_owned()), 1 => field(2026, 2040), 1 => field(26, 40)];
    let date = prop_oneof![
        1 => Just(String::new()),
        2 => (year.clone(), field(1, 12), field(1, 31)).prop_map(|(y, m, d)| format!("{y}-{m}-{d} ")),
        1 => (field(1, 12), field(1, 31)).prop_map(|(m, d)| format!("{m}-{d} ")),
        // In a list systemd allows of each further day 3 less, by mistake.
        1 => (year, field(1, 12), field(1, 20)).prop_map(|(y, m, d)| format!("{y}-{m}~{d} ")),
    ];
    let time = prop_oneof![
        1 => Just(String::new()),
        2 => (field(0, 23), field(0, 59)).prop_map(|(h, m)| format!("{h}:{m}")),
        1 => (field(0, 23), field(0, 59), field(0, 59)).prop_map(|(h, m, s)| format!("{h}:{m}:{s}")),
    ];
    (weekdays, date, time).prop_map(|(weekdays, date, time)| format!("{weekdays}{date}{time}"))
}

#[test]
fn what_systemd_takes_is_taken_and_means_the_same_times() {
    let mut runner = TestRunner::deterministic();
    let mut taken = 0;
    for _ in 0..300 {
        let written = expression().new_tree(&mut runner).unwrap().current();
        let theirs = by_systemd(&written, BASE, "UTC");
        assert_eq!(by_us(&written, BASE, &TimeZone::UTC), theirs, "{written:?}");
        taken += usize::from(theirs.is_some());
    }
    assert!(taken > 75, "{taken} of 300 were expressions");
}

#[test]
fn words_names_and_what_is_almost_an_expression() {
    for written in [
        "daily",
        "Weekly",
        "quarterly UTC",
        "semi-annually",
        "hourly Europe/Berlin",
        "Sun 02:00",
        "Sat,Sun 02:00 Asia/Kolkata",
        "Mon..Fri",
        "Mon-Fri 3:5",
        "*-*~1 23:59:59",
        "Tue   4:00",
        "",
        "02",
        "Sun Mon",
        "Fri..Mon 1:00",
        "Sun 25:00",
        "*-02-30",
        "*-02-29 00:00",
        "2:00 Europe/Nowhere",
        "12-24",
        "2027-1-1 0:0 1",
        "1:2:3:4",
        "-1:00",
        "*-*-* 24:00",
        "Su 1:00",
        "9999-1-1",
        "*/2:00",
        "1/2/3:00",
        "1..2..3:00",
        ",1:00",
        "1,:00",
        "weekly 1:00",
        "99-1-1",
        "70-1-1",
        "*-*~28",
        "*-*~29",
        "*-*~28/27",
        "*-*~28/28",
        "*-*~0",
        "*-*~1..28/9",
    ] {
        let theirs = by_systemd(written, BASE, "UTC");
        assert_eq!(by_us(written, BASE, &TimeZone::UTC), theirs, "{written:?}");
    }
}

#[test]
fn an_hour_that_the_clock_leaves_out_is_left_out() {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    for (written, base) in [
        ("02:30", "2027-03-26 12:00:00"),
        ("Sun 2:00", "2027-03-20 12:00:00"),
        ("*:0/30", "2027-03-28 01:10:00"),
        ("03:00", "2027-03-27 12:00:00"),
    ] {
        let theirs = by_systemd(written, base, "Europe/Berlin");
        assert_eq!(
            by_us(written, base, &zone),
            theirs,
            "{written:?} from {base}"
        );
    }
}

#[test]
fn of_an_hour_that_the_clock_has_twice_the_first_counts() {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let calendar = Calendar::parse("02:30").unwrap();
    let first = at("2027-10-31T00:30:00Z");
    assert_eq!(
        calendar.next(at("2027-10-30T12:00:00Z"), &zone),
        Some(first)
    );
    // Within the second of the two hours, at 02:10, the time of this day is over.
    let next = at("2027-11-01T01:30:00Z");
    assert_eq!(calendar.next(at("2027-10-31T01:10:00Z"), &zone), Some(next));
}

#[test]
fn a_window_is_the_one_that_is_open_or_the_next() {
    let calendar = Calendar::parse("Sun 02:00").unwrap();
    let window = |now: &str| {
        let found = calendar.window(
            Duration::from_secs(3 * 3600),
            now.parse().unwrap(),
            &TimeZone::UTC,
        );
        found.map(|(begin, end)| format!("{begin} {end}")).unwrap()
    };
    let this = "2027-01-31T02:00:00Z 2027-01-31T05:00:00Z";
    assert_eq!(window("2027-01-31T01:59:59Z"), this);
    assert_eq!(window("2027-01-31T02:00:00Z"), this);
    assert_eq!(window("2027-01-31T04:59:59Z"), this);
    // The end does not belong to it.
    let next = "2027-02-07T02:00:00Z 2027-02-07T05:00:00Z";
    assert_eq!(window("2027-01-31T05:00:00Z"), next);
}

#[test]
fn an_error_names_the_part_that_is_wrong() {
    let said = |text| Calendar::parse(text).unwrap_err().to_string();
    assert_eq!(said("Sun 25:00"), "\"25\" is no hour, 0 to 23");
    assert_eq!(
        said("Sum 2:00"),
        "\"sum\" is no day of the week, Mon to Sun"
    );
    assert_eq!(said("*-13-1"), "\"13\" is no month, 1 to 12");
    assert_eq!(
        said("Fri..Mon"),
        "\"Fri..Mon\" is no range of weekdays: the week begins on Monday"
    );
}
