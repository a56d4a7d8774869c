//! What comes from outside: words on a terminal, the machine around the disk,
//! processors.

use crate::bench::{Bench, sgdisk_words};
use crate::ran::says;
use bootshim::copies::{Note, Store};
use bootshim::state::Next;
use controller::disk::Disk;
use controller::medium::Mode;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;

const EVIL: &str = "x\x1b]0;owned\x07\nboot record copy 0: valid";

/// Nothing of it acts on a terminal; gives it.
#[track_caller]
fn tame(text: &str) -> &str {
    let acts = |c: char| c.is_control() && c != '\n';
    assert!(!text.chars().any(acts), "{text:?}");
    text
}

#[test]
fn names_of_partitions_do_nothing_to_the_terminal_and_begin_no_line() {
    let bench = Bench::new();
    sgdisk_words(&bench, &["-c", &format!("6:{EVIL}")]);
    let shown = bench.does("--disk disk.img disk show");
    tame(&shown.stderr);
    let lines = tame(&shown.stdout).lines();
    let copies = lines
        .filter(|line| line.starts_with("boot record copy 0"))
        .count();
    assert_eq!(copies, 1, "{}", shown.stdout);
    says(&shown.stdout, "x\\u{1b}]0;owned");
    // A program gets what lies there.
    let name = &bench.ask("disk show")["partitions"][5]["name"];
    assert!(
        EVIL.starts_with(name.as_str().unwrap().trim_end()),
        "{name}"
    );
    assert!(name.as_str().unwrap().contains('\x1b'));
}

#[test]
fn the_note_of_the_record_does_nothing_to_the_terminal() {
    let bench = Bench::new();
    bench.ask("install v2.slotimg --tries 1");
    bench.ask("next-boot --arm");
    bench.ask("next-boot --arm");
    let disk = Disk::open(&bench.file("disk.img")).unwrap();
    let record = disk.read_record().unwrap().0;
    Store::open(disk.record(Mode::Write).unwrap(), disk.layout().record.id)
        .commit_everywhere(
            Next::by_hand(record),
            Note::new("\x1b[2J\u{9b}31m\nfloor: none"),
        )
        .unwrap();
    let shown = bench.does("--disk disk.img status");
    let note = tame(&shown.stdout)
        .lines()
        .find(|line| line.contains("[2J"));
    assert_eq!(note, Some("  \\u{1b}[2J\\u{9b}31m\\nfloor: none"));
    let told = bench.ask("status")["last_failure"]["note"].clone();
    assert_eq!(told, "\x1b[2J\u{9b}31m\nfloor: none");
}

