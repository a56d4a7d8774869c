//! `slotctl next-boot` on a disk image and bootshim on the same image choose the
//! same, on every bus and with both sector sizes.

use super::PIPELINE;
use bootshim::copies::{COPIES, Copy, SPACING};
use bootshim::record::Record;
use controller::disk::Disk;
use hw_tests::machine::{Bus, Machine, START};
use serde_json::Value;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// How far a start is followed.
#[derive(Clone, Copy, PartialEq)]
enum Until {
    /// bootshim has said what it starts.
    Chosen,
    /// Production's health page answers.
    Production,
}
use Until::{Chosen, Production};

/// One row: a record, made by `prepare`; where it is started; what both choose.
fn row(
    name: &str,
    (bus, sector): (Bus, u32),
    prepare: fn(&Path),
    expected: (&str, &str),
    until: Until,
) {
    let disk = PIPELINE.disk(&format!("{name}.img"), sector).unwrap();
    prepare(&disk);
    let answer = PIPELINE
        .slotctl_on(&disk, &["--json", "next-boot"])
        .unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(
        (answer["slot"].as_str(), answer["kind"].as_str()),
        (Some(expected.0), Some(expected.1))
    );

    let mut machine = Machine::new(name)
        .disk(&disk)
        .bus(bus)
        .sector_size(sector)
        .start()
        .unwrap();
    let line = machine.says("starting slot").text;
    let (slot, kind) = (expected.0, expected.1.replace('_', " "));
    assert!(
        line.contains(&format!("starting slot {slot},")) && line.contains(&format!("as {kind}")),
        "{line}"
    );
    let ready = machine.ready(START).unwrap();
    hw_tests::say(&format!("{name}: ready in {ready}")).unwrap();
    if until == Production {
        let health = machine
            .run("wget -q -O - http://127.0.0.1:8080/health")
            .unwrap();
        assert_eq!(health.stdout.trim(), "ok", "{}", health.stderr);
        let complaints = machine.run("dmesg | grep -i gpt").unwrap();
        assert_eq!(
            complaints.stdout, "",
            "the kernel complains of the partition table"
        );
        let status = machine.status().unwrap();
        assert_eq!(status["running"], slot);
    }
}

fn slotctl(disk: &Path, words: &[&str]) {
    PIPELINE.slotctl_on(disk, words).unwrap();
}

fn trial(disk: &Path) {
    slotctl(disk, &["install", "v2.slotimg"]);
}

fn used_up(disk: &Path) {
    slotctl(disk, &["install", "--tries", "1", "v2.slotimg"]);
    slotctl(disk, &["next-boot", "--arm"]);
}

fn once(disk: &Path) {
    slotctl(disk, &["install", "--no-activate", "v2.slotimg"]);
    slotctl(disk, &["activate", "--once", "b"]);
}

/// Writes a block where a copy of the record lies.
fn put(disk: &Path, copy: usize, block: &[u8]) {
    let start = Disk::open(disk).unwrap().layout().record.extent.start;
    let file = OpenOptions::new().write(true).open(disk).unwrap();
    let copy = u64::try_from(copy).unwrap();
    file.write_all_at(block, start + copy * SPACING).unwrap();
}

fn record(disk: &Path) -> Record {
    Disk::open(disk).unwrap().read_record().unwrap().0
}

/// Blocks of these copies turn to noise.
fn lose(disk: &Path, copies: impl IntoIterator<Item = usize>) {
    copies
        .into_iter()
        .for_each(|copy| put(disk, copy, &[0xa5; 4096]));
}

/// Two copies with the number of a later commit and different bytes, so that
/// neither counts; the pair before says that slot b is on trial.
fn equal_numbers(disk: &Path) {
    trial(disk);
    let mut next = record(disk);
    let held = Copy::Valid(next.sequence);
    next.sequence += 1;
    let copies = *Disk::open(disk).unwrap().store().unwrap().copies();
    for (copy, floor) in (0..COPIES).filter(|copy| copies[*copy] != held).zip([0, 7]) {
        next.floor = floor;
        put(disk, copy, &next.encode());
    }
    assert_eq!(record(disk).sequence + 1, next.sequence);
}

/// A copy that a later version wrote: nothing may be committed.
fn unknown_major(disk: &Path) {
    trial(disk);
    let mut raw = record(disk).encode();
    raw[8] = 2;
    let hash = blake3::hash(&raw[..480]);
    raw[480..].copy_from_slice(hash.as_bytes());
    put(disk, 0, &raw);
}

#[test]
fn a_good_slot_starts_from_nvme() {
    row("good", (Bus::Nvme, 512), |_| {}, ("a", "good"), Production);
}

#[test]
fn a_trial_starts_from_nvme() {
    row("trial", (Bus::Nvme, 512), trial, ("b", "trial"), Production);
}

#[test]
fn with_one_copy_left_the_good_slot_starts_from_ahci() {
    let one_left = |disk: &Path| lose(disk, [0, 1, 3]);
    row(
        "one-copy",
        (Bus::Ahci, 512),
        one_left,
        ("a", "good"),
        Production,
    );
}

#[test]
fn equal_numbers_count_for_nothing_and_the_trial_before_starts_from_ahci() {
    row(
        "equal",
        (Bus::Ahci, 512),
        equal_numbers,
        ("b", "trial"),
        Production,
    );
}

#[test]
fn after_the_last_try_the_good_slot_starts_with_sectors_of_4096_bytes() {
    row(
        "used-up",
        (Bus::Virtio, 4096),
        used_up,
        ("a", "good"),
        Production,
    );
}

#[test]
fn with_every_copy_lost_what_verifies_is_tried_with_sectors_of_4096_bytes() {
    let all_lost = |disk: &Path| lose(disk, 0..COPIES);
    row(
        "lost",
        (Bus::Virtio, 4096),
        all_lost,
        ("a", "trial"),
        Production,
    );
}

#[test]
fn a_one_shot_starts_from_virtio() {
    row("once", (Bus::Virtio, 512), once, ("b", "once"), Chosen);
}

#[test]
fn a_record_of_a_later_format_starts_the_good_slot_and_no_trial() {
    row(
        "major",
        (Bus::Virtio, 512),
        unknown_major,
        ("a", "good"),
        Chosen,
    );
}
