//! The disk that this controller booted from, among others: a copy of it, and one
//! that is dead.
//!
//! The kernel's command line and its list of disks are those of the test, in mounts
//! of its own. The dead disk is a file whose server never says a word.

use crate::bench::Bench;
use crate::environment::{in_own_mounts, is_root};
use crate::ran::{Ran, says};
use bootshim::guid::Guid;
use std::fs;

/// A disk `NAME` of the machine lies in `/dev/shm`. The command line is in `cmdline`.
const PREPARED: &str = "
    mount --bind cmdline /proc/cmdline
    mount -t tmpfs none /sys/class/block
    mount -t tmpfs none /dev/shm
    disk() { mkdir \"/sys/class/block/shm!$1\"; echo 8 >\"/sys/class/block/shm!$1/size\"; }
    alive() { disk $1; cp --sparse=always disk.img /dev/shm/$1; }
    dead() {
        disk $1; : >/dev/shm/$1; exec 7<>/dev/fuse
        mount -i -t fuse -o fd=7,rootmode=100000,user_id=0,group_id=0 none /dev/shm/$1
    }
    ask() { timeout -s KILL 60 \"$SLOTCTL\" --json status 2>said; }
    mkdir log; mount --bind log /var/lib
    : >kmsg; mount --bind kmsg /dev/kmsg
";

/// A bench whose disk is the one that the machine booted from.
fn bench() -> Bench {
    let bench = Bench::new();
    let started = bench.start_version_2();
    fs::write(
        bench.file("cmdline"),
        started.command_line("ro", Guid::ZERO),
    )
    .unwrap();
    bench
}

fn on_machine(bench: &Bench, script: &str) -> Ran {
    in_own_mounts(bench, &format!("{PREPARED}{script}"))
}

fn said(bench: &Bench) -> String {
    String::from_utf8(bench.read("said")).unwrap()
}

#[test]
fn the_disk_that_the_machine_booted_from_is_found_among_others() {
    let bench = bench();
    let ran = on_machine(
        &bench,
        "alive own; disk text; echo text >/dev/shm/text; ask",
    );
    assert_eq!(ran.ok().json()["disk"], "/dev/shm/own");
    assert_eq!(said(&bench), "");
}

#[test]
fn a_dead_disk_that_is_not_ours_holds_up_a_command_for_a_moment_and_is_named() {
    let bench = bench();
    let ran = on_machine(&bench, "alive own; dead other; ask");
    assert_eq!(ran.ok().json()["disk"], "/dev/shm/own");
    let said = said(&bench);
    assert!(said.contains("no answer from /dev/shm/other"), "{said}");
}

#[test]
fn a_copy_of_the_disk_that_answers_is_refused_whatever_else_is_dead() {
    let bench = bench();
    let ran = on_machine(&bench, "alive own; alive copy; dead other; ask");
    let error = ran.error(3, "two-disks");
    let found = error["found"].as_str().unwrap();
    assert!(
        found.starts_with("/dev/shm/copy and /dev/shm/own both"),
        "{found}"
    );
}

#[test]
fn where_only_a_dead_disk_is_left_that_is_said() {
    let bench = bench();
    let ran = on_machine(&bench, "dead other; ask");
    let error = ran.error(5, "disk-lost");
    says(&error["found"], "no answer from /dev/shm/other");
}

#[test]
fn watch_pets_while_a_dead_disk_has_not_answered_and_then_names_it() {
    let bench = bench();
    let text = "compatible = \"plc-4\"\n[watch]\ndevice = \"/dev/shm/watchdog\"\n";
    fs::write(bench.file("slotctl.toml"), text).unwrap();
    let script = "alive own; dead other; : >/dev/shm/watchdog
        timeout -s KILL 60 \"$SLOTCTL\" --config slotctl.toml watch >/dev/null 2>said &
        until grep -q . /dev/shm/watchdog; do kill -0 $!; sleep 0.01; done
        cp said before
        until grep -q 'watch: this slot\\|watch: on trial' said; do kill -0 $!; sleep 0.01; done
        kill -INT $!; wait $!";
    on_machine(&bench, script).ok();
    let before = String::from_utf8(bench.read("before")).unwrap();
    assert!(!before.contains("watch: this slot"), "{before}");
    let said = said(&bench);
    let silent = said
        .lines()
        .filter(|line| line.contains("no answer from /dev/shm/other"));
    assert_eq!(silent.count(), 1, "{said}");
}

/// `root` may read everything: somebody who is not has to be told so.
#[test]
fn somebody_who_is_not_root_is_told_that_the_disk_is_not_for_him() {
    let bench = bench();
    if !is_root() {
        return;
    }
    let script = "alive own; chmod 600 /dev/shm/own; chmod 755 .
        setpriv --reuid=65534 --regid=65534 --clear-groups \"$SLOTCTL\" --json status";
    let error = on_machine(&bench, script).error(5, "no-permission");
    let (found, advice) = (&error["found"], &error["advice"]);
    assert!(found.as_str().unwrap().contains("/dev/shm/own"), "{error}");
    assert!(advice.as_str().unwrap().contains("as root"), "{error}");
}