#[test]
fn what_an_error_names_does_nothing_to_the_terminal() {
    let bench = Bench::new();
    let ran = bench.run("--disk no\x1b[31mdisk status").with_status(2);
    assert!(
        tame(&ran.stderr).contains("no\\u{1b}[31mdisk"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_machine_that_does_not_run_from_the_disk_is_never_restarted() {
    let bench = Bench::new();
    let (restarts, programs) = (
        bench.directory().join("restarted"),
        bench.directory().join("bin"),
    );
    fs::create_dir(&programs).unwrap();
    for name in ["reboot", "systemctl"] {
        let program = programs.join(name);
        fs::write(
            &program,
            format!("#!/bin/sh\necho $0 > {}\n", restarts.display()),
        )
        .unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let before = bench.read("disk.img");
    for words in [
        "install v2.slotimg --reboot",
        "install v1.slotimg --reboot",
        "activate a --reboot",
        "rollback --reboot",
    ] {
        let mut command = bench.command(&format!("--disk disk.img --json {words}"));
        let output = command.env("PATH", &programs).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(3), "{words}: {said}");
        assert!(said.contains("not-running"), "{words}: {said}");
        assert!(!restarts.exists(), "{words} restarted this machine");
    }
    assert!(before == bench.read("disk.img"), "the disk was changed");
    assert_eq!(bench.ask("install v2.slotimg")["restarting"], false);
}

/// Locks a byte of the disk as QEMU does, for as long as the file is open.
fn locked_by_a_machine(bench: &Bench, byte: i64) -> File {
    let file = File::open(bench.file("disk.img")).unwrap();
    let range = libc::flock {
        l_type: libc::F_RDLCK as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_OFD_SETLK(&range)).unwrap();
    file
}

#[test]
fn a_disk_that_a_running_machine_has_open_is_read_and_never_written() {
    let bench = Bench::new();
    for byte in [100, 101, 203] {
        let machine = locked_by_a_machine(&bench, byte);
        for words in ["install v2.slotimg", "activate a --once", "next-boot --arm"] {
            bench.refuses(words, 3, "in-use");
        }
        bench.ask("status");
        bench.ask("next-boot");
        bench.ask("verify");
        drop(machine);
    }
    bench.next_install_works();
}

/// An image whose kernel is for this machine (UEFI specification, 2.1.1).
fn image_for(bench: &Bench, machine: u16) {
    let mut kernel = vec![0; 40_000];
    kernel[..2].copy_from_slice(b"MZ");
    kernel[0x3c] = 0x80;
    kernel[0x80..0x84].copy_from_slice(b"PE\0\0");
    kernel[0x84..0x86].copy_from_slice(&machine.to_le_bytes());
    // Linux says so that it asks for its initrd.
    kernel[0x80 + 24 + 44] = 1;
    fs::write(bench.directory().join("its-kernel"), kernel).unwrap();
    bench.does(BUILD);
}

const BUILD: &str = "image build --rootfs root2 --kernel its-kernel --cmdline quiet --compatible plc-4 \
     --version v5 --security-version 1 --key ours.key --out its.slotimg";

#[test]
fn a_kernel_for_another_processor_than_bootshim_never_becomes_the_trial() {
    let bench = Bench::new();
    image_for(&bench, 0xaa64);
    let error = bench.breaks_off("install its.slotimg", 3, "wrong-processor");
    assert_eq!(error["found"], "the kernel of the image is for arm64");
    assert_eq!(error["expected"], "the bootshim of this disk is for x86-64");
    bench.next_install_works();
    let bench = Bench::new();
    image_for(&bench, 0x8664);
    assert_eq!(bench.ask("install its.slotimg")["state"], "trying");
}

#[test]
fn no_image_is_built_with_a_kernel_that_no_bootshim_starts() {
    let bench = Bench::new();
    image_for(&bench, 0x8664);
    let mut kernel = bench.read("its-kernel");
    kernel[0x84..0x86].copy_from_slice(&0x014c_u16.to_le_bytes());
    fs::write(bench.file("its-kernel"), kernel).unwrap();
    let ran = bench.run(&format!("--json {BUILD}")).with_status(2);
    let error = &ran.json()["error"];
    says(&error["found"], "32-bit x86");
}

#[test]
fn no_disk_is_made_with_a_bootshim_and_an_image_for_different_processors() {
    let bench = Bench::new();
    image_for(&bench, 0xaa64);
    let words = crate::samples::DISK
        .replace("disk.img", "new.img")
        .replace("v1.slotimg", "its.slotimg");
    let ran = bench.run(&format!("--json {words}")).with_status(3);
    let error = &ran.json()["error"];
    assert_eq!(error["code"], "wrong-processor");
    assert_eq!(error["changed"], "no disk was made");
    assert!(!bench.directory().join("new.img").exists());
}

#[test]
fn an_image_too_large_for_a_new_disk_is_told_both_sizes() {
    let bench = Bench::new();
    let words = crate::samples::DISK
        .replace("disk.img", "new.img")
        .replace("v1.slotimg", "large.slotimg");
    let ran = bench.run(&words).with_status(3);
    for part in [
        "image needs 3",
        " MiB)",
        "slot a has 2097152",
        "a disk of 12MiB with 3 slots",
    ] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
}
