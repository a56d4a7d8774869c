//! Installs that are interrupted: nothing is lost, and the next one simply works.

use crate::bench::Bench;
use crate::halfway::Halfway;
use controller::code::Code;
use controller::disk::Disk;
use controller::progress::Quiet;
use controller::trust;
use install::source::{Settings, Source};
use install::{Compatible, Request, install};
use nix::sys::signal::Signal;
use std::fs;
use std::io::Write;
use std::process::Stdio;

#[test]
fn an_install_that_is_killed_leaves_nothing_that_blocks_the_next() {
    let bench = Bench::new();
    let before = bench.read("disk.img");
    Halfway::begin(&bench)
        .signalled(Signal::SIGKILL)
        .with_status(137);
    bench.only_slot_b_was_touched(&before);
    bench.next_install_works();
}

#[test]
fn a_signal_to_stop_ends_an_install_and_the_next_one_works() {
    for (signal, status) in [
        (Signal::SIGINT, 130),
        (Signal::SIGTERM, 143),
        (Signal::SIGHUP, 129),
    ] {
        for at_the_end in [false, true] {
            let bench = Bench::new();
            let before = bench.read("disk.img");
            let mut install = Halfway::begin(&bench);
            if at_the_end {
                install.feed_the_rest();
            }
            install.signalled(signal).with_status(status);
            bench.only_slot_b_was_touched(&before);
            bench.next_install_works();
        }
    }
}

#[test]
fn a_signal_about_a_broken_pipe_does_not_end_an_install() {
    let bench = Bench::new();
    let install = Halfway::begin(&bench);
    install.signal(Signal::SIGPIPE);
    assert_eq!(install.fed_the_rest().ok().json()["state"], "trying");
    bench.on_disk("verify").ok();
}

#[test]
fn an_install_that_is_killed_before_its_first_chunk_changed_nothing() {
    let bench = Bench::new();
    let before = bench.read("disk.img");
    let mut command = bench.command("--disk disk.img --json install -");
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(&bench.read("v2.slotimg")[..1000]).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(before == bench.read("disk.img"));
    bench.next_install_works();
}

#[test]
fn a_pipe_that_ends_too_early_is_an_image_that_is_cut_off() {
    let bench = Bench::new();
    let before = bench.read("disk.img");
    Halfway::begin(&bench).ended().error(4, "truncated");
    bench.only_slot_b_was_touched(&before);
    bench.next_install_works();
}

#[test]
fn a_second_install_is_told_to_try_again_and_the_first_goes_on() {
    let bench = Bench::new();
    let first = Halfway::begin(&bench);
    let error = bench.refuses("install v3.slotimg", 7, "busy");
    assert_eq!(error["changed"], "nothing was written");
    // Whoever only looks, or commits a record, does not wait for it.
    assert_eq!(bench.ask("status")["slots"][1]["state"], "writing");
    assert_eq!(bench.ask("next-boot --arm")["slot"], "a");
    assert_eq!(bench.ask("activate a")["slot"], "a");
    assert_eq!(first.fed_the_rest().ok().json()["state"], "trying");
    assert_eq!(bench.ask("next-boot")["slot"], "b");
}

#[test]
fn a_half_written_slot_is_the_first_to_be_written_again() {
    let bench = Bench::new();
    bench.ask("install v3.slotimg --slot c --no-activate");
    Halfway::begin(&bench).signalled(Signal::SIGKILL);
    assert_eq!(bench.ask("install v2.slotimg")["slot"], "b");
}

#[test]
fn a_disk_that_vanishes_during_an_install_is_said_to_be_gone() {
    let bench = Bench::new();
    let first = Halfway::begin(&bench);
    fs::remove_file(bench.file("disk.img")).unwrap();
    let error = first.fed_the_rest().error(5, "vanished");
    assert_eq!(error["found"], "disk.img is gone");
}

#[test]
fn a_disk_that_vanishes_before_an_install_writes_is_said_to_be_gone_too() {
    let bench = Bench::new();
    let disk = Disk::open(&bench.file("disk.img")).unwrap();
    let trusted = trust::keys(&disk).unwrap();
    let image = bench.file("v2.slotimg").display().to_string();
    fs::remove_file(bench.file("disk.img")).unwrap();
    for dry_run in [false, true] {
        let mut source = Source::open(&image, &Settings::default()).unwrap();
        let request = Request {
            dry_run,
            ..Request::default()
        };
        let error = install(
            &disk,
            &trusted,
            &Compatible::AsTheDisk,
            &mut source,
            &request,
            &Quiet,
        )
        .unwrap_err();
        assert_eq!(error.code, Code::Vanished);
        assert_eq!(error.changed, "nothing was written");
    }
}
