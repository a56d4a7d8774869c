//! Machines whose firmware starts only what the owner signed.

use bootshim::record::{Record, Slot, SlotId, State};
use bootshim::state::Next;
use controller::disk::Disk;
use controller::efi_program::Program;
use hw_tests::machine::{Machine, target};
use hw_tests::pipeline::{Pipeline, SIGNED_BOOTSHIM};
use hw_tests::secure_boot::Owner;
use images::key::PublicKey;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

static PIPELINE: LazyLock<Pipeline> = LazyLock::new(|| {
    let pipeline = Pipeline::with_secure_boot("secure", 1..=1).unwrap();
    pipeline.owner().unwrap().make_key("stranger").unwrap();
    pipeline
});

fn owner() -> &'static Owner {
    PIPELINE.owner().unwrap()
}

fn demo_os(part: &str) -> String {
    target().join("demo-os").join(part).display().to_string()
}

/// An image signed like every other, of a version whose kernel is this one.
fn image(version: u32, kernel: &str, name: &str) {
    let initrd = demo_os("initrd.img");
    let starts = ["--kernel", kernel, "--initrd", &initrd];
    PIPELINE
        .build(version, &starts, "release.key", name)
        .unwrap();
}

/// Slot c is good, and preferred to slot a.
fn make_good(disk: &Path) {
    let make = |record: &Record, note| {
        let mut next = record.clone();
        let slots: Vec<SlotId> = record.ids().collect();
        let c = Slot {
            state: State::Good,
            priority: record.slot(slots[0]).priority + 1,
            ..*record.slot(slots[2])
        };
        next.set_slot(slots[2], c);
        Ok((Next::by_hand(next), note))
    };
    Disk::open(disk).unwrap().update(make).unwrap();
}

/// What the kernel knows of its firmware: four bytes of attributes, one of
/// content (UEFI specification, 3.3).
fn kernel_sees_secure_boot(machine: &mut Machine) {
    let seen = machine
        .run(
            "od -An -tu1 /sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
        )
        .unwrap();
    assert_eq!(seen.stdout.split_whitespace().last(), Some("1"), "{seen:?}");
}

#[test]
fn a_kernel_that_the_firmware_does_not_trust_is_passed_over_and_the_next_good_slot_starts() {
    image(2, &demo_os("vmlinuz"), "unsigned.slotimg");
    owner()
        .sign("stranger", &demo_os("vmlinuz"), "vmlinuz.stranger")
        .unwrap();
    image(3, "vmlinuz.stranger", "stranger.slotimg");
    let disk = PIPELINE.disk("kernels.img", 512).unwrap();
    let stranger = [
        "install",
        "--no-activate",
        "--slot",
        "c",
        "stranger.slotimg",
    ];
    PIPELINE.slotctl_on(&disk, &stranger).unwrap();
    make_good(&disk);
    let older = [
        "install",
        "--allow-downgrade",
        "--slot",
        "b",
        "unsigned.slotimg",
    ];
    PIPELINE.slotctl_on(&disk, &older).unwrap();

    let mut machine = PIPELINE.machine("kernels").disk(&disk).start().unwrap();
    machine.says("Secure Boot: on");
    for slot in ["b", "c"] {
        let said = machine.says(&format!("slot {slot} passed over: did not start"));
        let why = "the firmware's Secure Boot does not trust this kernel: sign it with a key in db";
        assert!(said.text.contains(why), "{}", said.text);
    }
    machine.says("starting slot a, version 1.0, as good");
    kernel_sees_secure_boot(&mut machine);
    let status = machine.status().unwrap();
    assert_eq!(status["running"], "a");
    assert_eq!(status["slots"][1]["state"], "bad");
    assert_eq!(status["slots"][2]["state"], "good");
    let failure = status["last_failure"].to_string();
    assert!(failure.contains("does not trust this kernel"), "{failure}");
}

