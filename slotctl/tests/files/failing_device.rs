//! Devices and files that fail while a command uses them: status 5, what failed
//! and where, and the next command works.

use crate::bench::{Bench, range};
use crate::block_device::{Device, tool};
use crate::ran::{Ran, says};
use crate::samples::write_sparse;
use controller::disk::Disk;
use serde_json::Value;
use std::fs::{self, OpenOptions};
use std::process::Command;

/// The command ended with status 5; its error.
#[track_caller]
fn io_error(ran: Ran) -> Value {
    ran.with_status(5).json()["error"].clone()
}

/// Installs under a limit to how far a file may be written: a write that
/// crosses it is cut short, the next one refused.
fn limited(bench: &Bench, limit: usize) -> Ran {
    bench.file("v2.slotimg");
    let script =
        "trap '' XFSZ; exec prlimit --fsize=$1 \"$2\" --disk disk.img --json install v2.slotimg";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", &limit.to_string()]);
    command.arg(env!("CARGO_BIN_EXE_slotctl"));
    command.current_dir(bench.directory());
    Ran::new("install", &command.output().expect("prlimit of util-linux"))
}

#[test]
fn a_write_to_a_slot_that_is_cut_short_is_named_and_the_next_install_works() {
    let bench = Bench::new();
    let before = bench.read("disk.img");
    let b = bench.slot(1);
    let error = io_error(limited(&bench, b.end - 32768));
    let place = b.len() - 65536;
    let said = format!("slot b: writing 65536 bytes at {place} failed");
    says(&error["found"], &said);
    assert_eq!(
        error["changed"],
        "slot b is being written and does not boot; all others are untouched"
    );
    bench.only_slot_b_was_touched(&before);
    bench.next_install_works();
}

#[test]
fn a_boot_record_that_cannot_be_written_is_named_and_no_slot_is_changed() {
    let bench = Bench::new();
    let before = bench.read("disk.img");
    let disk = Disk::open(&bench.file("disk.img")).unwrap();
    let record = range(&disk.layout().record);
    // In the middle of the first copy: nothing of the others can be written.
    let error = io_error(limited(&bench, record.start + 100));
    says(
        &error["found"],
        "writing the boot record: writing 4096 bytes at ",
    );
    assert_eq!(error["changed"], "no slot was changed");
    bench.nothing_but_slot_b_was_touched(&before);
    assert!(before[bench.slot(1)] == bench.read("disk.img")[bench.slot(1)]);
    assert_eq!(bench.ask("next-boot")["slot"], "a");
    bench.next_install_works();
}

#[test]
#[ignore = "block devices need root and loop devices"]
fn a_device_that_no_longer_gives_the_boot_record_is_said_to_fail_and_not_to_have_lost_it() {
    let bench = Bench::new();
    let whole = bench.read("disk.img");
    let record = range(&Disk::open(&bench.file("disk.img")).unwrap().layout().record);
    let device = Device::over(&bench);
    cut_off(&bench, record.start);
    for words in ["status", "install v2.slotimg", "activate a"] {
        let error = io_error(device.run(&bench, words));
        let said = "reading the boot record: reading 4096 bytes at 0 failed";
        says(&error["found"], said);
    }
    fs::write(bench.file("disk.img"), &whole).unwrap();
    let done = device.run(&bench, "install v2.slotimg").ok().json();
    assert_eq!(done["slot"], "b");
    drop(device);
    bench.next_install_works();
}

#[test]
#[ignore = "block devices need root and loop devices"]
fn a_device_that_is_write_protected_is_said_to_be_so() {
    let bench = Bench::new();
    let before = bench.read("disk.img");
    let device = Device::over(&bench);
    device.protect(true);
    for words in ["install v2.slotimg", "activate a --once"] {
        let error = io_error(device.run(&bench, words));
        assert_eq!(error["code"], "read-only", "{error}");
    }
    device.run(&bench, "status").ok();
    assert!(before == bench.read("disk.img"));
    device.protect(false);
    device.run(&bench, "install v2.slotimg").ok();
}

#[test]
#[ignore = "block devices need root and loop devices"]
fn a_slot_that_cannot_be_read_is_named_and_the_others_still_boot() {
    let bench = Bench::new();
    bench.ask("install v2.slotimg --no-activate");
    let device = Device::over(&bench);
    cut_off(&bench, bench.slot(1).start + 4096);
    for words in ["verify b", "install v2.slotimg"] {
        says(
            &io_error(device.run(&bench, words))["found"],
            "slot b: reading the ",
        );
    }
    assert_eq!(device.run(&bench, "next-boot").ok().json()["slot"], "a");
    // What lay in it is gone; what is written now is not.
    let done = device.run(&bench, "install v3.slotimg").ok().json();
    let slot = done["slot"].as_str().unwrap();
    device.run(&bench, &format!("verify {slot}")).ok();
    let next = device.run(&bench, "next-boot").ok().json();
    assert_eq!(next["slot"], slot);
}

#[test]
#[ignore = "block devices need root and loop devices"]
fn a_device_without_room_ends_the_install_and_with_room_the_next_one_works() {
    let bench = Bench::new();
    let before = bench.read("disk.img");
    let small = Small::with_room_for(&bench, 200 << 10);
    write_sparse(&small.0.join("disk.img"), &before);
    let device = Device::over_file(&small.0.join("disk.img"));
    let error = io_error(device.run(&bench, "install v2.slotimg"));
    says(&error["found"], "slot b: writing ");
    assert_eq!(device.run(&bench, "next-boot").ok().json()["slot"], "a");
    drop(device);
    write_sparse(
        &bench.file("disk.img"),
        &fs::read(small.0.join("disk.img")).unwrap(),
    );
    bench.only_slot_b_was_touched(&before);
    bench.next_install_works();
}

/// The file below the device ends here: beyond, the device fails.
fn cut_off(bench: &Bench, length: usize) {
    let file = OpenOptions::new().write(true).open(bench.file("disk.img"));
    file.unwrap().set_len(length as u64).unwrap();
}

/// A filesystem in memory that is soon full.
struct Small(std::path::PathBuf);

impl Small {
    /// With so many bytes more than the disk of the bench needs now.
    fn with_room_for(bench: &Bench, more: u64) -> Small {
        use std::os::unix::fs::MetadataExt;
        let used = fs::metadata(bench.file("disk.img")).unwrap().blocks() * 512;
        let place = bench.file("small");
        fs::create_dir(&place).unwrap();
        let size = format!("size={}", used + more);
        let words = ["-t", "tmpfs", "-o", &size, "none", place.to_str().unwrap()];
        tool("mount", &words).expect("mount, as root");
        Small(place)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        tool("umount", &["--lazy", self.0.to_str().unwrap()]);
    }
}
