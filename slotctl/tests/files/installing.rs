//! Installs that work, from everywhere an image can come from.

use crate::bench::Bench;
use crate::ran::Ran;
use std::fs::File;

#[test]
fn an_install_goes_into_a_free_slot_and_makes_it_the_trial() {
    let bench = Bench::new();
    let done = bench.ask("install v2.slotimg");
    assert_eq!(done["schema"], "slotctl.install/1");
    assert_eq!(done["changed"], true);
    assert_eq!(done["slot"], "b");
    assert_eq!(done["state"], "trying");
    let (b, root) = (bench.slot(1), bench.read("root2"));
    assert!(bench.read("disk.img")[b.start..].starts_with(&root));
    let slot = &bench.ask("status")["slots"][1];
    assert_eq!(slot["version"], "v2");
    assert_eq!(slot["tries_left"], 3);
    bench.boots_next("next-boot", "b", "trial");
    assert_eq!(bench.ask("verify")["slots"][1]["whole"], true);
}

#[test]
fn the_known_good_slot_and_the_esp_keep_every_byte() {
    let bench = Bench::new();
    let before = bench.read("disk.img");
    bench.ask("install v2.slotimg");
    let after = bench.read("disk.img");
    let (a, b) = (bench.slot(0), bench.slot(1));
    let record = a.start - (1 << 20);
    assert!(before[..record] == after[..record], "table or ESP");
    assert!(before[a.clone()] == after[a], "slot a");
    assert!(before[b.end..] == after[b.end..], "behind slot b");
}

#[test]
fn an_image_is_installed_from_a_pipe() {
    let bench = Bench::new();
    let mut command = bench.command("--disk disk.img install -");
    command.stdin(File::open(bench.file("v2.slotimg")).unwrap());
    Ran::new("install -", &command.output().unwrap()).ok();
    assert_eq!(bench.ask("status")["slots"][1]["version"], "v2");
}

#[test]
fn a_dry_run_checks_everything_and_writes_nothing() {
    let bench = Bench::new();
    let before = bench.read("disk.img");
    let done = bench.ask("install v2.slotimg --dry-run");
    assert_eq!(done["changed"], false);
    assert_eq!(done["slot"], "b");
    assert!(before == bench.read("disk.img"));
    bench.refuses("install for-plc-5.slotimg --dry-run", 3, "wrong-compatible");
    bench.refuses("install large.slotimg --dry-run", 3, "slot-too-small");
    bench.refuses("install strangers.slotimg --dry-run", 4, "not-trusted");
}

#[test]
fn without_activation_the_slot_is_ready_and_a_later_install_only_activates_it() {
    let bench = Bench::new();
    assert_eq!(
        bench.ask("install v2.slotimg --no-activate")["state"],
        "ready"
    );
    let next = bench.ask("next-boot");
    assert_eq!(next["slot"], "a");
    assert_eq!(next["kind"], "good");
    assert_eq!(next["passed_over"][0]["reason"], "ready, not activated");
    let done = bench.ask("install v2.slotimg");
    assert_eq!(done["state"], "trying");
    assert_eq!(done["written"], 0);
    assert_eq!(done["changed"], true);
}

#[test]
fn slot_and_tries_are_what_was_asked_for() {
    let bench = Bench::new();
    assert_eq!(
        bench.ask("install v2.slotimg --slot c --tries 5")["slot"],
        "c"
    );
    assert_eq!(bench.ask("status")["slots"][2]["tries_left"], 5);
    bench.on_disk("install v3.slotimg --tries 0").with_status(2);
    bench
        .on_disk("install v3.slotimg --tries 100")
        .with_status(2);
}

#[test]
fn the_same_install_twice_writes_nothing_the_second_time() {
    let bench = Bench::new();
    bench.ask("install v2.slotimg");
    let before = bench.read("disk.img");
    let again = bench.ask("install v2.slotimg");
    assert_eq!(again["changed"], false);
    assert_eq!(again["slot"], "b");
    let ran = bench.does("--disk disk.img install v2.slotimg");
    assert_eq!(
        ran.stdout,
        "v2 is in slot b already (trying); nothing was written\n"
    );
    assert!(before == bench.read("disk.img"));
}

#[test]
fn the_image_of_a_good_slot_is_not_written_again_and_is_what_starts_next() {
    let bench = Bench::new();
    bench.ask("install v2.slotimg");
    let back = bench.ask("install v1.slotimg");
    assert_eq!(back["slot"], "a");
    assert_eq!(back["state"], "good");
    assert_eq!(back["written"], 0);
    assert_eq!(bench.ask("next-boot")["slot"], "a");
    assert_eq!(bench.ask("status")["slots"][1]["state"], "ready");
    assert_eq!(bench.ask("install v1.slotimg")["changed"], false);
}

#[test]
fn an_image_that_failed_here_is_refused_until_somebody_says_again() {
    let bench = Bench::new();
    bench.ask("install v2.slotimg --tries 1");
    assert_eq!(bench.ask("next-boot --arm")["slot"], "b");
    assert_eq!(bench.ask("next-boot --arm")["slot"], "a");
    let error = bench.refuses("install v2.slotimg", 3, "failed-before");
    assert_eq!(
        error["found"],
        "this image failed in slot b before: tries used up"
    );
    assert_eq!(bench.ask("install v2.slotimg --retry")["state"], "trying");
    assert_eq!(bench.ask("next-boot")["slot"], "b");
}

#[test]
fn a_byte_that_changes_in_a_slot_is_found_by_verify_and_by_the_next_start() {
    let bench = Bench::new();
    bench.ask("install v2.slotimg");
    // Behind the root and the two blocks of its verity tree.
    let kernel = bench.slot(1).start + 300 * 1024 + 2 * 4096 + 7;
    bench.change("disk.img", |disk| disk[kernel] ^= 4);
    let error = bench.refuses("verify", 4, "not-intact");
    assert!(error["found"].as_str().unwrap().starts_with("slot b: "));
    bench.on_disk("verify a").ok();
    let next = bench.ask("next-boot");
    assert_eq!(next["slot"], "a");
    assert_eq!(next["passed_over"][0]["reason"], "damaged: kernel");
}
