//! An install, and what else is done to the disk while it runs.

use crate::bench::Bench;
use crate::halfway::Halfway;
use bootshim::handover::Handover;
use bootshim::record::SlotId;
use bootshim::state::Next;
use controller::code::{Code, Exit};
use controller::disk::Disk;
use controller::lock::{Lock, What};
use controller::medium::{FileMedium, Mode};
use controller::progress::Quiet;
use controller::running::Running;
use controller::trust;
use install::source::{Settings, Source};
use install::{Compatible, Request, install};
use nix::errno::Errno;
use nix::fcntl::FcntlArg::F_OFD_SETLK;
use nix::fcntl::fcntl;
use nix::libc;
use std::fs::File;
use std::sync::Arc;

#[test]
fn a_confirm_does_not_wait_for_an_install_and_neither_loses_the_others_commit() {
    let bench = Bench::new();
    let handover = bench.start_version_2();
    let install = Halfway::begin_with(&bench, "v3.slotimg");
    let disk = Disk::open(&bench.file("disk.img")).unwrap();
    let confirmed = Running::new(&disk, &handover).confirm().unwrap();
    assert!(confirmed.changed);
    let done = install.fed_the_rest().ok().json();
    assert_eq!(done["slot"], "c");
    assert_eq!(done["state"], "trying");
    let slots = bench.ask("status")["slots"].clone();
    assert_eq!(
        [&slots[0]["state"], &slots[1]["state"], &slots[2]["state"]],
        ["good", "good", "trying"]
    );
    bench.on_disk("verify").ok();
    assert_eq!(bench.ask("next-boot")["slot"], "c");
}

#[test]
fn a_reject_during_an_install_is_kept_and_so_is_the_install() {
    let bench = Bench::new();
    let handover = bench.start_version_2();
    let install = Halfway::begin_with(&bench, "v3.slotimg");
    let disk = Disk::open(&bench.file("disk.img")).unwrap();
    Running::new(&disk, &handover)
        .reject("pump stands still")
        .unwrap();
    install.fed_the_rest().ok();
    let slots = bench.ask("status")["slots"].clone();
    assert_eq!(
        [&slots[0]["state"], &slots[1]["state"], &slots[2]["state"]],
        ["good", "bad", "trying"]
    );
    assert_eq!(bench.ask("next-boot")["slot"], "c");
}

#[test]
fn a_trial_that_a_newer_install_has_superseded_cannot_be_confirmed_any_more() {
    let bench = Bench::new();
    let handover = bench.start_version_2();
    bench.ask("install v3.slotimg");
    let disk = Disk::open(&bench.file("disk.img")).unwrap();
    let error = Running::new(&disk, &handover).confirm().unwrap_err();
    assert_eq!(error.exit(), Exit::Refused);
    assert_eq!(bench.ask("next-boot")["slot"], "c");
}

#[test]
fn a_commit_waits_for_the_lock_that_another_one_holds() {
    let bench = Bench::new();
    bench.ask("install v2.slotimg");
    let disk = Disk::open(&bench.file("disk.img")).unwrap();
    let (before, _) = disk.read_record().unwrap();
    let held = Lock::take(&bench.file("disk.img"), What::Record).unwrap();
    let mut command = bench.command("--disk disk.img activate a");
    let mut waiting = command.spawn().unwrap();
    // Long after a command without a lock would have ended.
    for _ in 0..20 {
        std::thread::sleep(std::time::Duration::from_millis(25));
        assert!(waiting.try_wait().unwrap().is_none(), "it did not wait");
    }
    assert_eq!(disk.read_record().unwrap().0, before);
    drop(held);
    assert!(waiting.wait().unwrap().success());
    assert_ne!(disk.read_record().unwrap().0, before);
}

#[test]
fn a_commit_keeps_its_lock_from_the_reading_of_the_record_on() {
    let bench = Bench::new();
    let disk = Disk::open(&bench.file("disk.img")).unwrap();
    let done = disk.update(|record, note| {
        let file = File::options()
            .write(true)
            .open(bench.file("disk.img"))
            .unwrap();
        let range = libc::flock {
            l_type: libc::F_WRLCK as i16,
            l_whence: libc::SEEK_SET as i16,
            l_start: 1 << 62,
            l_len: 0,
            l_pid: 0,
        };
        assert_eq!(fcntl(&file, F_OFD_SETLK(&range)), Err(Errno::EAGAIN));
        Ok((Next::unchanged(record), note))
    });
    assert!(!done.unwrap().changed);
}

#[test]
fn the_slot_that_runs_is_not_written_although_a_better_one_is_good() {
    let bench = Bench::new();
    let trial = bench.start_version_2();
    let on = Disk::open(&bench.file("disk.img")).unwrap();
    Running::new(&on, &trial).confirm().unwrap();
    // The older good slot runs, as after `activate a --once`.
    let slot = SlotId::new(0).unwrap();
    let manifest = bench.record().slot(slot).manifest;
    let older = Handover {
        slot,
        manifest,
        ..trial
    };
    let medium = FileMedium::open(&bench.file("disk.img"), Mode::Write).unwrap();
    let disk = Disk::on(Arc::new(medium), Some(older)).unwrap();
    let trusted = trust::keys(&disk).unwrap();
    let image = bench.file("v3.slotimg").display().to_string();
    let request = Request {
        slot: Some(slot),
        ..Request::default()
    };
    let mut source = Source::open(&image, &Settings::default()).unwrap();
    let before = bench.read("disk.img");
    let error = install(
        &disk,
        &trusted,
        &Compatible::AsTheDisk,
        &mut source,
        &request,
        &Quiet,
    )
    .unwrap_err();
    assert_eq!(error.code, Code::ProtectedSlot);
    assert!(before == bench.read("disk.img"));
}