/// Somebody with the disk in hand puts a key of their own where bootshim keeps
/// the trusted ones, and an image of their own into the slot.
#[test]
fn a_signed_bootshim_whose_keys_were_changed_does_not_start() {
    PIPELINE
        .slotctl(&["key", "generate", "--out", "intruder"])
        .unwrap();
    let signed = std::fs::read(PIPELINE.directory().join(SIGNED_BOOTSHIM)).unwrap();
    let public = |name: &str| {
        PublicKey::load(&PIPELINE.directory().join(name))
            .unwrap()
            .to_bytes()
    };
    let (ours, theirs) = (public("release.pub"), public("intruder.pub"));
    let at = signed.windows(32).position(|key| key == ours).unwrap();
    let altered = [&signed[..at], &theirs, &signed[at + 32..]].concat();
    assert_eq!(
        Program::parse(altered.clone()).unwrap().trust().keys[0].to_bytes(),
        theirs
    );
    std::fs::write(PIPELINE.directory().join("altered.efi"), altered).unwrap();
    let initrd = demo_os("initrd.img");
    let starts = ["--kernel", "vmlinuz.signed", "--initrd", &initrd];
    PIPELINE
        .build(1, &starts, "intruder.key", "intruder.slotimg")
        .unwrap();
    let disk = PIPELINE
        .disk_of(
            "altered.img",
            512,
            &["--bootshim", "altered.efi"],
            "intruder.slotimg",
        )
        .unwrap();

    let mut machine = PIPELINE.machine("altered").disk(&disk).start().unwrap();
    let begun = machine.position();
    let said = machine.says("BdsDxe: failed to load");
    assert!(said.text.contains("Access Denied"), "{}", said.text);
    let lines = machine.lines_since(begun);
    assert!(!lines.iter().any(|line| line.text.contains("bootshim 0")));
}

#[test]
fn a_signed_uki_starts_with_the_command_line_of_its_manifest() {
    owner()
        .unify(&demo_os("vmlinuz"), &demo_os("initrd.img"), "uki.efi")
        .unwrap();
    owner().sign("db", "uki.efi", "uki.signed.efi").unwrap();
    PIPELINE
        .build(
            1,
            &["--uki", "uki.signed.efi"],
            "release.key",
            "uki.slotimg",
        )
        .unwrap();
    let program = ["--bootshim", SIGNED_BOOTSHIM];
    let disk = PIPELINE
        .disk_of("uki.img", 512, &program, "uki.slotimg")
        .unwrap();

    let mut machine = PIPELINE.machine("uki").disk(&disk).start().unwrap();
    machine.says("Secure Boot: on");
    machine.says("starting slot a, version 1.0, as good");
    kernel_sees_secure_boot(&mut machine);
    let line = machine.run("cat /proc/cmdline").unwrap().stdout;
    let begins = "root=/dev/mapper/slotctl-root ro quiet ";
    assert!(line.starts_with(begins), "{line}");
    assert!(line.contains(" slotctl.slot=a slotctl.disk="), "{line}");
    assert_eq!(machine.status().unwrap()["running"], "a");
}

#[test]
fn disk_create_keeps_the_signature_of_bootshim_and_refuses_to_break_it() {
    let disk = PIPELINE.disk("signature.img", 512).unwrap();
    let copy = copy_from_esp(&disk);
    owner().verify("db", &copy.display().to_string()).unwrap();

    let said = PIPELINE
        .slotctl(&[
            "disk",
            "create",
            "broken.img",
            "--size",
            "256MiB",
            "--bootshim",
            SIGNED_BOOTSHIM,
            "--trust",
            "release.pub",
        ])
        .unwrap_err()
        .to_string();
    for words in [
        "signed for Secure Boot",
        "slotctl bootshim trust",
        "no disk was made",
    ] {
        assert!(said.contains(words), "{said}");
    }
    assert!(!PIPELINE.directory().join("broken.img").exists());
}

/// bootshim as it lies on the ESP, by other tools than ours.
fn copy_from_esp(disk: &Path) -> PathBuf {
    let esp = Disk::open(disk).unwrap().layout().esp.clone().unwrap();
    let copy = disk.with_extension("efi");
    let volume = format!("{}@@{}", disk.display(), esp.extent.start);
    let ran = Command::new("mcopy")
        .args(["-n", "-i", &volume, "::EFI/BOOT/BOOTX64.EFI"])
        .arg(&copy)
        .status()
        .unwrap();
    assert!(ran.success());
    copy
}

#[test]
fn bootshim_says_its_generation_to_shim() {
    for name in ["BOOTX64.EFI", "BOOTAA64.EFI"] {
        let program = std::fs::read(target().join("bootshim").join(name)).unwrap();
        let text = section(&program, b".sbat\0\0\0");
        let lines: Vec<&str> = text.trim_end_matches('\0').lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].starts_with("sbat,1,"), "{text}");
        assert!(
            lines[1].starts_with("bootshim,1,slotctl,bootshim,"),
            "{text}"
        );
    }
}

/// The text of a section (PE format: name, then size and place in memory, size
/// and place in the file).
fn section(program: &[u8], name: &[u8; 8]) -> String {
    let header = program.windows(8).position(|bytes| bytes == name).unwrap();
    let field = |at: usize| {
        let bytes = program[header + at..].first_chunk().unwrap();
        usize::try_from(u32::from_le_bytes(*bytes)).unwrap()
    };
    let raw = &program[field(20)..][..field(16)];
    String::from_utf8(raw.to_vec()).unwrap()
}
