//! What is kept of a failed start, and what a person does with it, on the controller that
//! it happened on: its command line, disks and data partition are those of the test.

use crate::bench::Bench;
use crate::block_device::Device;
use crate::environment::in_own_mounts;
use crate::ran::{Ran, says};
use blackbox::account;
use blackbox::failure::{Failure, Line, Unit};
use bootshim::copies::{Note, Store};
use bootshim::guid::Guid;
use bootshim::record::{Reason, SlotId, Stage};
use bootshim::state;
use controller::disk::Disk;
use controller::medium::Mode;
use std::fs;

/// The command line of the start, no disk but its own, and a data partition in `log`.
const PREPARED: &str = "
    mount --bind cmdline /proc/cmdline
    own=/sys/class/block/${disk##*/}; rm -rf disks; mkdir disks
    for node in $own ${own}p*; do ln -sfn \"$(readlink -f $node)\" disks/; done
    mount --bind disks /sys/class/block
    mount -t tmpfs none /run
    mkdir -p log; mount --bind log /var/lib
    : >kmsg; mount --bind kmsg /dev/kmsg
    slotctl() { timeout -s KILL 600 \"$SLOTCTL\" --disk $disk \"$@\"; }
";

const B: usize = 1;

/// A controller that has come back to slot a, after version 2 died without a word in slot b.
fn fell_back() -> Bench {
    let bench = Bench::new();
    let started = bench.start_version_2();
    let disk = Disk::open(&bench.file("disk.img")).unwrap();
    let b = SlotId::new(B).unwrap();
    let (record, _) = disk.read_record().unwrap();
    let note = Note::new("slot b: tries used up; its system never said why");
    let failed = state::fail(&record, b, Reason::Exhausted, Stage::Started);
    Store::open(disk.record(Mode::Write).unwrap(), disk.layout().record.id)
        .commit_everywhere(failed, note)
        .unwrap();
    let a = SlotId::new(0).unwrap();
    let runs = bootshim::handover::Handover {
        slot: a,
        manifest: record.slot(a).manifest,
        ..started
    };
    fs::write(bench.file("cmdline"), runs.command_line("ro", Guid::ZERO)).unwrap();
    bench
}

/// Keeps a failure about the last one in the record, of whose PostgreSQL this was said.
fn keep(bench: &Bench, said: &[&str]) {
    let record = bench.record();
    let noted = record.last_failure.unwrap();
    let line = |text: &&str| Line {
        uptime: Some(12.5),
        by: "postgresql@15-main[34]".into(),
        text: (*text).to_owned(),
    };
    let failure = Failure {
        slot: "b".into(),
        manifest: account::name(&record.slot(noted.slot).manifest),
        version: Some("2.0".into()),
        sequence: Some(noted.sequence),
        time: "2026-11-29T01:00:00Z".into(),
        reason: "slot b: tries used up".into(),
        units: vec![Unit {
            name: "postgresql@15-main.service".into(),
            state: "failed".into(),
            lines: said.iter().map(line).collect(),
        }],
        ..Failure::default()
    };
    let folder = bench.directory().join("log/slotctl/failures");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("1.json"), failure.encode()).unwrap();
}

const SAID: [&str; 4] = [
    "Error: /usr/lib/postgresql/15/bin/pg_ctl start -D /var/lib/postgresql/15/main -l /var/log/postgresql/postgresql-15-main.log -s exit with status 1:",
    "2026-11-29 14:13:50.572 UTC [41] FATAL:  could not access file \"timescaledb\": No such file or directory",
    "2026-11-29 14:13:50.585 UTC [41] LOG:  database system is shut down",
    "pg_ctl: could not start server",
];

fn on_controller(bench: &Bench, script: &str) -> Ran {
    let disk = Device::over(bench);
    in_own_mounts(bench, &format!("disk={}{PREPARED}{script}", disk.node()))
}

#[test]
#[ignore = "block devices need root and loop devices"]
fn what_postgresql_said_of_itself_is_in_status_on_one_screen() {
    let bench = fell_back();
    keep(&bench, &SAID);
    let text = on_controller(&bench, "slotctl status").ok().stdout;
    says(
        &text,
        "last failure: slot b: tries used up (kernel started)\n",
    );
    says(
        &text,
        "FATAL:  could not access file \"timescaledb\": No such file",
    );
    says(&text, "all of it: slotctl log --failure 1");
    assert!(!text.contains("never said why"), "{text}");
    let rows = |line: &str| line.chars().count().div_ceil(80).max(1);
    let rows: usize = text.lines().map(rows).sum();
    assert!(rows < 25, "{rows} rows:\n{text}");
}

#[test]
#[ignore = "block devices need root and loop devices"]
fn a_unit_that_floods_its_journal_still_leaves_one_screen() {
    let bench = fell_back();
    let long = "x".repeat(1000);
    keep(&bench, &[long.as_str(); 60]);
    let text = on_controller(&bench, "slotctl status").ok().stdout;
    let rows: usize = text
        .lines()
        .map(|line| line.chars().count().div_ceil(80))
        .sum();
    assert!(rows < 25, "{rows} rows:\n{text}");
}

#[test]
#[ignore = "block devices need root and loop devices"]
fn all_of_a_failure_is_in_the_log_for_people_and_for_programs() {
    let bench = fell_back();
    keep(&bench, &SAID);
    let ran = on_controller(
        &bench,
        "slotctl log --failure 1; slotctl log --failure 1 --json",
    )
    .ok();
    says(&ran.stdout, "failure 1: slot b, version 2.0\n");
    says(
        &ran.stdout,
        "[   12.500] postgresql@15-main[34]: pg_ctl: could not start server",
    );
    let object = ran.json();
    assert_eq!(object["schema"], "slotctl.failure/1");
    assert_eq!(
        (&object["failure"], &object["slot"]),
        (&1.into(), &"b".into())
    );
    assert_eq!(object["units"][0]["lines"][1]["text"], SAID[1]);
    let error = on_controller(&bench, "slotctl log --failure 2 --json").error(2, "not-found");
    says(&error["expected"], "1 are kept, and 1 is the last");
    on_controller(&bench, "slotctl log --failure 0").with_status(2);
}

#[test]
#[ignore = "block devices need root and loop devices"]
fn a_failure_is_acknowledged_once_and_for_all() {
    let bench = fell_back();
    keep(&bench, &SAID);
    let ran = on_controller(
        &bench,
        "mkdir /run/motd.d; echo old >/run/motd.d/slotctl
         slotctl status --json; slotctl status --acknowledge
         test ! -e /run/motd.d/slotctl
         slotctl status --acknowledge; slotctl status --acknowledge --json; slotctl status
         slotctl log | grep -c acknowledged:
         slotctl status --json",
    )
    .ok();
    let lines: Vec<_> = ran.stdout.lines().collect();
    let before: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!(before["last_failure"]["acknowledged"], false);
    assert_eq!(before["last_failure"]["black_box"]["failure"], 1);
    assert_eq!(
        lines[1],
        "acknowledged: slot b: tries used up (kernel started)"
    );
    assert_eq!(
        lines[2],
        "acknowledged already: slot b: tries used up (kernel started)"
    );
    let again: serde_json::Value = serde_json::from_str(lines[3]).unwrap();
    assert_eq!(
        (&again["changed"], &again["running"]),
        (&false.into(), &"a".into())
    );
    says(
        &ran.stdout,
        "last failure: slot b: tries used up (kernel started), acknowledged",
    );
    assert_eq!(ran.json()["last_failure"]["acknowledged"], true);
    assert_eq!(lines[lines.len() - 2], "1", "one event, of the first time");
}

#[test]
#[ignore = "block devices need root and loop devices"]
fn it_takes_the_right_to_acknowledge_and_a_data_partition() {
    let bench = fell_back();
    let script = "umount /var/lib; mount -t tmpfs none /var; slotctl status --acknowledge --json";
    let error = on_controller(&bench, script).error(5, "io");
    says(&error["found"], "/var/lib/slotctl is not there");
    says(&error["advice"], "mount it");
    keep(&bench, &SAID);
    let script = "setpriv --reuid=65534 --regid=65534 --clear-groups \
        \"$SLOTCTL\" --disk $disk --json status --acknowledge";
    on_controller(&bench, script).error(5, "no-permission");
    let script = "mount -o remount,ro,bind /var/lib; slotctl status --acknowledge --json";
    on_controller(&bench, script).error(5, "read-only");
}

#[test]
fn on_another_disk_there_is_nothing_to_acknowledge() {
    let bench = fell_back();
    let error = bench.refuses("status --acknowledge", 3, "not-running");
    says(&error["expected"], "on the controller itself");
    let failure = bench.ask("status")["last_failure"].clone();
    assert!(failure["black_box"].is_null() && failure["acknowledged"].is_null());
}

#[test]
#[ignore = "block devices need root and loop devices"]
fn where_truly_nothing_was_found_it_says_what_would_have_helped() {
    let bench = fell_back();
    let text = on_controller(&bench, "slotctl status").ok().stdout;
    says(
        &text,
        "  slot b: tries used up; its system never said why\n",
    );
    says(&text, "would have helped");
    let script = "umount /var/lib; mount -t tmpfs none /var; slotctl status";
    let text = on_controller(&bench, script).ok().stdout;
    says(&text, "  a data partition would have helped: ");
}

#[test]
#[ignore = "block devices need root and loop devices"]
fn a_damaged_black_box_is_said_and_hides_nothing_else() {
    let bench = fell_back();
    keep(&bench, &SAID);
    let folder = bench.directory().join("log/slotctl/failures");
    fs::write(folder.join("2.json"), "{\"schema\":\"slotctl.fai").unwrap();
    let ran = on_controller(&bench, "slotctl status").ok();
    says(&ran.stderr, "2.json: it is damaged");
    says(&ran.stdout, "FATAL:  could not access file");
}
