//! How the arguments of a command line are understood, and what is said of wrong ones.

use crate::bench::Bench;
use crate::ran::says;
use std::fs;

#[test]
fn a_wrong_word_is_told_to_a_program_as_any_other_failure() {
    let bench = Bench::new();
    for (words, schema) in [
        ("install v2.slotimg --slot z --json", "install"),
        ("--json install", "install"),
        (
            "install v2.slotimg --no-activate --reboot --json",
            "install",
        ),
        ("--json image build --rootfs root1", "image-build"),
        ("--json --disk disk.img activate z", "activate"),
        ("--json frobnicate", "usage"),
        ("--json --disk", "usage"),
        ("--json", "usage"),
    ] {
        let ran = bench.run(words).with_status(2);
        assert_eq!(ran.stderr, "", "{words}");
        let answer = ran.json();
        assert_eq!(answer["schema"], format!("slotctl.{schema}/1"), "{words}");
        assert_eq!(answer["error"]["code"], "usage");
        assert_eq!(answer["error"]["exit"], 2);
        assert_ne!(answer["error"]["found"], "");
    }
}

#[test]
fn a_file_may_stand_before_and_behind_the_trusted_keys() {
    let bench = Bench::new();
    for words in [
        "image verify v1.slotimg --trust stranger.pub ours.pub",
        "image verify --trust stranger.pub --trust ours.pub v1.slotimg",
        "image verify --trust stranger.pub ours.pub v1.slotimg --quiet",
        "bootshim trust --out with-keys --trust ours.pub BOOTX64.EFI",
        "disk create --size 64MiB --bootshim with-keys --trust ours.pub new.img",
    ] {
        bench.does(words);
    }
    let ran = bench.run("image verify --trust ours.pub").with_status(2);
    says(&ran.stderr, "<FILE>");
}

#[test]
fn every_command_but_install_and_log_answers_a_program_with_one_object() {
    let bench = Bench::new();
    for words in [
        "verify",
        "image verify v1.slotimg --trust ours.pub",
        "image build --rootfs root1 --kernel kernel --cmdline quiet --compatible plc-4 \
         --version 1 --out new.slotimg",
        "disk create new.img --size 64MiB --bootshim BOOTX64.EFI --trust ours.pub \
         --image v1.slotimg",
    ] {
        let ran = bench.on_disk(words).ok();
        assert_eq!(ran.stdout.lines().count(), 1, "{words}: {}", ran.stdout);
    }
}

#[test]
fn a_watchdog_is_given_in_whole_seconds() {
    let build = "image build --rootfs root1 --kernel kernel --cmdline quiet --compatible plc-4 \
                 --version 1 --out new.slotimg --watchdog";
    let bench = Bench::new();
    for duration in ["0s", "500ms", "1500ms", "60", "31d"] {
        let ran = bench.run(&format!("{build} {duration}")).with_status(2);
        assert!(!bench.directory().join("new.slotimg").exists());
        says(&ran.stderr, "--watchdog");
    }
    bench.does(&format!("{build} 2min"));
    let shown = bench.does("--json image show new.slotimg").json();
    assert_eq!(shown["watchdog_seconds"], 120);
}

#[test]
fn one_damaged_slot_is_named_and_the_others_are_verified_all_the_same() {
    let bench = Bench::new();
    bench.on_disk("install v2.slotimg").ok();
    let a = bench.slot(0);
    bench.change("disk.img", |disk| disk[a.start + 5000] ^= 1);
    let answer = bench.on_disk("verify").with_status(4).json();
    assert_eq!(answer["error"]["code"], "not-intact");
    let whole: Vec<_> = (0..2).map(|slot| &answer["slots"][slot]["whole"]).collect();
    assert_eq!(whole, [false, true]);
    let ran = bench.run("--disk disk.img verify").with_status(4);
    assert_eq!(ran.stdout, "slot b: v2 is whole\n");
    assert!(ran.complaint().starts_with("slotctl: slot a: "));
}

#[test]
fn a_folder_in_the_place_of_a_file_is_wrong_use_everywhere() {
    let bench = Bench::new();
    fs::create_dir(bench.directory().join("folder")).unwrap();
    for command in [
        "key show folder",
        "image tbs folder",
        "image sign folder --key ours.key",
        "image verify folder --trust ours.pub",
        "disk create new.img --size 64MiB --bootshim folder",
        "bootshim trust BOOTX64.EFI --trust ours.pub --out folder",
    ] {
        bench.on_disk(command).error(2, "not-a-file");
    }
}

#[test]
fn a_first_image_needs_a_key_and_no_temporary_name_is_told() {
    let bench = Bench::new();
    let create = "disk create new.img --size 64MiB --bootshim BOOTX64.EFI --image v1.slotimg";
    let answer = bench.on_disk(create).with_status(4).json();
    assert_eq!(answer["error"]["code"], "no-trusted-keys");
    assert_eq!(answer["error"]["found"], "BOOTX64.EFI trusts no key");
    for command in [
        "disk create no/new.img --size 64MiB --bootshim BOOTX64.EFI",
        "bootshim trust BOOTX64.EFI --trust ours.pub --out no/new",
    ] {
        let ran = bench.on_disk(command).with_status(2);
        says(&ran.stdout, "No such file");
        assert!(!ran.stdout.contains(".slotctl-"), "{}", ran.stdout);
    }
}
