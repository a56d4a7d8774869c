//! Secure Boot, where `make test` has no time for it.

use super::initramfs_with;
use controller::disk::Disk;
use hw_tests::machine::{Machine, START, target};
use hw_tests::pipeline::{Pipeline, SIGNED_BOOTSHIM};
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

static PIPELINE: LazyLock<Pipeline> =
    LazyLock::new(|| Pipeline::with_secure_boot("secure-long", 1..=1).unwrap());

fn demo_os(part: &str) -> String {
    target().join("demo-os").join(part).display().to_string()
}

/// Puts a file into bootshim's place on the ESP, as somebody does who has the disk
/// in hand.
pub fn put(pipeline: &Pipeline, disk: &Path, file: &str, name: &str) {
    let place = format!("::EFI/BOOT/{name}");
    on_esp(pipeline, disk, &["mcopy", "-D", "o"], &[file, &place]);
}

/// One of mtools' commands on the ESP.
fn on_esp(pipeline: &Pipeline, disk: &Path, command: &[&str], arguments: &[&str]) {
    let esp = Disk::open(disk).unwrap().layout().esp.clone().unwrap();
    let volume = format!("{}@@{}", disk.display(), esp.extent.start);
    let ran = Command::new(command[0])
        .current_dir(pipeline.directory())
        .args(&command[1..])
        .args(["-i", &volume])
        .args(arguments)
        .status()
        .unwrap();
    assert!(ran.success());
}

#[test]
fn an_unsigned_bootshim_does_not_start() {
    let disk = PIPELINE.disk("unsigned.img", 512).unwrap();
    put(&PIPELINE, &disk, "trusting.efi", "BOOTX64.EFI");
    let mut machine = PIPELINE.machine("unsigned").disk(&disk).start().unwrap();
    let said = machine.says("BdsDxe: failed to load");
    assert!(said.text.contains("Access Denied"), "{}", said.text);
}

#[test]
fn where_no_kernel_is_trusted_the_menu_says_why_and_the_machine_restarts() {
    let initrd = demo_os("initrd.img");
    let starts = ["--kernel", &demo_os("vmlinuz"), "--initrd", &initrd];
    PIPELINE
        .build(1, &starts, "release.key", "unsigned.slotimg")
        .unwrap();
    let program = ["--bootshim", SIGNED_BOOTSHIM];
    let disk = PIPELINE
        .disk_of("nothing.img", 512, &program, "unsigned.slotimg")
        .unwrap();
    let mut machine = PIPELINE.machine("nothing").disk(&disk).start().unwrap();
    machine.says("no slot starts");
    machine.says("sign it with a key in db");
    machine.says("restart in 10 s");
    machine.next_start(START).unwrap();
    machine.says("Secure Boot: on");
}

/// The kernel is in db, and would start; but nobody whom bootshim trusts signed
/// its manifest. The same with Secure Boot off, and that is said.
#[test]
fn a_manifest_by_another_key_does_not_start_with_secure_boot_on_or_off() {
    PIPELINE
        .slotctl(&["key", "generate", "--out", "intruder"])
        .unwrap();
    let initrd = demo_os("initrd.img");
    let starts = ["--kernel", "vmlinuz.signed", "--initrd", &initrd];
    PIPELINE
        .build(1, &starts, "intruder.key", "intruder.slotimg")
        .unwrap();
    let bootshim = target().join("bootshim/BOOTX64.EFI").display().to_string();
    let program = ["--bootshim", &bootshim, "--trust", "intruder.pub"];
    let disk = PIPELINE
        .disk_of("intruder.img", 512, &program, "intruder.slotimg")
        .unwrap();
    put(&PIPELINE, &disk, SIGNED_BOOTSHIM, "BOOTX64.EFI");
    let off = Machine::new("intruder-off");
    for (machine, said) in [
        (PIPELINE.machine("intruder-on"), "Secure Boot: on"),
        (
            off,
            "Secure Boot: off, no platform key is enrolled (setup mode)",
        ),
    ] {
        let mut machine = machine.disk(&disk).start().unwrap();
        machine.says(said);
        machine.says("slot a passed over: not authentic");
        machine.says("no slot starts");
    }
}

/// The firmware checks it like every program: the one that the owner did not sign
/// costs its image the trial, the signed one takes the place of the one before.
#[test]
fn the_bootshim_that_an_image_brings_is_checked_by_the_firmware_too() {
    PIPELINE
        .slotctl(&["key", "generate", "--out", "spare"])
        .unwrap();
    PIPELINE
        .bootshim_trusting(&["release", "spare"], "brought.efi")
        .unwrap();
    let owner = PIPELINE.owner().unwrap();
    owner
        .sign("db", "brought.efi", "brought.signed.efi")
        .unwrap();
    let kernel = PIPELINE.directory().join("vmlinuz.signed");
    let kernel = kernel.display().to_string();
    let image = |bootshim: &str, image: &str| {
        PIPELINE.build_bringing(bootshim, &kernel, image).unwrap();
    };
    image("brought.efi", "unsigned-bootshim.slotimg");
    image("brought.signed.efi", "signed-bootshim.slotimg");
    let install = |disk: &Path, image: &str| {
        PIPELINE
            .slotctl_on(disk, &["install", "--tries", "1", image])
            .unwrap();
    };

    let disk = PIPELINE.disk("brought.img", 512).unwrap();
    install(&disk, "unsigned-bootshim.slotimg");
    let mut machine = PIPELINE.machine("brought").disk(&disk).start().unwrap();
    let said = machine.says("the bootshim of this image came back with");
    assert!(
        said.text.contains("ACCESS_DENIED") || said.text.contains("SECURITY_VIOLATION"),
        "{}",
        said.text
    );
    machine.says("starting slot a, version 1.0, as good");
    drop(machine);

    let disk = PIPELINE.disk("brought-signed.img", 512).unwrap();
    install(&disk, "signed-bootshim.slotimg");
    let mut machine = PIPELINE
        .machine("brought-signed")
        .disk(&disk)
        .start()
        .unwrap();
    machine.says("starting slot b, version 2.0, as trial");
    machine.says("the bootshim of this image is the one that firmware starts now");
    machine.press_reset().unwrap();
    machine.next_start(START).unwrap();
    machine.says("Secure Boot: on");
    machine.says("starting slot b, version 2.0, as good");
}

