//! Kernels that do not start, in images that are signed rightly: the console says
//! why, and the good slot starts.

use super::{PIPELINE, slot};
use hw_tests::damage;
use hw_tests::machine::Machine;
use images::key::SecretKey;
use std::fs;
use std::path::Path;

/// `MajorImageVersion` of a kernel, from the start of its PE header.
const MAJOR_IMAGE_VERSION: usize = 24 + 44;

fn falls_back(name: &str, disk: &Path, said: &str) {
    let mut machine = Machine::new(name).disk(disk).start().unwrap();
    machine.says(said);
    machine.says("starting slot a, version 1.0, as good");
    machine.says("slot a, version 1.0, verified as it is read");
    let status = machine.status().unwrap();
    assert_eq!(status["running"], "a", "{status}");
    assert_eq!(status["slots"][1]["state"], "bad", "{status}");
    assert_eq!(
        status["slots"][1]["reason"], "kernel did not start",
        "{status}"
    );
}

#[test]
fn a_kernel_that_is_no_program_costs_the_trial_and_the_good_slot_starts() {
    fs::write(
        PIPELINE.directory().join("text"),
        "no kernel\n".repeat(1000),
    )
    .unwrap();
    let initrd = PIPELINE.part("initrd.img");
    let starts = ["--kernel", "text", "--initrd", &initrd];
    let image = "no-kernel.slotimg";
    PIPELINE.build(2, &starts, "release.key", image).unwrap();
    let disk = PIPELINE.disk("no-kernel.img", 512).unwrap();
    let words = ["install", image];
    PIPELINE.slotctl_on(&disk, &words).unwrap();
    let said = "to the firmware this kernel is no program for this machine";
    falls_back("no-kernel", &disk, said);
}

#[test]
fn a_kernel_older_than_loadfile2_is_not_started_without_its_initrd() {
    let disk = PIPELINE.disk("old-kernel.img", 512).unwrap();
    let words = ["install", "v2.slotimg"];
    PIPELINE.slotctl_on(&disk, &words).unwrap();
    // `image build` lets no such kernel through, another tool with the key could.
    let key = SecretKey::load(&PIPELINE.directory().join("release.key")).unwrap();
    damage::change_kernel(&disk, slot("b"), &key, |kernel| {
        let header = u32::from_le_bytes(*kernel[0x3c..].first_chunk().unwrap());
        let at = usize::try_from(header).unwrap() + MAJOR_IMAGE_VERSION;
        kernel[at..at + 2].fill(0);
    })
    .unwrap();
    let said = "it is older than Linux 5.8 and never asks for its initrd";
    falls_back("old-kernel", &disk, said);
}
