//! `slotctl log`: from when on, and on while things happen.

use crate::bench::Bench;
use crate::environment::in_own_mounts;
use crate::ran::{Ran, says};
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, SystemTime};

/// A data partition in `log`, and who follows the log that is on it. `slotctl` in the
/// background has its signals as it has them before a person.
const PREPARED: &str = "
    log=log/slotctl/events.log
    mkdir -p log/slotctl; mount --bind log /var/lib; mount -t tmpfs none /run
    : >kmsg; mount --bind kmsg /dev/kmsg; : >out
    follow() { env --default-signal timeout --foreground 60 \"$SLOTCTL\" \"$@\" log --follow >out & }
    until_in() { until grep -qs \"$2\" \"$1\"; do kill -0 $!; sleep 0.05; done; }
    note() { echo \"{\\\"time\\\":\\\"2026-11-29T16:00:00Z\\\",\\\"event\\\":\\\"x\\\",\\\"text\\\":\\\"$1\\\"}\"; }
";

fn run(bench: &Bench, script: &str) -> Ran {
    in_own_mounts(bench, &format!("{PREPARED}{script}"))
}

#[test]
fn who_follows_the_log_gets_what_there_is_and_then_what_happens_until_ctrl_c() {
    let bench = Bench::new();
    let ran = run(
        &bench,
        "note first >$log
         follow; until_in out 'x: first'
         note second >>$log; until_in out 'x: second'
         mv $log $log.1
         note third >$log; until_in out 'x: third'
         kill -INT $!; code=0; wait $! || code=$?
         cat out; exit $code",
    );
    assert_eq!(ran.status, 130, "{}", ran.stderr);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let line = |text: &str| format!("2026-11-29T16:00:00Z x: {text}");
    assert_eq!(lines, ["first", "second", "third"].map(line));
}

#[test]
fn who_follows_the_log_gets_one_object_a_line_also_of_what_a_full_log_makes_room_for() {
    let bench = Bench::new();
    // As many as there is room for in one file.
    let long = "x".repeat(400);
    let line = |number: usize| {
        let text = format!("{number:05} {long}");
        let event = json!({"time": "2026-11-29T16:00:00Z", "boot": 7, "event": "x", "text": text});
        format!("{event}\n")
    };
    let count = (1 << 20) / line(0).len();
    let lines: String = (0..count).map(line).collect();
    fs::write(bench.file("full"), lines).unwrap();
    let toml = "compatible = \"plc-4\"\n[watch]\ndevice = \"/nonexistent/watchdog\"\n";
    fs::write(bench.file("slotctl.toml"), toml).unwrap();
    let last = count - 1;
    let ran = run(
        &bench,
        &format!(
            "cp full $log
             follow --json; follower=$!; until_in out '{last:05} xxx'
             for round in 1 2 3; do
                 timeout 60 \"$SLOTCTL\" --config slotctl.toml watch >/dev/null 2>said &
                 until_in said 'nobody restarts'; kill -INT $!; wait $!
             done
             test -e $log.1
             until test $(grep -c watch-stopped out) = 3; do kill -0 $follower; sleep 0.05; done
             kill -TERM $follower; code=0; wait $follower || code=$?
             cat out; exit $code"
        ),
    );
    assert_eq!(ran.status, 143, "{}", ran.stderr);
    let objects = ran.stdout.lines().map(|line| {
        let object: Value = serde_json::from_str(line).unwrap();
        assert_eq!(object["schema"], "slotctl.log/1");
        object["event"].as_str().unwrap().to_owned()
    });
    let events: Vec<String> = objects.collect();
    let of = |name: &str| events.iter().filter(|event| *event == name).count();
    assert_eq!((of("x"), of("watchdog-missing")), (count, 3));
}

#[test]
fn a_log_that_is_not_there_yet_is_followed_once_it_is() {
    let bench = Bench::new();
    let ran = run(
        &bench,
        "rmdir log/slotctl
         follow 2>said; until_in said 'there is no event log'
         mkdir log/slotctl; note first >$log; until_in out 'x: first'
         kill -INT $!; wait $! || :",
    );
    ran.ok();
}

#[test]
fn who_follows_the_log_ends_quietly_when_nobody_reads_any_more() {
    let bench = Bench::new();
    let ran = run(
        &bench,
        "note first >$log
         { timeout 60 \"$SLOTCTL\" log --follow 2>said; echo $? >code; } | head -n 1
         cat code said",
    );
    assert_eq!(ran.ok().stdout, "2026-11-29T16:00:00Z x: first\n0\n");
}

/// The texts that are shown of a log with these times, which are their texts, too.
fn since(times: &[&str], since: &str) -> Vec<String> {
    let bench = Bench::new();
    let event = |time: &&str| {
        let object = json!({"time": time, "boot": 7, "event": "x", "text": time});
        format!("{object}\n")
    };
    let lines: String = times.iter().map(event).collect();
    fs::write(bench.file("events"), lines).unwrap();
    let shown = run(
        &bench,
        &format!("cp events $log; TZ=UTC \"$SLOTCTL\" --json log --since '{since}'"),
    );
    let shown = shown.ok().stdout;
    let text = |line: &str| -> String {
        let object: Value = serde_json::from_str(line).unwrap();
        object["text"].as_str().unwrap().to_owned()
    };
    shown.lines().map(text).collect()
}

#[test]
fn the_log_is_shown_from_a_time_on() {
    let log = [
        "2026-11-28T23:59:59Z",
        "2026-11-29T15:59:59Z",
        "2026-11-29T16:00:00Z",
        "2026-11-30T00:00:00Z",
    ];
    for (from, first) in [
        ("2026-11-01", 0),
        ("2026-11-29", 1),
        ("2026-11-29 16:00", 2),
        ("2026-11-29T17:00:00+01:00", 2),
        ("2026-11-29 16:00:01", 3),
        ("2026-12-01", 4),
    ] {
        assert_eq!(since(&log, from), log[first..], "{from}");
    }
}

#[test]
fn the_log_is_shown_from_so_long_ago_on() {
    let ago = |hours: u64| {
        let time = SystemTime::now() - Duration::from_secs(hours * 3600);
        controller::date::rfc3339(time)
    };
    let log = [ago(50), ago(3), ago(1)];
    let log: Vec<&str> = log.iter().map(String::as_str).collect();
    assert_eq!(since(&log, "-2h"), log[2..]);
    assert_eq!(since(&log, "4 hours ago"), log[1..]);
    assert_eq!(since(&log, "yesterday"), log[1..]);
}

#[test]
fn a_clock_that_was_wrong_for_a_while_hides_nothing_that_came_after() {
    let log = [
        "2026-11-28T10:00:00Z",
        "2026-11-29T10:00:00Z",
        "1970-01-01T00:00:05Z",
        "2026-11-29T11:00:00Z",
    ];
    assert_eq!(since(&log, "2026-11-29"), log[1..]);
}

#[test]
fn what_is_no_time_is_refused_and_what_is_one_is_said() {
    let bench = Bench::new();
    for time in ["banana", "tomorrow", "2h", "2026-13-01"] {
        let mut command = bench.command("--json log --since");
        let ran = Ran::new(time, &command.arg(time).output().unwrap());
        let error = ran.error(2, "usage");
        says(&error["found"], time);
        says(
            &error["found"],
            "`2026-11-29 16:00`, `16:00`, `today`, `yesterday`, `2h ago`",
        );
    }
    for with in ["--follow", "--since today"] {
        bench.run(&format!("log --failure 1 {with}")).with_status(2);
    }
}
