//! A machine with room for one copy of the initrd, and not for two.

use super::PIPELINE;
use hw_tests::damage;
use hw_tests::machine::Machine;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// The demo's initrd, padded; the kernel passes over zeros.
const INITRD: usize = 44 << 20;
/// Of that many MiB the firmware leaves more than the kernel and twice this are, and
/// less than three times.
const MEMORY: u32 = 256;

/// A disk on which an image with that initrd is on trial in slot b, and where in the
/// slot the initrd lies.
fn disk(name: &str) -> (PathBuf, u64) {
    let at = |name: String| PIPELINE.directory().join(name);
    let mut initrd = fs::read(PIPELINE.part("initrd.img")).unwrap();
    initrd.resize(INITRD, 0);
    let padded = at(format!("{name}-initrd.img"));
    fs::write(&padded, initrd).unwrap();
    let image = format!("{name}.slotimg");
    let (kernel, padded) = (PIPELINE.part("vmlinuz"), padded.display().to_string());
    let starts = ["--kernel", &kernel, "--initrd", &padded];
    PIPELINE.build(2, &starts, "release.key", &image).unwrap();
    let shown = PIPELINE
        .slotctl(&["--json", "image", "show", &image])
        .unwrap();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let payloads = shown["payloads"].as_array().unwrap();
    let initrd = payloads.iter().find(|payload| payload["kind"] == "initrd");
    let offset = initrd.unwrap()["offset"].as_u64().unwrap();
    let disk = PIPELINE.disk(&format!("{name}.img"), 512).unwrap();
    let install = ["install", &image];
    PIPELINE.slotctl_on(&disk, &install).unwrap();
    (disk, offset)
}

fn started(name: &str, disk: &PathBuf) -> Machine {
    let machine = Machine::new(name).disk(disk).memory(MEMORY);
    let mut machine = machine.start().unwrap();
    let short = machine.says("memory is short: ").text;
    assert!(!short.contains("certain to do"), "{short}");
    machine.says("starting slot b, version 2.0, as trial");
    machine
}

#[test]
fn where_memory_is_short_the_initrd_is_read_into_the_kernels_and_the_trial_starts() {
    let (disk, _) = disk("short");
    let mut machine = started("short", &disk);
    machine.says("slotctl watch: on trial");
}

#[test]
fn an_initrd_that_is_not_what_was_signed_does_not_start_there_either() {
    let (disk, offset) = disk("short-damaged");
    let last = offset + u64::try_from(INITRD).unwrap() - 1;
    damage::flip(&disk, "b".parse().unwrap(), last).unwrap();
    let mut machine = started("short-damaged", &disk);
    let passed = "slot b passed over: damaged: initrd";
    machine.says(passed);
    machine.says("starting slot a, version 1.0, as good");
    machine.says("slotctl watch: this slot is not on trial");
}
