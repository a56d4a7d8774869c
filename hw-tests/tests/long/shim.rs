//! shim before bootshim, on a machine with Secure Boot: an older bootshim that is
//! put back is refused by its generation.

use super::secure_boot::put;
use hw_tests::machine::{Machine, START};
use hw_tests::pipeline::{Pipeline, SIGNED_BOOTSHIM};
use hw_tests::secure_boot::Owner;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Debian's (package shim-unsigned), as an owner takes it who signs it with a key
/// of their own.
const SHIM: &str = "/usr/lib/shim/shimx64.efi";
/// What shim starts, unless it is told otherwise.
const SECOND: &str = "grubx64.efi";

static PIPELINE: LazyLock<Pipeline> = LazyLock::new(|| {
    let pipeline = Pipeline::with_secure_boot("shim", 1..=1).unwrap();
    let owner = pipeline.owner().unwrap();
    owner.sign("db", SHIM, "shim.signed.efi").unwrap();
    pipeline
});

fn owner() -> &'static Owner {
    PIPELINE.owner().unwrap()
}

/// A disk on which firmware finds shim, and shim this program.
fn disk(name: &str, second: &str) -> PathBuf {
    let disk = PIPELINE.disk(name, 512).unwrap();
    put(&PIPELINE, &disk, "shim.signed.efi", "BOOTX64.EFI");
    put(&PIPELINE, &disk, second, SECOND);
    disk
}

/// A machine on which shim refuses the first generation of bootshim.
fn machine(name: &str, disk: &Path) -> Machine {
    let settings = owner()
        .settings_with_sbat_level(&format!("{name}.fd"), "bootshim,2")
        .unwrap();
    Machine::new(name)
        .firmware_settings(settings)
        .disk(disk)
        .start()
        .unwrap()
}

#[test]
fn shim_starts_bootshim_and_bootshim_a_slot() {
    let disk = disk("shim.img", SIGNED_BOOTSHIM);
    let mut machine = PIPELINE.machine("shim").disk(&disk).start().unwrap();
    machine.says("Secure Boot: on");
    machine.says("starting slot a, version 1.0, as good");
    let status = machine.status().unwrap();
    assert_eq!(status["running"], "a", "{status}");
}

#[test]
fn a_bootshim_below_the_level_of_the_machine_does_not_start() {
    let disk = disk("below-level.img", SIGNED_BOOTSHIM);
    let mut machine = machine("below-level", &disk);
    let begun = machine.position();
    machine.expect_drawn("Verification failed", START).unwrap();
    let lines = machine.lines_since(begun);
    assert!(!lines.iter().any(|line| line.text.contains("bootshim 0")));
}

/// The level takes back what is older, and nothing else.
#[test]
fn a_bootshim_of_the_next_generation_starts_under_that_level() {
    let mut program = std::fs::read(PIPELINE.directory().join("trusting.efi")).unwrap();
    let line = b"bootshim,1,slotctl";
    let at = program.windows(line.len()).position(|seen| seen == line);
    program[at.unwrap() + 9] = b'2'; // of "bootshim,1,"
    std::fs::write(PIPELINE.directory().join("next.efi"), program).unwrap();
    owner().sign("db", "next.efi", "next.signed.efi").unwrap();
    let disk = disk("next.img", "next.signed.efi");
    let mut machine = machine("next", &disk);
    machine.says("starting slot a, version 1.0, as good");
}
