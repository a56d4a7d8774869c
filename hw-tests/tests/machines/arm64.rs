//! bootshim on 64-bit Arm, under U-Boot and under EDK2: a trial whose kernel
//! panics is left, and the good slot starts.
//!
//! What the machine did is read off its disk by the host's `slotctl`.

use super::PIPELINE;
use hw_tests::machine::{Board, Cause, Line, Machine, START, target};
use serde_json::Value;
use std::path::PathBuf;

/// Restarts by itself on a panic: this image does not pet the watchdog.
const HEALTHY: &str = "console=ttyAMA0 quiet panic=1";
/// The kernel finds no first process, and no root either.
const NO_INIT: &str = "console=ttyAMA0 quiet panic=1 rdinit=/nothing";

fn build(version: &str, command_line: &str, out: &str) {
    let os = target().join("demo-arm64");
    let part = |name: &str| os.join(name).display().to_string();
    let (root, kernel, initrd) = (part("root.erofs"), part("vmlinuz"), part("initrd.img"));
    #[rustfmt::skip]
    let words = [
        "image", "build",
        "--rootfs", &root,
        "--kernel", &kernel,
        "--initrd", &initrd,
        "--cmdline", command_line,
        "--compatible", "arm64-board",
        "--version", version,
        "--key", "release.key",
        "--out", out,
    ];
    PIPELINE.slotctl(&words).unwrap();
}

/// A disk with a good version in slot a, and in slot b a trial with one try,
/// which panics.
fn disk(name: &str) -> PathBuf {
    let (good, bad) = (format!("{name}-1.slotimg"), format!("{name}-2.slotimg"));
    build("1.0", HEALTHY, &good);
    build("2.0", NO_INIT, &bad);
    let (file, bootshim) = (
        format!("{name}.img"),
        target().join("bootshim/BOOTAA64.EFI"),
    );
    #[rustfmt::skip]
    let words = [
        "disk", "create", &file,
        "--size", "256MiB",
        "--bootshim", &bootshim.display().to_string(),
        "--trust", "release.pub",
        "--image", &good,
    ];
    PIPELINE.slotctl(&words).unwrap();
    let disk = PIPELINE.directory().join(file);
    let install = ["install", "--tries", "1", &bad];
    PIPELINE.slotctl_on(&disk, &install).unwrap();
    disk
}

/// Both starts of such a disk: what the console said.
fn comes_back(board: Board, name: &str) -> Vec<Line> {
    let disk = disk(name);
    let mut machine = Machine::new(name).board(board).disk(&disk).start().unwrap();
    let begin = machine.position();
    machine.says("starting slot b, version 2.0, as trial, the last try");
    machine.says("Kernel panic");
    machine.restarts(Cause::Reboot);
    machine.says("starting slot a, version 1.0, as good");
    let line = machine.says("init: command line").text;
    assert!(line.contains("slotctl.slot=a"), "{line}");
    machine.says("init: done");
    let said = machine.lines_since(begin);
    // Neither firmware has to keep variables for this one: it is volatile.
    assert!(has(
        &said,
        "init: log: starting slot a, version 1.0, as good"
    ));
    machine.wait_until_off(START).unwrap();

    let status = PIPELINE.slotctl_on(&disk, &["--json", "status"]).unwrap();
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(
        (&status["slots"][0]["state"], &status["slots"][1]["state"]),
        (&"good".into(), &"bad".into()),
        "{status}"
    );
    assert_eq!(status["next"], "a");
    // The board has one, and none of these images pets it.
    assert!(!has(&said, "watchdog i6300esb"), "{said:?}");
    said
}

fn has(said: &[Line], words: &str) -> bool {
    said.iter().any(|line| line.text.contains(words))
}

#[test]
fn under_uboot_a_kernel_that_panics_on_trial_comes_back_to_the_good_slot() {
    let said = comes_back(Board::Uboot, "uboot");
    for words in [
        "only resets are covered, not power cuts",
        "by the boot record alone: U-Boot keeps variables in a file",
    ] {
        assert!(has(&said, words), "{said:?}");
    }
}

#[test]
fn under_edk2_on_arm_a_kernel_that_panics_on_trial_comes_back_to_the_good_slot() {
    let said = comes_back(Board::Aavmf, "aavmf");
    assert!(has(&said, "virtio, flushed by the firmware"), "{said:?}");
}
