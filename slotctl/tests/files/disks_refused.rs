//! Disks that are none of a controller, and slots that are not to be written.

use crate::bench::{Bench, sgdisk};
use crate::ran::says;
use crate::samples::DISK;
use bootshim::layout::SLOT_TYPE;
use std::fs;

/// Where the primary GPT's header begins.
const PRIMARY: usize = 512;

#[test]
fn a_disk_without_a_partition_table_is_refused() {
    let bench = Bench::new();
    bench.change("disk.img", |disk| disk.fill(0));
    for words in [
        "install v2.slotimg",
        "status",
        "next-boot",
        "activate a",
        "verify",
    ] {
        bench.refuses(words, 4, "not-gpt");
    }
}

#[test]
fn the_backup_table_serves_when_the_primary_is_damaged_and_that_is_said() {
    let bench = Bench::new();
    bench.change("disk.img", |disk| disk[PRIMARY + 60] ^= 1);
    let ran = bench.does("--disk disk.img install v2.slotimg");
    let said = "the primary GPT of disk.img does not count (";
    says(&ran.stderr, said);
    assert_eq!(bench.ask("disk show")["gpt"], "backup");
    assert_eq!(bench.ask("next-boot")["slot"], "b");
}

#[test]
fn a_disk_on_which_both_tables_are_damaged_is_refused() {
    let bench = Bench::new();
    bench.change("disk.img", |disk| {
        let backup = disk.len() - 512;
        disk[PRIMARY + 60] ^= 1;
        disk[backup + 60] ^= 1;
    });
    bench.refuses("install v2.slotimg", 4, "not-gpt");
}

#[test]
fn a_disk_without_slots_is_refused() {
    let bench = Bench::new();
    sgdisk(&bench, "-t 3:8300 -t 4:8300 -t 5:8300");
    let error = bench.refuses("install v2.slotimg", 4, "not-a-controller");
    assert_eq!(error["found"], "disk.img: no slot partitions");
}

#[test]
fn a_disk_without_a_boot_record_partition_is_refused() {
    let bench = Bench::new();
    sgdisk(&bench, "-d 2");
    let error = bench.refuses("install v2.slotimg", 4, "not-a-controller");
    assert_eq!(error["found"], "disk.img: no boot record partition");
}

#[test]
fn a_slot_that_does_not_end_at_4_kib_is_refused() {
    let bench = Bench::new();
    let b = bench.slot(1);
    let (first, last) = (b.start / 512, b.end / 512 - 2);
    let kind = SLOT_TYPE.to_string();
    sgdisk(
        &bench,
        &format!("-a 1 -d 4 -n 4:{first}:{last} -t 4:{kind} -c 4:slot-b"),
    );
    let error = bench.refuses("install v2.slotimg", 4, "not-a-controller");
    says(
        &error["found"],
        "slot-b does not begin and end at multiples of 4 KiB",
    );
}

#[test]
fn a_disk_that_is_not_there_or_no_disk_is_wrong_use() {
    let bench = Bench::new();
    bench
        .run("--disk nothing.img --json status")
        .error(2, "not-found");
    fs::create_dir(bench.directory().join("folder")).unwrap();
    bench
        .run("--disk folder --json status")
        .error(2, "not-a-disk");
}

#[test]
fn where_no_slot_is_free_the_reason_is_given_for_each() {
    let bench = Bench::new();
    bench.does(&DISK.replace("disk.img", "two-slots.img --slots 2"));
    fs::rename(bench.file("two-slots.img"), bench.file("disk.img")).unwrap();
    bench.ask("install v2.slotimg");
    let error = bench.refuses("install v3.slotimg", 3, "no-free-slot");
    assert_eq!(
        error["found"],
        "no slot is free; a is the known-good one; b is on trial"
    );
}

#[test]
fn the_trial_and_the_known_good_slot_are_not_written() {
    let bench = Bench::new();
    bench.ask("install v2.slotimg");
    let error = bench.refuses("install v3.slotimg --slot b", 3, "protected-slot");
    assert_eq!(error["found"], "slot b is on trial");
    let error = bench.refuses("install v3.slotimg --slot a", 3, "protected-slot");
    assert_eq!(error["found"], "slot a is the known-good one");
    assert_eq!(bench.ask("install v3.slotimg")["slot"], "c");
}

#[test]
fn an_unknown_slot_is_wrong_use() {
    let bench = Bench::new();
    for words in [
        "install v2.slotimg --slot d",
        "activate d",
        "activate d --once",
    ] {
        let error = bench.refuses(words, 2, "unknown-slot");
        assert_eq!(error["found"], "this disk has no slot d");
    }
    bench.refuses("verify d", 2, "unknown-slot");
    for words in ["install v2.slotimg --slot z", "activate A", "verify 1"] {
        let ran = bench.on_disk(words).with_status(2);
        let error = &ran.json()["error"];
        says(&error["found"], "slots are named a to h");
    }
}
