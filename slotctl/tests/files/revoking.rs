//! An image that shuts older ones out, by the hand of the pipeline: nothing before
//! it is good, everything from then on.

use crate::bench::Bench;
use crate::ran::says;
use controller::disk::Disk;
use controller::running::Running;

/// Builds `fixed.slotimg`, of security version 2, that revokes what is below this.
fn build(bench: &Bench, below: u64) -> crate::ran::Ran {
    bench.run(&format!(
        "--json image build --rootfs root2 --kernel kernel --initrd initrd --cmdline quiet \
         --compatible plc-4 --version 5 --security-version 2 --revoke-below {below} \
         --key ours.key --out fixed.slotimg"
    ))
}

/// Slot b has it, on trial and started; slot a, good, has security version 1.
fn on_trial() -> (Bench, bootshim::handover::Handover) {
    let bench = Bench::new();
    build(&bench, 2).ok();
    bench.ask("install fixed.slotimg");
    assert_eq!(bench.ask("next-boot --arm")["kind"], "trial");
    let handover = crate::bench::handover(&bench.record());
    (bench, handover)
}

fn confirmed() -> Bench {
    let (bench, handover) = on_trial();
    let disk = Disk::open(&bench.file("disk.img")).unwrap();
    Running::new(&disk, &handover).confirm().unwrap();
    bench
}

#[test]
fn what_is_revoked_is_in_the_manifest_and_shown() {
    let bench = Bench::new();
    build(&bench, 2).ok();
    let shown = bench.does("--json image show fixed.slotimg").json();
    assert_eq!(shown["revoke_below"], 2);
    let shown = bench.does("image show fixed.slotimg").stdout;
    assert!(shown.contains("revokes below     2\n"), "{shown}");
    let nothing = bench.does("image show v1.slotimg").stdout;
    assert!(!nothing.contains("revokes"), "{nothing}");
}

#[test]
fn no_image_revokes_itself() {
    let bench = Bench::new();
    let error = build(&bench, 3).error(2, "not-built");
    says(
        &error["found"],
        "below security version 3, and its own is 2",
    );
    assert!(!bench.directory().join("fixed.slotimg").exists());
}

#[test]
fn an_image_that_is_not_good_revokes_nothing() {
    let (bench, _) = on_trial();
    for _ in 0..2 {
        assert_eq!(bench.ask("next-boot --arm")["kind"], "trial");
    }
    // It was never confirmed: the way back is open.
    bench.boots_next("next-boot --arm", "a", "good");
    bench.ask("install v3.slotimg");
}

#[test]
fn on_a_disk_that_no_controller_runs_from_the_hint_of_the_record_counts_and_is_said() {
    let bench = confirmed();
    let next = bench.ask("next-boot");
    assert_eq!(next["floor"], 1);
    assert_eq!(next["floor_source"], "record");
    let said = "floor: security version 1, by the boot record alone";
    let shown = bench.does("--disk disk.img next-boot").stdout;
    assert!(shown.contains(said), "{shown}");
    let shown = bench.does("--disk disk.img status").stdout;
    assert!(shown.contains(said), "{shown}");
}

#[test]
fn while_it_is_on_trial_what_it_revokes_is_still_installed() {
    let (bench, _) = on_trial();
    let done = bench.ask("install v3.slotimg --no-activate");
    assert_eq!(done["slot"], "c");
}

#[test]
fn once_it_is_good_nothing_below_starts_even_where_it_does_not_start_itself() {
    let bench = confirmed();
    assert_eq!(bench.ask("next-boot")["slot"], "b");
    // Its kernel lies behind the root.
    let slot = bench.slot(1);
    bench.change("disk.img", |disk| {
        let kernel = fakedisk::noise("kernel", 64);
        let within = disk[slot.clone()].windows(64).position(|w| w == kernel);
        disk[slot.start + within.unwrap()] ^= 1;
    });
    let next = bench.ask("next-boot");
    assert!(next["slot"].is_null(), "{next}");
    assert_eq!(
        next["passed_over"][0]["reason"],
        "below the floor: security version 1, the floor is 2"
    );
}

#[test]
fn once_it_is_good_nothing_below_is_installed() {
    let bench = confirmed();
    let error = bench.refuses("install v3.slotimg", 3, "below-floor");
    assert_eq!(error["found"], "image has security version 1");
    assert_eq!(error["expected"], "the good slot b revokes what is below 2");
}

#[test]
fn a_slot_that_would_not_start_is_neither_activated_nor_rolled_back_to() {
    let bench = confirmed();
    for words in ["activate a", "activate a --once"] {
        let error = bench.refuses(words, 3, "below-floor");
        assert_eq!(error["found"], "slot a has security version 1");
        assert_eq!(error["expected"], "the good slot b revokes what is below 2");
    }
    // Slot b runs, which a disk file does not say: it goes back from what is good.
    bench.refuses("rollback", 3, "below-floor");
    bench.boots_next("next-boot", "b", "good");
}

#[test]
fn below_the_floor_nothing_is_activated_nor_rolled_back_to() {
    let bench = Bench::new();
    let handover = bench.start_version_2();
    let disk = Disk::open(&bench.file("disk.img")).unwrap();
    Running::new(&disk, &handover).confirm().unwrap();
    bench.ask("rollback");
    bench.ask("activate b");
    bench.change_record(|record| record.floor = 9);
    let error = bench.refuses("rollback", 3, "below-floor");
    assert_eq!(error["expected"], "the floor of this controller is 9");
    bench.refuses("activate a", 3, "below-floor");
}
