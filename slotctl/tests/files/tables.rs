//! Partition tables on which others have worked, too.

use crate::bench::{Bench, sgdisk_words};
use crate::ran::says;
use std::fs::OpenOptions;

/// Adds two small partitions of others, 7 and 8.
fn add_two(bench: &Bench, names: [&str; 2]) {
    let names = [format!("7:{}", names[0]), format!("8:{}", names[1])];
    let add = ["-a", "8", "-n", "7:0:+64K", "-n", "8:0:+64K"];
    sgdisk_words(
        bench,
        &[&add[..], &["-c", &names[0], "-c", &names[1]]].concat(),
    );
}

/// Everything that a controller does with its disk works on it.
#[track_caller]
fn works(bench: &Bench) {
    assert_eq!(bench.ask("next-boot")["slot"], "a");
    assert_eq!(bench.ask("disk show")["slots"].as_array().unwrap().len(), 3);
    bench.next_install_works();
}

#[test]
fn partitions_with_the_default_names_of_gdisk_and_parted_twice_stop_nothing() {
    for name in ["Linux filesystem", "primary", "", "EFI System"] {
        let bench = Bench::new();
        add_two(&bench, [name, name]);
        works(&bench);
    }
}

#[test]
fn partitions_of_others_may_have_the_names_of_ours() {
    for names in [
        ["slot-a", "slot-b"],
        ["bootrecord", "bootrecord"],
        ["data", "data"],
    ] {
        let bench = Bench::new();
        add_two(&bench, names);
        works(&bench);
    }
}

#[test]
fn partitions_of_others_may_have_one_guid() {
    let bench = Bench::new();
    add_two(&bench, ["x", "y"]);
    let guid = "11111111-2222-4333-8444-555555555555";
    sgdisk_words(
        &bench,
        &["-u", &format!("7:{guid}"), "-u", &format!("8:{guid}")],
    );
    works(&bench);
}

#[test]
fn a_partition_with_the_guid_of_a_slot_is_refused_with_what_mends_it() {
    let bench = Bench::new();
    add_two(&bench, ["x", "y"]);
    let shown = bench.ask("disk show");
    let guid = shown["partitions"][3]["partuuid"].as_str().unwrap();
    sgdisk_words(&bench, &["-u", &format!("8:{guid}")]);
    let error = bench.refuses("install v2.slotimg", 4, "bad-gpt");
    assert_eq!(
        error["found"],
        "disk.img: GPT entries 4 and 8 have the same GUID"
    );
    says(&error["advice"], "sgdisk -u 8:R");
    sgdisk_words(&bench, &["-u", "8:R"]);
    works(&bench);
}

#[test]
fn whatever_is_refused_says_how_to_mend_it() {
    let slot_type = bootshim::layout::SLOT_TYPE.to_string();
    let ninth = format!("7:{slot_type}");
    for (words, code, mends) in [
        (
            vec!["-c", "4:slot-x"],
            "not-a-controller",
            "sgdisk -c 5:slot-",
        ),
        (
            vec!["-c", "4:slot-a"],
            "not-a-controller",
            "sgdisk -c 4:slot-",
        ),
        (
            vec!["-a", "8", "-n", "7:0:+64K", "-t", &ninth],
            "not-a-controller",
            "sgdisk -t 7:8300",
        ),
        (
            vec!["-t", "2:8300"],
            "not-a-controller",
            "sgdisk -t N:5c1e0b9a",
        ),
    ] {
        let bench = Bench::new();
        sgdisk_words(&bench, &words);
        let error = bench.refuses("status", 4, code);
        let advice = error["advice"].as_str().unwrap();
        assert!(advice.contains(mends), "{words:?}: {advice}");
    }
}

#[test]
fn a_missing_protective_mbr_is_said_by_disk_show_and_stops_nothing() {
    let bench = Bench::new();
    assert_eq!(bench.ask("disk show")["warnings"], serde_json::json!([]));
    bench.change("disk.img", |disk| disk[..512].fill(0));
    let ran = bench.does("--disk disk.img disk show");
    says(&ran.stderr, "no protective MBR");
    says(&ran.stderr, "sgdisk -e disk.img");
    let warnings = bench.ask("disk show")["warnings"].clone();
    assert_eq!(warnings.as_array().unwrap().len(), 1, "{warnings}");
    works(&bench);
    sgdisk_words(&bench, &["-e"]);
    assert_eq!(bench.ask("disk show")["warnings"], serde_json::json!([]));
}

#[test]
fn a_damaged_backup_of_the_table_is_said_by_disk_show_and_stops_nothing() {
    let bench = Bench::new();
    bench.change("disk.img", |disk| {
        let header = disk.len() - 512;
        disk[header + 60] ^= 1;
    });
    let ran = bench.does("--disk disk.img disk show");
    let said =
        "the backup of the GPT at the end of disk.img does not count: wrong checksum of the header";
    says(&ran.stderr, said);
    works(&bench);
    sgdisk_words(&bench, &["-e"]);
    assert_eq!(bench.ask("disk show")["warnings"], serde_json::json!([]));
}

/// The disk as firmware shows it that hides its end: slot c is cut in the middle.
fn cut(bench: &Bench) {
    let disk = bench.file("disk.img");
    let middle = bench.slot(2).start + (1 << 20);
    let disk = OpenOptions::new().write(true).open(disk).unwrap();
    disk.set_len(middle as u64).unwrap();
}

#[test]
fn of_a_disk_whose_end_is_hidden_the_slots_that_lie_whole_on_it_serve() {
    let bench = Bench::new();
    cut(&bench);
    let ran = bench.does("--disk disk.img status");
    let said = "its partition table was made for 12582912; beyond its end: \"slot-c\", \"data\"";
    says(&ran.stderr, said);
    assert_eq!(bench.ask("next-boot")["slot"], "a");
    bench.next_install_works();
    let shown = bench.ask("disk show");
    let whole: Vec<_> = shown["partitions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["whole"] == true)
        .collect();
    assert_eq!(whole, [true, true, true, true, false, false]);
}

#[test]
fn a_slot_that_does_not_lie_whole_on_the_disk_is_never_written() {
    let bench = Bench::new();
    cut(&bench);
    for words in [
        "install v2.slotimg --slot c",
        "install v2.slotimg --slot c --dry-run",
    ] {
        let error = bench.refuses(words, 3, "beyond-disk");
        says(&error["found"], "slot-c");
    }
}

#[test]
fn a_disk_on_which_the_boot_record_itself_is_hidden_is_refused() {
    let bench = Bench::new();
    let disk = OpenOptions::new()
        .write(true)
        .open(bench.file("disk.img"))
        .unwrap();
    disk.set_len(3 << 20).unwrap();
    let error = bench.refuses("install v2.slotimg", 4, "not-a-controller");
    says(&error["found"], "the boot record lies beyond the end");
}
