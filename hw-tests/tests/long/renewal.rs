//! An image brings a bootshim: it starts that image's trial, and is the one that
//! firmware starts once the image is good.

use super::PIPELINE;
use super::arm64::{AAVMF, UBOOT};
use hw_tests::machine::{Cause, target};
use hw_tests::pipeline::Pipeline;
use std::fs;
use std::path::{Path, PathBuf};

/// What bootshim says when it hands a trial over.
const HANDED_OVER: &str = "handing over to the bootshim of this image";

/// A file on the ESP of a disk image, through mtools, which is nothing of ours.
fn on_esp(disk: &Path, name: &str) -> Vec<u8> {
    let layout = controller::disk::Disk::open(disk).unwrap().layout().clone();
    let start = layout.esp.unwrap().extent.start;
    let image = format!("{}@@{start}", disk.display());
    let output = std::process::Command::new("mtype")
        .args(["-i", &image, &format!("::{name}")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{name}: {output:?}");
    output.stdout
}

/// A disk with `NAME.slotimg` on trial.
fn disk_with(pipeline: &Pipeline, name: &str) -> PathBuf {
    let (disk, image) = (format!("{name}.img"), format!("{name}.slotimg"));
    let disk = pipeline.disk(&disk, 512).unwrap();
    pipeline.slotctl_on(&disk, &["install", &image]).unwrap();
    disk
}

/// `program` is its name on the ESP.
fn takes_its_place(pipeline: &Pipeline, name: &str, program: &str) {
    pipeline.build_renewing(name).unwrap();
    let disk = disk_with(pipeline, name);
    let new = fs::read(pipeline.directory().join(format!("{name}.efi"))).unwrap();
    let (place, spare) = (
        format!("EFI/BOOT/{program}"),
        format!("EFI/SPARE/{program}"),
    );
    let old = on_esp(&disk, &place);
    assert_ne!(old, new);

    let mut machine = pipeline.machine(name).disk(&disk).start().unwrap();
    machine.says(HANDED_OVER);
    machine.says("starting slot b, version 2.0, as trial");
    machine.says("the bootshim of this image is the one that firmware starts now");
    machine.run("sync").unwrap();
    let log = machine
        .run("cat /sys/firmware/efi/efivars/SlotctlLog-*")
        .unwrap();
    assert!(log.stdout.contains(HANDED_OVER), "{}", log.stdout);
    // Whole on both places, whoever looks.
    assert_eq!(on_esp(&disk, &place), new);
    assert_eq!(on_esp(&disk, &spare), old);

    machine.press_reset().unwrap();
    machine.restarts(Cause::ResetButton);
    machine.says("starting slot b, version 2.0, as good");
    let status = machine.status().unwrap();
    assert_eq!(status["running"], "b", "{status}");
    drop(machine);

    // Firmware that has forgotten everything finds it by its name alone.
    let mut forgetful = pipeline.machine(name).disk(&disk).start().unwrap();
    forgetful.says("starting slot b, version 2.0, as good");
    drop(forgetful);
    assert_eq!(on_esp(&disk, &place), new);
}

#[test]
fn the_bootshim_of_an_image_starts_its_trial_and_then_the_machine() {
    takes_its_place(&PIPELINE, "renewed", "BOOTX64.EFI");
}

#[test]
fn under_uboot_the_bootshim_of_an_image_starts_its_trial_and_then_the_machine() {
    takes_its_place(&UBOOT, "renewed", "BOOTAA64.EFI");
}

#[test]
fn under_edk2_on_arm_the_bootshim_of_an_image_starts_its_trial_and_then_the_machine() {
    takes_its_place(&AAVMF, "renewed", "BOOTAA64.EFI");
}

/// `program` is its name on the ESP.
fn costs_the_trial_alone(pipeline: &Pipeline, program: &str) {
    // It trusts another key, so that it does not start the image that it is in.
    pipeline
        .slotctl(&["key", "generate", "--out", "strange"])
        .unwrap();
    pipeline
        .bootshim_trusting(&["strange"], "strange.efi")
        .unwrap();
    let kernel = pipeline.part("vmlinuz");
    pipeline
        .build_bringing("strange.efi", &kernel, "strange.slotimg")
        .unwrap();
    let disk = disk_with(pipeline, "strange");
    let place = format!("EFI/BOOT/{program}");
    let before = on_esp(&disk, &place);

    let mut machine = pipeline.machine("strange").disk(&disk).start().unwrap();
    machine.says(HANDED_OVER);
    machine.says("starting slot a, version 1.0, as good");
    let status = machine.status().unwrap();
    assert_eq!(status["running"], "a", "{status}");
    let note = status["last_failure"]["note"].as_str().unwrap();
    assert!(
        note.contains("the bootshim of this image came back") && note.contains("not authentic"),
        "{note}"
    );
    assert_eq!(on_esp(&disk, &place), before);
}

#[test]
fn a_bootshim_that_does_not_start_costs_the_trial_and_nothing_else() {
    costs_the_trial_alone(&PIPELINE, "BOOTX64.EFI");
}

#[test]
fn under_uboot_a_bootshim_that_does_not_start_costs_the_trial_and_nothing_else() {
    costs_the_trial_alone(&UBOOT, "BOOTAA64.EFI");
}

/// The bootshim on the ESP hands over as one of a later release may.
#[test]
fn a_bootshim_that_cannot_read_what_is_handed_over_does_not_begin_anew() {
    let mut later = fs::read(target().join("bootshim/BOOTX64.EFI")).unwrap();
    let magic = b"SLOTREL1";
    let at = |bytes: &[u8]| bytes.windows(magic.len()).position(|found| found == magic);
    while let Some(at) = at(&later) {
        later[at..][..magic.len()].copy_from_slice(b"SLOTREL2");
    }
    let pipeline = &*PIPELINE;
    fs::write(pipeline.directory().join("later.efi"), later).unwrap();
    pipeline
        .bootshim_trusting(&["release"], "brought.efi")
        .unwrap();
    let (image, kernel) = ("later.slotimg", pipeline.part("vmlinuz"));
    pipeline
        .build_bringing("brought.efi", &kernel, image)
        .unwrap();
    let program = ["--bootshim", "later.efi", "--trust", "release.pub"];
    let first = Pipeline::image(1);
    let disk = pipeline
        .disk_of("later.img", 512, &program, &first)
        .unwrap();
    pipeline.slotctl_on(&disk, &["install", image]).unwrap();

    let mut machine = pipeline.machine("later").disk(&disk).start().unwrap();
    machine.says(HANDED_OVER);
    machine.says("what another bootshim hands over cannot be read");
    machine.says("starting slot a, version 1.0, as good");
    let status = machine.status().unwrap();
    assert_eq!(status["running"], "a", "{status}");
}
