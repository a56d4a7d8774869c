//! An image that brings a bootshim, by the hand of the pipeline and on a disk file.

use crate::bench::{Bench, handover};
use crate::ran::says;
use bootshim::handover::Handover;
use controller::bootshim_update;
use controller::code::Code;
use controller::disk::Disk;
use controller::efi_program::Machine;
use controller::error::Error;
use controller::esp;
use controller::found::Found;
use controller::running::Running;
use std::fs;

fn build(bench: &Bench, bootshim: &str, out: &str) -> crate::ran::Ran {
    bench.run(&format!(
        "--json image build --rootfs root2 --kernel kernel --initrd initrd --cmdline quiet \
         --compatible plc-4 --version v5 --security-version 1 --bootshim {bootshim} \
         --key ours.key --out {out}"
    ))
}

/// Slot b has an image with a bootshim that trusts these keys, on trial and started.
fn on_trial(keys: &str) -> (Bench, Handover) {
    let bench = Bench::new();
    for key in keys.split(' ').filter(|key| *key != "ours.pub") {
        let name = key.strip_suffix(".pub").unwrap();
        bench.does(&format!("key generate --out {name}"));
    }
    let trust = keys.split(' ').map(|key| format!(" --trust {key}"));
    let words: String = trust.collect();
    bench.does(&format!("bootshim trust BOOTX64.EFI{words} --out new.efi"));
    build(&bench, "new.efi", "brings.slotimg").ok();
    bench.ask("install brings.slotimg");
    assert_eq!(bench.ask("next-boot --arm")["kind"], "trial");
    let handover = handover(&bench.record());
    (bench, handover)
}

/// What firmware would start.
fn active(bench: &Bench) -> Vec<u8> {
    let disk = Disk::open(&bench.file("disk.img")).unwrap();
    let program = esp::read_program(disk.whole().unwrap(), disk.layout()).unwrap();
    program.bytes().to_vec()
}

/// The trial is confirmed in the system that this bootshim has started; whether one
/// came to the ESP.
fn confirm(bench: &Bench, handover: &Handover, started_by: &[u8]) -> Result<bool, Error> {
    let disk = Disk::open(&bench.file("disk.img")).unwrap();
    let running = Running::new(&disk, handover).started_by(Some(images::digest(started_by)));
    running.confirm().unwrap();
    running.renew()
}

#[test]
fn what_an_image_brings_is_shown() {
    let bench = Bench::new();
    bench.does("bootshim trust BOOTX64.EFI --trust ours.pub --out new.efi");
    build(&bench, "new.efi", "brings.slotimg").ok();
    let shown = bench.does("image show brings.slotimg").stdout;
    assert!(shown.contains("bootshim"), "{shown}");
    bench.does("image verify brings.slotimg --trust ours.pub");
}

#[test]
fn an_image_brings_no_bootshim_that_is_none_or_would_start_nothing() {
    let bench = Bench::new();
    for (bootshim, exit, code) in [
        ("kernel", 4, "not-bootshim"),
        ("BOOTX64.EFI", 2, "no-trusted-keys"),
    ] {
        let error = build(&bench, bootshim, "none.slotimg")
            .with_status(exit)
            .json();
        assert_eq!(error["error"]["code"], code);
        assert!(!bench.directory().join("none.slotimg").exists());
    }
}

#[test]
fn once_it_has_started_a_good_slot_it_is_the_one_that_starts_and_the_old_one_is_beside_it() {
    let (bench, trial) = on_trial("ours.pub spare.pub");
    let old = active(&bench);
    let new = fs::read(bench.file("new.efi")).unwrap();
    assert_eq!(confirm(&bench, &trial, &new), Ok(true));
    assert_eq!(active(&bench), new);
    let disk = Disk::open(&bench.file("disk.img")).unwrap();
    let spare = esp::read_spare(disk.whole().unwrap(), disk.layout(), Machine::X64).unwrap();
    assert_eq!(spare, old);
    // Once more: nothing is due, and not one byte changes.
    let before = bench.read("disk.img");
    assert_eq!(confirm(&bench, &trial, &new), Ok(false));
    assert!(before == bench.read("disk.img"), "it changed the disk");
    bench.ask("verify a b");
}

#[test]
fn until_it_is_the_one_that_starts_the_status_says_so() {
    let (bench, trial) = on_trial("ours.pub spare.pub");
    let new = fs::read(bench.file("new.efi")).unwrap();
    let missing = || {
        let disk = Disk::open(&bench.file("disk.img")).unwrap();
        let trusted = controller::trust::keys(&disk).unwrap();
        let disk = Disk::on(disk.whole().unwrap(), Some(trial)).unwrap();
        let (record, _) = disk.read_record().unwrap();
        bootshim_update::is_missing(&Found::new(&disk, record, &trusted))
    };
    assert!(missing());
    assert_eq!(confirm(&bench, &trial, &new), Ok(true));
    assert!(!missing());
}

#[test]
fn one_that_did_not_start_the_slot_does_not_come_to_the_esp() {
    let (bench, trial) = on_trial("ours.pub spare.pub");
    let old = active(&bench);
    assert_eq!(confirm(&bench, &trial, &old), Ok(false));
    assert_eq!(active(&bench), old);
}

#[test]
fn before_the_slot_is_good_nothing_comes_to_the_esp() {
    let (bench, trial) = on_trial("ours.pub spare.pub");
    let new = fs::read(bench.file("new.efi")).unwrap();
    let before = bench.read("disk.img");
    let disk = Disk::open(&bench.file("disk.img")).unwrap();
    let running = Running::new(&disk, &trial).started_by(Some(images::digest(&new)));
    assert_eq!(running.renew(), Ok(false));
    assert!(before == bench.read("disk.img"), "it changed the disk");
}

#[test]
fn one_that_would_not_start_a_slot_that_is_good_now_is_refused_and_nothing_is_lost() {
    // It trusts only the key of another image, which is never the one in slot a.
    let (bench, trial) = on_trial("stranger.pub");
    let (old, new) = (active(&bench), fs::read(bench.file("new.efi")).unwrap());
    let error = confirm(&bench, &trial, &new).unwrap_err();
    assert_eq!(error.code, Code::BootshimNotRenewed);
    says(&error.found, "it would not start slot");
    assert_eq!(error.changed, "the one before still starts");
    assert_eq!(active(&bench), old);
    assert_eq!(bench.ask("next-boot")["slot"], "b");
}