/// Somebody with the key of the images, and without that of the firmware: on trial in
/// slot b is what these words say. The firmware does not start it, and the good slot
/// starts.
fn is_not_trusted(name: &str, starts: &[&str]) {
    let (image, disk) = (format!("{name}.slotimg"), format!("{name}.img"));
    PIPELINE.build(2, starts, "release.key", &image).unwrap();
    let disk = PIPELINE.disk(&disk, 512).unwrap();
    PIPELINE.slotctl_on(&disk, &["install", &image]).unwrap();
    let mut machine = PIPELINE.machine(name).disk(&disk).start().unwrap();
    let refused = "LoadImage refused: ACCESS_DENIED; the firmware's Secure Boot does not trust \
                   this kernel: sign it with a key in db";
    machine.says(refused);
    machine.says("starting slot a, version 1.0, as good");
    machine.says("slot a, version 1.0, verified as it is read");
    let status = machine.status().unwrap();
    assert_eq!(status["slots"][1]["state"], "bad", "{status}");
    assert_eq!(
        status["slots"][1]["reason"], "kernel did not start",
        "{status}"
    );
}

/// Changes a signed program where it makes no difference to what it does.
fn alter(signed: &str, altered: &str) {
    let folder = PIPELINE.directory();
    let mut program = std::fs::read(folder.join(signed)).unwrap();
    program[IN_NO_USE] ^= 1;
    std::fs::write(folder.join(altered), program).unwrap();
}

/// In the header of a DOS program, with which every PE begins.
const IN_NO_USE: usize = 0x20;

#[test]
fn a_kernel_that_was_altered_after_it_was_signed_does_not_start() {
    alter("vmlinuz.signed", "vmlinuz.altered");
    let initrd = demo_os("initrd.img");
    let starts = ["--kernel", "vmlinuz.altered", "--initrd", &initrd];
    is_not_trusted("altered-kernel", &starts);
}

#[test]
fn a_uki_that_is_unsigned_or_was_altered_does_not_start() {
    let (kernel, initrd) = (demo_os("vmlinuz"), demo_os("initrd.img"));
    let owner = PIPELINE.owner().unwrap();
    owner.unify(&kernel, &initrd, "uki.efi").unwrap();
    is_not_trusted("unsigned-uki", &["--uki", "uki.efi"]);
    owner.sign("db", "uki.efi", "uki.signed.efi").unwrap();
    alter("uki.signed.efi", "uki.altered.efi");
    is_not_trusted("altered-uki", &["--uki", "uki.altered.efi"]);
}

/// systemd's stub takes credentials and extensions from the ESP that it was loaded
/// from, signed or not, into the initrd. bootshim loads it from memory: there is no
/// such ESP.
#[test]
fn what_lies_on_the_esp_does_not_come_into_the_initrd_of_a_uki() {
    let init = "#!/bin/sh\n\
        /bin/busybox mount -t devtmpfs dev /dev\n\
        echo extra: $(ls /.extra/credentials /.extra/global_credentials 2>&1) >/dev/ttyS0\n\
        while :; do sleep 3600; done\n";
    let initrd = initramfs_with(&PIPELINE, init, "extra")
        .display()
        .to_string();
    let owner = PIPELINE.owner().unwrap();
    owner
        .unify(&demo_os("vmlinuz"), &initrd, "extra.efi")
        .unwrap();
    owner.sign("db", "extra.efi", "extra.signed.efi").unwrap();
    let uki = ["--uki", "extra.signed.efi"];
    PIPELINE
        .build(1, &uki, "release.key", "extra.slotimg")
        .unwrap();
    // With room for the UKI beside bootshim.
    let program = ["--bootshim", SIGNED_BOOTSHIM, "--esp-size", "64MiB"];
    let disk = PIPELINE
        .disk_of("extra-uki.img", 512, &program, "extra.slotimg")
        .unwrap();
    std::fs::write(PIPELINE.directory().join("outside.cred"), "from outside").unwrap();
    let folders = [
        "::loader",
        "::loader/credentials",
        "::EFI/BOOT/BOOTX64.EFI.extra.d",
    ];
    on_esp(&PIPELINE, &disk, &["mmd"], &folders);
    for folder in &folders[1..] {
        on_esp(&PIPELINE, &disk, &["mcopy"], &["outside.cred", folder]);
    }

    let mut machine = PIPELINE.machine("extra-uki").disk(&disk).start().unwrap();
    machine.says("starting slot a, version 1.0, as good");
    let said = machine.says("extra: ").text;
    assert!(!said.contains("outside"), "{said}");
    drop(machine);

    // Started by the firmware itself, it takes them.
    put(&PIPELINE, &disk, "extra.signed.efi", "BOOTX64.EFI");
    let mut machine = PIPELINE.machine("extra-alone").disk(&disk).start().unwrap();
    let said = machine.says("extra: ").text;
    assert!(said.contains("outside.cred"), "{said}");
}
