//! Damage in the root of a good slot.

use super::{PIPELINE, slot, two_good};
use controller::disk::Disk;
use controller::found::Found;
use hw_tests::damage;
use hw_tests::machine::{Cause, Machine};
use images::manifest::Kind;
use std::path::Path;
use std::process::Command;

const BLOCK: u64 = 4096;

/// A block of a version's root that is in the middle of a program which only an initramfs
/// runs, and of which the root has a copy too.
fn unused_block(version: u32) -> u64 {
    let told = Command::new("dump.erofs")
        .args(["-e", "--path=/usr/bin/slotctl-root"])
        .arg(PIPELINE.part(&format!("root-v{version}.erofs")))
        .output()
        .unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    // `   0:        0.. 1830912 | 1830912 :   13041664..  14872576 | 1830912`
    let extent = told
        .lines()
        .find(|line| line.trim_start().starts_with("0:"));
    let numbers: Vec<u64> = extent
        .unwrap()
        .split(|of: char| !of.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect();
    let [.., begin, end, _]: [u64; 7] = numbers.try_into().unwrap();
    begin.midpoint(end) / BLOCK
}

/// Overwrites a block of the root that runs, behind its back.
fn overwrite(machine: &mut Machine, node: &str, block: u64) {
    let words =
        format!("dd if=/dev/urandom of={node} bs={BLOCK} seek={block} count=1 conv=notrunc,fsync");
    assert_eq!(machine.run(&words).unwrap().status, 0);
}

/// Reads it through dm-verity.
fn read(block: u64) -> String {
    format!(
        "dd if=/dev/mapper/slotctl-root of=/dev/null bs={BLOCK} skip={block} count=1 iflag=direct"
    )
}

fn not_signed(block: u64) -> String {
    format!(
        "the block at {} is not the one that was signed",
        block * BLOCK
    )
}

/// After a reset by the watchdog all of the root is read, the damage is found, and
/// the same slot runs on.
fn hangs_and_runs_on(machine: &mut Machine, block: u64) {
    machine.run("killall -KILL slotctl").unwrap();
    machine.restarts(Cause::Watchdog);
    machine.says(&not_signed(block));
    machine.says("a damaged block is a read error");
}

#[test]
fn a_good_slot_whose_root_does_not_open_is_left_for_the_other_good_one() {
    let disk = two_good("root-begins-wrong");
    damage::flip(&disk, slot("b"), 100).unwrap();
    let mut machine = Machine::new("root-begins-wrong")
        .disk(&disk)
        .start()
        .unwrap();
    machine.says("starting slot b, version 2.0, as good");
    machine.says("the block at 0 is not");
    machine.restarts(Cause::Reboot);
    machine.says("starting slot a, version 1.0, as good");
    let status = machine.status().unwrap();
    assert_eq!(status["running"], "a");
    assert_eq!(status["slots"][1]["state"], "good");
    assert_eq!(status["slots"][1]["reason"], "damaged");
    assert_eq!(status["known_good"], "a");
}

/// Where the kernel begins in a slot.
fn kernel_offset(disk: &Path, name: &str) -> u64 {
    let opened = Disk::open(disk).unwrap();
    let trust = controller::trust::keys(&opened).unwrap();
    let (record, _) = opened.read_record().unwrap();
    let found = Found::new(&opened, record, &trust);
    let manifest = found.manifest(slot(name)).unwrap();
    manifest.payload(Kind::Kernel).unwrap().offset
}

/// bootshim passes over slot b at every start: to restart for it would be to
/// restart for ever.
#[test]
fn a_good_slot_whose_root_is_damaged_runs_on_where_the_other_good_one_does_not_start() {
    let disk = two_good("both-damaged");
    damage::flip(&disk, slot("b"), kernel_offset(&disk, "b")).unwrap();
    let mut machine = Machine::new("both-damaged").disk(&disk).start().unwrap();
    machine.says("slot b passed over: damaged: kernel");
    let block = unused_block(1);
    overwrite(&mut machine, "/dev/vda3", block);
    hangs_and_runs_on(&mut machine, block);
    assert_eq!(machine.status().unwrap()["running"], "a");
}

/// Where this byte of a slot lies on the disk.
fn place(disk: &Path, name: &str, offset: u64) -> u64 {
    let opened = Disk::open(disk).unwrap();
    opened.layout().slot(slot(name)).unwrap().extent.start + offset
}

#[test]
fn a_good_slot_whose_root_cannot_be_read_is_left_for_the_other_good_one() {
    let disk = two_good("root-unreadable");
    let mut machine = Machine::new("root-unreadable")
        .disk_with_bad_sector(&disk, place(&disk, "b", 0))
        .start()
        .unwrap();
    machine.says("starting slot b, version 2.0, as good");
    machine.says("the root cannot be read");
    machine.restarts(Cause::Reboot);
    machine.says("starting slot a, version 1.0, as good");
    let status = machine.status().unwrap();
    assert_eq!(status["running"], "a");
    assert_eq!(status["slots"][1]["state"], "good");
    assert_eq!(status["slots"][1]["reason"], "unreadable");
}

/// A slot that bootshim cannot read has no reason in the record: it is restarted for
/// once.
#[test]
fn a_good_slot_whose_root_is_damaged_runs_on_where_the_other_good_one_cannot_be_read() {
    let disk = two_good("damaged-unreadable");
    let kernel = kernel_offset(&disk, "b");
    let mut machine = Machine::new("damaged-unreadable")
        .disk_with_bad_sector(&disk, place(&disk, "b", kernel))
        .start()
        .unwrap();
    machine.says("slot b passed over: unreadable");
    overwrite(&mut machine, "/dev/vda3", unused_block(1));
    machine.run("killall -KILL slotctl").unwrap();
    machine.restarts(Cause::Watchdog);
    machine.restarts(Cause::Reboot);
    machine.says("a damaged block is a read error");
    let status = machine.status().unwrap();
    assert_eq!(status["running"], "a");
    assert_eq!(status["slots"][0]["reason"], "damaged");
}

#[test]
fn a_good_slot_that_is_damaged_while_it_runs_is_left_for_the_other_good_one() {
    let disk = two_good("rots");
    let mut machine = Machine::new("rots").disk(&disk).start().unwrap();
    machine.says("slot b, version 2.0, verified as it is read; a damaged block is a panic");
    let block = unused_block(2);
    overwrite(&mut machine, "/dev/vda4", block);
    machine.tell(&read(block)).unwrap();
    machine.restarts(Cause::Watchdog);
    machine.says("starting slot b, version 2.0, as good");
    machine.says(&not_signed(block));
    machine.restarts(Cause::Reboot);
    machine.says("starting slot a, version 1.0, as good");
    assert_eq!(machine.status().unwrap()["slots"][1]["reason"], "damaged");
}

#[test]
fn the_only_good_slot_runs_on_with_read_errors_where_it_is_damaged() {
    let disk = PIPELINE.disk("alone.img", 512).unwrap();
    let mut machine = Machine::new("rots-alone").disk(&disk).start().unwrap();
    machine.says("slot a, version 1.0, verified as it is read; a damaged block is a read error");
    let block = unused_block(1);
    overwrite(&mut machine, "/dev/vda3", block);
    let read = machine.run(&read(block)).unwrap();
    assert!(
        read.status != 0 && read.stderr.contains("Input/output error"),
        "{}",
        read.stderr
    );
    // There is nowhere to go.
    hangs_and_runs_on(&mut machine, block);
    let status = machine.status().unwrap();
    assert_eq!(status["running"], "a");
    assert_eq!(status["slots"][0]["state"], "good");
    assert_eq!(status["slots"][0]["reason"], "damaged");
}
