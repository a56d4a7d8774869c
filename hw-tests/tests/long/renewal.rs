//! An image brings a bootshim: it starts that image's trial, and is the one that
//! firmware starts once the image is good.

use super::PLANT;
use hw_tests::machine::{Cause, Machine, START};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// What bootshim says when it hands a trial over.
const HANDED_OVER: &str = "handing over to the bootshim of this image";

/// A bootshim that trusts these keys, of which one is new.
fn bootshim_trusting(new: &str, keys: &[&str], out: &str) {
    PLANT.slotctl(&["key", "generate", "--out", new]).unwrap();
    PLANT.bootshim_trusting(keys, out).unwrap();
}

/// Version 2, with this bootshim in it.
fn image_with(bootshim: &str, image: &str) {
    let kernel = PLANT.part("vmlinuz");
    PLANT.build_bringing(bootshim, &kernel, image).unwrap();
}

/// A file on the ESP of a disk image, through mtools, which is nothing of ours.
fn on_esp(disk: &Path, name: &str) -> Vec<u8> {
    let layout = slotctl::disk::Disk::open(disk).unwrap().layout().clone();
    let start = layout.esp.unwrap().extent.start;
    let image = format!("{}@@{start}", disk.display());
    let output = std::process::Command::new("mtype")
        .args(["-i", &image, &format!("::{name}")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{name}: {output:?}");
    output.stdout
}

fn disk_with(name: &str, image: &str) -> PathBuf {
    let disk = PLANT.disk(&format!("{name}.img"), 512).unwrap();
    let file = disk.display().to_string();
    PLANT.slotctl(&["--disk", &file, "install", image]).unwrap();
    disk
}

#[test]
fn the_bootshim_of_an_image_starts_its_trial_and_then_the_machine() {
    // One key more, so that its bytes differ.
    bootshim_trusting("spare", &["release", "spare"], "renewed.efi");
    image_with("renewed.efi", "renewed.slotimg");
    let disk = disk_with("renewed", "renewed.slotimg");
    let new = fs::read(PLANT.directory().join("renewed.efi")).unwrap();
    let old = on_esp(&disk, "EFI/BOOT/BOOTX64.EFI");
    assert_ne!(old, new);

    let mut machine = Machine::new("renewed").disk(&disk).start().unwrap();
    machine.expect(HANDED_OVER, START).unwrap();
    machine
        .expect("starting slot b, version 2.0, as trial", START)
        .unwrap();
    machine
        .expect(
            "the bootshim of this image is the one that firmware starts now",
            START,
        )
        .unwrap();
    machine.run("sync").unwrap();
    let log = machine
        .run("cat /sys/firmware/efi/efivars/SlotctlLog-*")
        .unwrap();
    assert!(log.stdout.contains(HANDED_OVER), "{}", log.stdout);
    // Whole on both places, whoever looks.
    assert_eq!(on_esp(&disk, "EFI/BOOT/BOOTX64.EFI"), new);
    assert_eq!(on_esp(&disk, "EFI/SPARE/BOOTX64.EFI"), old);

    machine.press_reset().unwrap();
    assert_eq!(machine.next_start(START).unwrap().cause, Cause::ResetButton);
    machine
        .expect("starting slot b, version 2.0, as good", START)
        .unwrap();
    let status = machine.run("slotctl status --json").unwrap().stdout;
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["running"], "b", "{status}");
    drop(machine);

    // Firmware that has forgotten everything finds it by its name alone.
    let mut forgetful = Machine::new("renewed-again").disk(&disk).start().unwrap();
    forgetful
        .expect("starting slot b, version 2.0, as good", START)
        .unwrap();
}

#[test]
fn a_bootshim_that_does_not_start_costs_the_trial_and_nothing_else() {
    // It trusts another key, so that it does not start the image that it is in.
    bootshim_trusting("stranger", &["stranger"], "strange.efi");
    image_with("strange.efi", "strange.slotimg");
    let disk = disk_with("strange", "strange.slotimg");
    let before = on_esp(&disk, "EFI/BOOT/BOOTX64.EFI");

    let mut machine = Machine::new("strange").disk(&disk).start().unwrap();
    machine.expect(HANDED_OVER, START).unwrap();
    machine
        .expect("starting slot a, version 1.0, as good", START)
        .unwrap();
    let status = machine.run("slotctl status --json").unwrap().stdout;
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["running"], "a", "{status}");
    let note = status["last_failure"]["note"].as_str().unwrap();
    assert!(
        note.contains("the bootshim of this image came back") && note.contains("not authentic"),
        "{note}"
    );
    assert_eq!(on_esp(&disk, "EFI/BOOT/BOOTX64.EFI"), before);
}
