//! Secure Boot, where `make test` has no time for it.

use hw_tests::machine::{Error, START, target};
use hw_tests::plant::{Plant, SIGNED_BOOTSHIM};
use hw_tests::secure_boot::{Store, Vendor};
use slotctl::disk::Disk;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

static PLANT: LazyLock<Plant> =
    LazyLock::new(|| Plant::with_secure_boot("secure-long", 1..=1).unwrap());

/// Debian's, without a signature (package shim-unsigned).
const SHIM: &str = "/usr/lib/shim/shimx64.efi";

fn demo_os(part: &str) -> String {
    target().join("demo-os").join(part).display().to_string()
}

/// Puts a file onto the ESP, as somebody does who has the disk in hand.
fn put(disk: &Path, file: &str, name: &str) {
    let esp = Disk::open(disk).unwrap().layout().esp.clone().unwrap();
    let volume = format!("{}@@{}", disk.display(), esp.extent.start);
    let ran = Command::new("mcopy")
        .current_dir(PLANT.directory())
        .args(["-D", "o", "-i", &volume, file])
        .arg(format!("::EFI/BOOT/{name}"))
        .status()
        .unwrap();
    assert!(ran.success());
}

#[test]
fn an_unsigned_bootshim_does_not_start() {
    let disk = PLANT.disk("unsigned.img", 512).unwrap();
    put(&disk, "trusting.efi", "BOOTX64.EFI");
    let mut machine = PLANT.machine("unsigned").disk(&disk).start().unwrap();
    let said = machine.expect("BdsDxe: failed to load", START).unwrap();
    assert!(said.text.contains("Access Denied"), "{}", said.text);
}

#[test]
fn where_no_kernel_is_trusted_the_menu_says_why_and_the_machine_restarts() {
    let initrd = demo_os("initrd.img");
    let starts = ["--kernel", &demo_os("vmlinuz"), "--initrd", &initrd];
    PLANT
        .build(1, &starts, "release.key", "unsigned.slotimg")
        .unwrap();
    let program = ["--bootshim", SIGNED_BOOTSHIM];
    let disk = PLANT
        .disk_of("nothing.img", 512, &program, "unsigned.slotimg")
        .unwrap();
    let mut machine = PLANT.machine("nothing").disk(&disk).start().unwrap();
    machine.expect("no slot starts", START).unwrap();
    machine.expect("sign it with a key in db", START).unwrap();
    machine.expect("restart in 10 s", START).unwrap();
    machine.next_start(START).unwrap();
    machine.expect("Secure Boot: on", START).unwrap();
}

/// The kernel is in db, and would start; but nobody whom bootshim trusts signed
/// its manifest. The same with Secure Boot off, and that is said.
#[test]
fn a_manifest_by_another_key_does_not_start_with_secure_boot_on_or_off() {
    PLANT
        .slotctl(&["key", "generate", "--out", "intruder"])
        .unwrap();
    let initrd = demo_os("initrd.img");
    let starts = ["--kernel", "vmlinuz.signed", "--initrd", &initrd];
    PLANT
        .build(1, &starts, "intruder.key", "intruder.slotimg")
        .unwrap();
    let bootshim = target().join("bootshim/BOOTX64.EFI").display().to_string();
    let program = ["--bootshim", &bootshim, "--trust", "intruder.pub"];
    let disk = PLANT
        .disk_of("intruder.img", 512, &program, "intruder.slotimg")
        .unwrap();
    put(&disk, SIGNED_BOOTSHIM, "BOOTX64.EFI");
    let off = hw_tests::machine::Machine::new("intruder-off");
    for (machine, said) in [
        (PLANT.machine("intruder-on"), "Secure Boot: on"),
        (
            off,
            "Secure Boot: off, no platform key is enrolled (setup mode)",
        ),
    ] {
        let mut machine = machine.disk(&disk).start().unwrap();
        machine.expect(said, START).unwrap();
        machine
            .expect("slot a passed over: not authentic", START)
            .unwrap();
        machine.expect("no slot starts", START).unwrap();
    }
}

/// shim, signed by the owner, starts bootshim as its second stage; told that
/// generation 1 of bootshim is revoked, it does not.
#[test]
fn shim_refuses_a_generation_of_bootshim_that_is_revoked() {
    let owner = PLANT.owner().unwrap();
    owner.sign("db", SHIM, "shim.signed.efi").unwrap();
    let disk = PLANT.disk("shim.img", 512).unwrap();
    put(&disk, "shim.signed.efi", "BOOTX64.EFI");
    put(&disk, SIGNED_BOOTSHIM, "grubx64.efi");

    let mut machine = PLANT.machine("shim").disk(&disk).start().unwrap();
    machine.expect("Secure Boot: on", START).unwrap();
    drop(machine);

    let revoked = |store: &mut Store| -> Result<(), Error> {
        store.set(
            "SbatLevel",
            Vendor::SHIM,
            b"sbat,1,2030010100\nbootshim,2\n",
        )
    };
    let settings = owner.settings("revoked.fd", revoked).unwrap();
    let mut machine = hw_tests::machine::Machine::new("revoked")
        .firmware_settings(settings)
        .disk(&disk)
        .start()
        .unwrap();
    let begun = machine.position();
    machine.expect("Security Policy Violation", START).unwrap();
    let lines = machine.lines_since(begun);
    assert!(
        !lines
            .iter()
            .any(|line| line.text.contains("Secure Boot: on"))
    );
}
