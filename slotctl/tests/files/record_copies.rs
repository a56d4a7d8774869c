//! The four copies of the boot record, damaged, lost, or from elsewhere.

use crate::bench::{Bench, range};
use crate::samples::DISK;
use bootshim::copies::{COPIES, SPACING};
use controller::disk::Disk;
use std::ops::Range;

/// Where a copy lies on the disk.
fn copy(bench: &Bench, number: usize) -> Range<usize> {
    let disk = Disk::open(&bench.file("disk.img")).unwrap();
    let start = range(&disk.layout().record).start + number * SPACING as usize;
    start..start + 4096
}

/// A bench on which all copies say the same, and then these are damaged.
fn with_damaged(copies: &[usize]) -> Bench {
    let bench = Bench::new();
    bench.change_record(|_| {});
    for number in copies {
        let at = copy(&bench, *number).start + 100;
        bench.change("disk.img", |disk| disk[at] ^= 1);
    }
    bench
}

#[test]
fn any_one_copy_is_enough() {
    for mask in 1usize..15 {
        let damaged: Vec<usize> = (0..COPIES).filter(|n| mask >> n & 1 == 1).collect();
        let bench = with_damaged(&damaged);
        let status = bench.ask("status");
        assert_eq!(
            status["record"]["copies_valid"],
            COPIES - damaged.len(),
            "{damaged:?}"
        );
        assert_eq!(status["known_good"], "a");
        assert_eq!(bench.ask("next-boot")["slot"], "a");
        bench.next_install_works();
        assert!(
            bench.ask("status")["record"]["copies_valid"]
                .as_u64()
                .unwrap()
                >= 2
        );
    }
}

#[test]
fn without_any_copy_nothing_is_installed_until_the_record_was_made_anew() {
    let bench = with_damaged(&[0, 1, 2, 3]);
    // Nobody waits for a server before that is said.
    bench.refuses("install http://127.0.0.1:1/v2.slotimg", 4, "record-lost");
    let error = bench.refuses("install v2.slotimg", 4, "record-lost");
    assert!(
        error["advice"]
            .as_str()
            .unwrap()
            .contains("next-boot --arm")
    );
    for words in ["status", "activate a", "rollback"] {
        bench.refuses(words, 4, "record-lost");
    }
    let before = bench.read("disk.img");
    bench.boots_next("next-boot", "a", "trial");
    assert!(before == bench.read("disk.img"), "asking wrote something");

    bench.boots_next("next-boot --arm", "a", "trial");
    let status = bench.ask("status");
    assert_eq!(
        status["known_good"],
        serde_json::Value::Null,
        "success was invented"
    );
    assert_eq!(status["slots"][0]["tries_left"], 0);
    bench.next_install_works();
}

#[test]
fn a_record_copied_from_another_disk_does_not_count() {
    let bench = Bench::new();
    let seed = "3f2504e0-4f89-41d3-9a0c-0305e82c33";
    bench.does(
        &DISK
            .replace("disk.img", "other.img")
            .replace(&format!("{seed}01"), &format!("{seed}02")),
    );
    let other = bench.read("other.img");
    let record = copy(&bench, 0).start..copy(&bench, 3).end;
    bench.change("disk.img", |disk| {
        disk[record.clone()].copy_from_slice(&other[record])
    });
    let shown = bench.ask("disk show");
    let why = shown["record"]["copies"][0]["reason"].as_str().unwrap();
    assert!(why.starts_with("copied from partition "), "{why}");
    bench.refuses("install v2.slotimg", 4, "record-lost");
}

#[test]
fn a_record_of_a_later_format_is_never_overruled() {
    let bench = Bench::new();
    bench.change_record(|_| {});
    let block = copy(&bench, 3);
    bench.change("disk.img", |disk| {
        let record = &mut disk[block];
        record[8] = 2;
        let hash = blake3::hash(&record[..480]);
        record[480..512].copy_from_slice(hash.as_bytes());
    });
    for words in [
        "install v2.slotimg",
        "activate a",
        "install v2.slotimg --no-activate",
    ] {
        bench.refuses(words, 4, "unknown-format");
    }
    let before = bench.read("disk.img");
    let armed = bench.ask("next-boot --arm");
    assert_eq!(
        (&armed["slot"], &armed["changed"]),
        (&"a".into(), &false.into())
    );
    assert!(before == bench.read("disk.img"));
}
