#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, each of them is a failure that is seen"
)]

use super::*;
use crate::failure::Missing;
use proptest::prelude::*;

fn line(by: &str, text: &str) -> Line {
    Line {
        uptime: Some(12.25),
        by: by.into(),
        text: text.into(),
    }
}

fn unit(name: &str, lines: Vec<Line>) -> Unit {
    Unit {
        name: name.into(),
        state: "failed".into(),
        lines,
    }
}

fn postgres() -> Unit {
    unit(
        "postgresql@15-main.service",
        vec![
            line("systemd[1]", "Starting postgresql@15-main.service..."),
            line(
                "postgresql@15-main[412]",
                "FATAL:  could not load /etc/ssl/private/key",
            ),
            line("postgresql@15-main[412]", "pg_ctl: could not start server"),
            line(
                "systemd[1]",
                "postgresql@15-main.service: Failed with result 'protocol'.",
            ),
        ],
    )
}

#[test]
fn the_first_lines_are_what_a_program_itself_said() {
    let failure = Failure {
        units: vec![
            unit(
                "e2scrub_reap.service",
                vec![line("systemd[1]", "Failed to start.")],
            ),
            postgres(),
        ],
        ..Failure::default()
    };
    assert_eq!(
        first_lines(&failure, 10),
        [
            "postgresql@15-main.service, failed:",
            "  FATAL:  could not load /etc/ssl/private/key",
            "  pg_ctl: could not start server",
            "e2scrub_reap.service, failed:",
            "  Failed to start.",
        ]
    );
}

#[test]
fn a_unit_that_a_check_complains_of_comes_first() {
    let loud = |name| unit(name, vec![line("x[1]", "words")]);
    let failure = Failure {
        checks: vec![Check {
            said: Some("unit line2.service is failed".into()),
            ..Check::default()
        }],
        units: vec![loud("a.service"), loud("line2.service")],
        ..Failure::default()
    };
    assert_eq!(first_lines(&failure, 10)[0], "line2.service, failed:");
}

#[test]
fn a_panic_comes_before_all_and_the_console_where_there_is_nothing_else() {
    let report = [
        "[1] ok",
        "[2] Kernel panic - not syncing: x",
        "[3] Call Trace:",
        "[4] f+0x1",
    ];
    let mut failure = Failure {
        units: vec![postgres()],
        pstore: vec![Dump {
            name: "Panic#1".into(),
            lines: report.map(str::to_owned).to_vec(),
            ..Dump::default()
        }],
        ..Failure::default()
    };
    let lines = first_lines(&failure, 10);
    assert_eq!(
        lines[..2],
        [
            "its kernel left a report, Panic#1:",
            "  [2] Kernel panic - not syncing: x"
        ]
    );
    failure.pstore[0].lines.remove(1);
    assert_eq!(
        first_lines(&failure, 10)[3],
        "  [4] f+0x1",
        "else its last lines"
    );
    let silent = Failure {
        kernel: vec!["hangs here".into()],
        ..Failure::default()
    };
    assert_eq!(
        first_lines(&silent, 10),
        ["the last lines of its console:", "  hangs here"]
    );
}

proptest! {
    #[test]
    fn however_much_there_is_it_stays_within_its_rows_and_columns(
        units in prop::collection::vec(prop::collection::vec(".{0,200}", 0..30), 0..12),
        report in prop::collection::vec(".{0,200}", 0..5),
        rows in 1usize..15,
    ) {
        let failure = Failure {
            units: units.iter().map(|lines| {
                unit("u.service", lines.iter().map(|text| line("p[1]", text)).collect())
            }).collect(),
            pstore: vec![Dump { lines: report, ..Dump::default() }],
            ..Failure::default()
        };
        let lines = first_lines(&failure, rows);
        let taken: usize = lines.iter().map(|line| rows_of(line)).sum();
        prop_assert!((1..=rows).contains(&taken), "{lines:?}");
    }
}

