#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "in a test, each of them is a failure that is seen"
)]

use super::*;
use proptest::prelude::*;

fn word() -> impl Strategy<Value = String> {
    // What grows when it is spelt or encoded, and what does not.
    const PARTS: [&str; 7] = ["x", "\"\\", "\u{1b}[", "ü", "\u{202e}", "日本", "\n\t\0"];
    (prop::sample::select(&PARTS[..]), 0usize..400).prop_map(|(part, n)| part.repeat(n))
}

fn lines() -> impl Strategy<Value = Vec<String>> {
    (word(), 0usize..30).prop_map(|(line, n)| vec![line; n])
}

fn any_failure() -> impl Strategy<Value = Failure> {
    (word(), word(), lines(), 0usize..30).prop_map(|(long, other, lines, n)| {
        let line = |text: &String| Line {
            uptime: Some(1.5),
            by: other.clone(),
            text: text.clone(),
        };
        Failure {
            slot: long.clone(),
            manifest: other.clone(),
            version: Some(long.clone()),
            reason: long.clone(),
            checks: vec![
                Check {
                    name: long.clone(),
                    passes: Some(false),
                    since: other.clone(),
                    said: Some(long.clone()),
                };
                n
            ],
            units: vec![
                Unit {
                    name: other.clone(),
                    state: long.clone(),
                    lines: lines.iter().map(line).collect(),
                };
                n.min(12)
            ],
            kernel: lines.clone(),
            watchdog: Some(Watchdog {
                device: Some(long.clone()),
                ..Watchdog::default()
            }),
            pstore: vec![
                Dump {
                    name: long.clone(),
                    time: other.clone(),
                    lines,
                };
                n.min(6)
            ],
            missing: vec![Missing::new(long.clone(), other); n],
            ..Failure::default()
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn whatever_is_collected_fits_is_harmless_and_stays_so(failure in any_failure()) {
        let bytes = failure.encode();
        prop_assert!(bytes.len() <= LENGTH_MAX, "{}", bytes.len());
        let read = Failure::decode(&bytes).unwrap();
        prop_assert_eq!(read.encode(), bytes);
        let text = format!("{}{:?}", read.reason, read.kernel);
        let acts = ['\u{1b}', '\u{202e}', '\0'];
        prop_assert!(!text.contains(acts), "{}", text);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
        let _ = Failure::decode(&bytes);
    }
}

/// The limits of all parts, with what is around them.
#[test]
fn all_parts_at_their_limits_have_room_together() {
    let parts = REASON_MAX + CHECKS_MAX + UNITS_MAX + KERNEL_MAX + PSTORE_MAX + MISSING_MAX;
    assert!(parts + 12 * WORD_MAX + 1024 <= LENGTH_MAX, "{parts}");
}

#[test]
fn one_part_that_floods_takes_nothing_from_the_others() {
    let flood = |n: usize| (0..n).map(|i| format!("line {i}")).collect::<Vec<_>>();
    let failure = Failure {
        kernel: flood(100_000),
        units: vec![Unit {
            name: "postgresql.service".into(),
            state: "failed".into(),
            lines: vec![Line {
                text: "FATAL: no".into(),
                ..Line::default()
            }],
        }],
        ..Failure::default()
    };
    let kept = Failure::decode(&failure.encode()).unwrap();
    assert_eq!(kept.units, failure.units);
    assert_eq!(kept.kernel.last().unwrap(), "line 99999", "the end counts");
    let left_out = 100_000 - kept.kernel.len();
    let said = Missing::new(
        "older kernel lines",
        format!("{left_out} left out for room"),
    );
    assert_eq!(kept.missing, [said]);
}

#[test]
fn of_a_loud_unit_the_last_lines_are_kept_and_every_unit_is_named() {
    let loud = |name: &str| Unit {
        name: name.into(),
        state: "failed".into(),
        lines: (0..5000)
            .map(|i| Line {
                text: format!("{i}"),
                ..Line::default()
            })
            .collect(),
    };
    let failure = Failure {
        units: vec![loud("a.service"), loud("b.service")],
        ..Failure::default()
    };
    let kept = Failure::decode(&failure.encode()).unwrap();
    let names: Vec<_> = kept.units.iter().map(|unit| unit.name.as_str()).collect();
    assert_eq!(names, ["a.service", "b.service"]);
    assert_eq!(kept.units[1].lines.last().unwrap().text, "4999");
}

#[test]
fn of_many_checks_those_that_fail_are_kept() {
    let check = |i: usize| Check {
        name: format!("check {i}"),
        passes: Some(i != 999),
        said: Some("x".repeat(500)),
        ..Check::default()
    };
    let failure = Failure {
        checks: (0..1000).map(check).collect(),
        ..Failure::default()
    };
    let kept = Failure::decode(&failure.encode()).unwrap();
    assert_eq!(kept.checks[0].name, "check 999");
}

#[test]
fn what_a_kernel_left_is_added_once() {
    let dump = Dump {
        name: "Panic#1".into(),
        time: "2026-11-29T01:00:00Z".into(),
        lines: (0..10_000).map(|i| format!("\u{1b}{i}")).collect(),
    };
    let mut failure = Failure::default();
    assert!(!failure.has(std::slice::from_ref(&dump)));
    failure.add(std::slice::from_ref(&dump));
    let mut failure = Failure::decode(&failure.encode()).unwrap();
    assert!(
        failure.has(std::slice::from_ref(&dump)),
        "also from its file"
    );
    failure.add(&[dump]);
    assert_eq!(failure.pstore.len(), 1);
    assert!(!failure.has(&[]), "nothing is in no box");
}

#[test]
fn a_file_that_is_cut_or_of_a_later_format_is_none() {
    let failure = Failure {
        slot: "b".into(),
        reason: "no".into(),
        ..Failure::default()
    };
    let bytes = failure.encode();
    for length in 0..bytes.len() - 1 {
        assert!(Failure::decode(&bytes[..length]).is_err(), "{length}");
    }
    let text = String::from_utf8(bytes).unwrap();
    let later = text.replace("slotctl.failure/1", "slotctl.failure/2");
    let why = Failure::decode(later.as_bytes()).unwrap_err();
    assert_eq!(
        why,
        "its format is slotctl.failure/2, not slotctl.failure/1"
    );
    let more = text.replace("{\"schema\"", "{\"later\":[1],\"schema\"");
    assert!(Failure::decode(more.as_bytes()).is_ok(), "fields are added");
}

#[test]
fn bytes_that_are_no_text_become_lines_that_do_nothing() {
    let lines = harmless(b"\xff\x1b[31mred\r\nnext\0");
    assert_eq!(lines, ["\u{fffd}\\u{1b}[31mred", "next\\u{0}"]);
}
