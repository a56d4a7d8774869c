//! A trial on 64-bit Arm is confirmed by the slotctl in it.

use super::PLANT;
use hw_tests::machine::{Board, Machine, START, target};

fn build(version: &str, out: &str) {
    let os = target().join("demo-arm64");
    let part = |name: &str| os.join(name).display().to_string();
    let (root, kernel) = (part("root.erofs"), part("vmlinuz"));
    #[rustfmt::skip]
    let words = [
        "image", "build",
        "--rootfs", &root,
        "--kernel", &kernel,
        "--initrd", &part("initrd-slotctl.img"),
        "--cmdline", "console=ttyAMA0 quiet panic=1",
        "--compatible", "arm64-board",
        "--version", version,
        "--key", "release.key",
        "--out", out,
    ];
    PLANT.slotctl(&words).unwrap();
}

fn is_confirmed(board: Board, name: &str) {
    let (first, second) = (format!("{name}-1.slotimg"), format!("{name}-2.slotimg"));
    build("1.0", &first);
    build("2.0", &second);
    let file = format!("{name}.img");
    let bootshim = target().join("bootshim/BOOTAA64.EFI").display().to_string();
    #[rustfmt::skip]
    let words = [
        "disk", "create", &file,
        "--size", "256MiB",
        "--bootshim", &bootshim,
        "--trust", "release.pub",
        "--image", &first,
    ];
    PLANT.slotctl(&words).unwrap();
    PLANT
        .slotctl(&["--disk", &file, "install", &second])
        .unwrap();
    let disk = PLANT.directory().join(&file);
    let mut machine = Machine::new(name).board(board).disk(disk).start().unwrap();
    machine
        .expect("starting slot b, version 2.0, as trial", START)
        .unwrap();
    machine.expect("slot b is good", START).unwrap();
    machine
        .expect("bootshim: starting slot b, version 2.0, as trial", START)
        .unwrap();
    machine.wait_until_off(START).unwrap();
    let next = PLANT.slotctl(&["--disk", &file, "next-boot"]).unwrap();
    assert!(next.contains("slot b, as good"), "{next}");
}

#[test]
fn under_uboot_a_trial_is_confirmed() {
    is_confirmed(Board::Uboot, "uboot-confirm");
}

#[test]
fn under_edk2_on_arm_a_trial_is_confirmed() {
    is_confirmed(Board::Aavmf, "aavmf-confirm");
}