const NOTE: &str = "slot c: tries used up; its system never said why";

#[test]
fn never_said_why_stands_only_where_nothing_was_found() {
    let found = Failure {
        units: vec![postgres()],
        ..Failure::default()
    };
    assert_eq!(note(NOTE, Some(&found)), "slot c: tries used up");
    assert_eq!(note(NOTE, Some(&Failure::default())), NOTE);
    assert_eq!(note(NOTE, None), NOTE);
    assert_eq!(
        note("slot b, start 9: x", Some(&found)),
        "slot b, start 9: x"
    );
}

#[test]
fn where_nothing_was_found_it_says_what_would_have_helped() {
    let silent = Failure::default();
    let helped =
        |failure, no_place, no_pstore| would_have_helped(NOTE, failure, no_place, no_pstore);
    for (failure, no_place, no_pstore, words) in [
        (None, true, None, "a data partition would have helped"),
        (None, true, Some("x"), "a data partition would have helped"),
        (
            None,
            false,
            Some("this kernel has none"),
            "last words: this kernel has none",
        ),
        (
            Some(&silent),
            false,
            Some("this kernel has none"),
            "a pstore would have helped",
        ),
        (Some(&silent), false, None, "left nothing in pstore"),
        (None, false, None, "has not yet looked"),
    ] {
        let said = helped(failure, no_place, no_pstore).unwrap();
        assert!(said.contains(words), "{said}");
    }
    let found = Failure {
        units: vec![postgres()],
        ..Failure::default()
    };
    assert_eq!(helped(Some(&found), false, Some("x")), None);
    assert_eq!(
        would_have_helped("slot b, start 9: x", None, true, None),
        None
    );
}

#[test]
fn all_of_a_failure_is_said() {
    let failure = Failure {
        slot: "b".into(),
        version: Some("2.0".into()),
        boot: Some(42),
        attempt: Some(3),
        given_up: true,
        time: "2026-11-29T01:00:00Z".into(),
        uptime: Some(301.4),
        reason: "check database: no".into(),
        checks: vec![
            Check {
                name: "database".into(),
                passes: Some(false),
                since: "2026-11-29T00:56:00Z".into(),
                said: Some("no".into()),
            },
            Check {
                name: "web".into(),
                passes: Some(true),
                since: "2026-11-29T00:57:00Z".into(),
                said: None,
            },
            Check {
                name: "line".into(),
                ..Check::default()
            },
        ],
        units: vec![unit("a.service", vec![line("a[7]", "words")])],
        kernel: vec!["[    1.000000] up".into()],
        watchdog: Some(Watchdog {
            device: Some("/dev/watchdog".into()),
            timeout: Some(60),
            open: Some(true),
            armed: Some("i6300esb".into()),
            last_reset: Some("other".into()),
        }),
        pstore: vec![Dump {
            name: "Panic#1".into(),
            time: "2026-11-29T01:01:00Z".into(),
            lines: vec!["Kernel panic".into()],
        }],
        missing: vec![Missing::new("journal of b.service", "too many units")],
        ..Failure::default()
    };
    assert_eq!(
        whole(2, &failure),
        "failure 2: slot b, version 2.0, start 3 of its trial, boot 42\n\
         2026-11-29T01:00:00Z, given up by slotctl watch 301 s after its start\n\
         check database: no\n\
         watchdog: /dev/watchdog, 60 s, petted; armed before the kernel: i6300esb; it did not lead to the start that wrote this\n\
         \nchecks:\n  \
         database: no, failing since 2026-11-29T00:56:00Z\n  \
         web: passes since 2026-11-29T00:57:00Z\n  \
         line: no answer yet\n\
         \na.service, failed:\n  [   12.250] a[7]: words\n\
         \nleft by its kernel, Panic#1, 2026-11-29T01:01:00Z:\n  Kernel panic\n\
         \nkernel and console:\n  [    1.000000] up\n\
         \nnot collected:\n  journal of b.service: too many units\n"
    );
}
