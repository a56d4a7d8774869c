#![allow(
    clippy::indexing_slicing,
    reason = "in a test, it is a failure that is seen"
)]

use super::*;
use crate::failure::Failure;
use crate::words::first_lines;

/// `systemctl` and `journalctl` of systemd 252, as far as they are asked.
fn asked(journal: Result<Vec<u8>, String>) -> (Vec<Unit>, Vec<Missing>) {
    let listed = "\
        postgresql@15-main.service loaded failed     failed       PostgreSQL Cluster 15-main\n\
        line2.service              loaded activating auto-restart Line 2\n";
    ask(|program, arguments| match program {
        "systemctl" => Ok(listed.into()),
        _ if arguments.contains(&"--unit=line2.service") => Err("journalctl hangs".into()),
        _ => journal.clone(),
    })
}

#[test]
fn each_unit_that_failed_or_did_not_come_up_is_listed_with_its_last_words() {
    let said = br#"{"_PID":"412","SYSLOG_IDENTIFIER":"postgresql@15-main","MESSAGE":"FATAL:  no \u001b[31mroom","__MONOTONIC_TIMESTAMP":"12345678","__CURSOR":"s=1"}
{"_PID":"1","SYSLOG_IDENTIFIER":"systemd","MESSAGE":[255,102,27],"__MONOTONIC_TIMESTAMP":"12345679"}
{"SYSLOG_IDENTIFIER":"kernel","MESSAGE":null}
{"torn"#;
    let (units, missing) = asked(Ok(said.to_vec()));
    assert_eq!(units.len(), 2);
    let postgres = &units[0];
    assert_eq!(
        (postgres.name.as_str(), postgres.state.as_str()),
        ("postgresql@15-main.service", "failed")
    );
    let lines: Vec<_> = postgres
        .lines
        .iter()
        .map(|l| (l.uptime, l.by.as_str(), l.text.as_str()))
        .collect();
    assert_eq!(
        lines,
        [
            (
                Some(12.345),
                "postgresql@15-main[412]",
                "FATAL:  no \\u{1b}[31mroom"
            ),
            (Some(12.345), "systemd[1]", "\u{fffd}f\\u{1b}"),
            (None, "kernel", ""),
        ]
    );
    assert_eq!(units[1].state, "activating (auto-restart)");
    let hangs = Missing::new("journal of line2.service", "journalctl hangs");
    assert_eq!(missing, [hangs]);
}

/// What systemd 252 of Debian 12 says of PostgreSQL 15 with a library in its configuration
/// that is not there.
#[test]
fn what_a_real_postgresql_said_of_itself_comes_first_on_the_screen() {
    let said = |program: &str, arguments: &[&str]| match program {
        "systemctl" => Ok(include_bytes!("units.txt").to_vec()),
        _ if arguments.contains(&"--unit=postgresql@15-main.service") => {
            Ok(include_bytes!("postgresql.json").to_vec())
        }
        _ => Ok(Vec::new()),
    };
    let (units, missing) = ask(said);
    assert!(missing.is_empty());
    assert_eq!(units[1].state, "activating (start)");
    let failure = Failure {
        units,
        ..Failure::default()
    };
    let lines = first_lines(&failure, 10);
    assert_eq!(lines[0], "postgresql@15-main.service, failed:");
    let fatal = "FATAL:  could not access file \"timescaledb\": No such file or directory";
    assert!(lines.iter().any(|line| line.ends_with(fatal)), "{lines:#?}");
}

#[test]
fn a_journal_that_cannot_be_read_leaves_the_names_of_the_units() {
    let (units, missing) = asked(Err("No journal files were found.".into()));
    assert!(units.iter().all(|unit| unit.lines.is_empty()));
    assert_eq!(missing.len(), 2);
}

#[test]
fn of_very_many_units_the_first_are_asked_and_all_are_named() {
    let (units, missing) = ask(|program, _| match program {
        "systemctl" => Ok((0..40)
            .map(|i| format!("u{i}.service loaded failed failed U\n"))
            .collect::<String>()
            .into()),
        _ => Ok(Vec::new()),
    });
    assert_eq!((units.len(), missing.len()), (40, 40 - UNITS_MAX));
}

#[test]
fn where_systemd_does_not_answer_that_is_all_there_is() {
    let (units, missing) = ask(|program, _| Err(format!("{program} gave no answer in time")));
    assert!(units.is_empty());
    assert_eq!(
        missing,
        [Missing::new("units", "systemctl gave no answer in time")]
    );
}

/// A device that a mount names is being activated until udev has seen it, and has no words.
#[test]
fn a_device_that_udev_has_not_seen_is_no_unit_that_failed() {
    let list = "dev-mapper-slotctl\\x2droot.device loaded activating tentative /dev/mapper/x\n\
        postgresql@15-main.service loaded failed failed PostgreSQL Cluster 15-main\n";
    let names = parse_units(list).into_iter().map(|unit| unit.name);
    assert_eq!(names.collect::<Vec<_>>(), ["postgresql@15-main.service"]);
}

#[test]
fn lines_of_anything_else_are_none() {
    for odd in ["", "\n\n", "one two three", "0 loaded units listed."] {
        assert!(parse_units(odd).len() <= 1, "{odd}");
    }
    for odd in [&b""[..], b"null", b"[]", b"{\"MESSAGE\":[{}]}", b"\xff"] {
        let line = parse_line(odd);
        assert!(line.is_none_or(|line| line.text.is_empty()), "{odd:?}");
    }
}
