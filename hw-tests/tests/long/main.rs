//! Scenarios on machines that do not fit into `make test`: run by
//! `make test-long`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod arm64;
mod dead_disk;
mod debian;
mod floor;
mod hooks;
mod kernels;
mod key_sets;
mod measured;
mod outside;
mod packages;
mod power_cut;
mod reads;
mod renewal;
mod resets;
mod secure_boot;
mod shim;
mod shutdowns;
mod starts;
mod state;
mod token;
mod twin;
mod verity;
mod watchdogs;

use bootshim::record::SlotId;
use hw_tests::damage;
use hw_tests::machine::{Cause, Machine, START, WebServer};
use hw_tests::pipeline::Pipeline;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

static PIPELINE: LazyLock<Pipeline> = LazyLock::new(|| Pipeline::new("long").unwrap());

/// A machine with version 2 on trial in slot b, in its first start.
fn on_trial(name: &str) -> Machine {
    let disk = PIPELINE.disk(&format!("{name}.img"), 512).unwrap();
    let install = ["install", "v2.slotimg"];
    PIPELINE.slotctl_on(&disk, &install).unwrap();
    let mut machine = Machine::new(name).disk(&disk).start().unwrap();
    machine.says("starting slot b, version 2.0, as trial");
    machine.says("slotctl watch: on trial");
    machine
}

fn slot(name: &str) -> SlotId {
    name.parse().unwrap()
}

/// A disk with two good slots, of which b starts.
fn two_good(name: &str) -> PathBuf {
    let disk = PIPELINE.disk(&format!("{name}.img"), 512).unwrap();
    let install = ["install", "v2.slotimg"];
    PIPELINE.slotctl_on(&disk, &install).unwrap();
    damage::confirm(&disk, slot("b")).unwrap();
    disk
}

/// The demo OS' initramfs with another process 1.
fn initramfs_with(pipeline: &Pipeline, init: &str, name: &str) -> PathBuf {
    let folder = pipeline.directory().join(name);
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("init"), init).unwrap();
    let packed = folder.with_extension("img");
    let words = format!(
        "chmod +x init && {{ cat {} && echo init | cpio -o -H newc --quiet; }} >{}",
        pipeline.part("initrd.img"),
        packed.display()
    );
    let packing = Command::new("sh")
        .args(["-c", &words])
        .current_dir(&folder)
        .status();
    assert!(packing.unwrap().success());
    packed
}

#[test]
fn a_person_who_switches_the_machine_off_during_a_trial_loses_no_try() {
    let mut machine = on_trial("switched-off");
    machine.tell("reboot").unwrap();
    machine.restarts(Cause::Reboot);
    machine.says("as trial, 2 tries left after this one");
}

#[test]
fn a_reset_during_a_trial_costs_a_try() {
    let mut machine = on_trial("reset");
    machine.press_reset().unwrap();
    machine.restarts(Cause::ResetButton);
    machine.says("as trial, 1 try left after this one");
}

#[test]
fn when_watch_dies_the_watchdog_resets_the_machine() {
    let mut machine = on_trial("watch-dies");
    machine.run("killall -KILL slotctl").unwrap();
    machine.restarts(Cause::Watchdog);
    machine.says("as trial, 1 try left after this one");
}

#[test]
fn when_watch_hangs_the_watchdog_resets_the_machine() {
    let mut machine = on_trial("watch-hangs");
    machine.run("killall -STOP slotctl").unwrap();
    machine.restarts(Cause::Watchdog);
}

#[test]
fn a_rejected_trial_is_bad_at_once_and_the_good_slot_is_next() {
    let mut machine = on_trial("rejected");
    let said = machine
        .run("slotctl reject --reason 'pressure sensor missing'")
        .unwrap();
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert_eq!(machine.status().unwrap()["slots"][1]["state"], "bad");
    machine.tell("reboot").unwrap();
    machine.next_start(START).unwrap();
    machine.says("starting slot a, version 1.0, as good");
    let status = machine.run("slotctl status").unwrap().stdout;
    assert!(status.contains("pressure sensor missing"), "{status}");
}

#[test]
fn what_bootshim_said_is_in_the_log_of_the_system_it_started() {
    let mut machine = on_trial("log");
    let log = machine.run("slotctl log").unwrap().stdout;
    assert!(
        log.contains("bootshim: starting slot b, version 2.0, as trial"),
        "{log}"
    );
    assert!(log.contains("watch-begun"), "{log}");
}

#[test]
fn the_slot_that_runs_is_never_written_and_a_mounted_one_neither() {
    let server = WebServer::new(PIPELINE.directory()).unwrap();
    let image = server.url_for_machine(&Pipeline::image(3));
    let mut machine = on_trial("protected");
    let mut install = |words: &str| {
        let ran = machine
            .run_within(&format!("slotctl install {words} {image}"), START)
            .unwrap();
        (ran.status, ran.stderr)
    };
    let (status, words) = install("--slot b");
    assert!(
        status == 3 && words.contains("slot b is running"),
        "{words}"
    );
    let (status, words) = install("--slot c --no-activate");
    assert_eq!(status, 0, "{words}");
    let mounted = machine
        .run("mkdir /tmp/c && mount -t erofs -o ro /dev/vda5 /tmp/c")
        .unwrap();
    assert_eq!(mounted.status, 0, "{}", mounted.stderr);
    let second = server.url_for_machine(&Pipeline::image(4));
    let refused = machine
        .run_within(&format!("slotctl install --slot c {second}"), START)
        .unwrap();
    assert!(
        refused.status == 3 && refused.stderr.contains("is mounted on /tmp/c"),
        "{}",
        refused.stderr
    );
}
