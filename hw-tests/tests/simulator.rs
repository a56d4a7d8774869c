//! No power cut gets through: every write and flush of bootshim and slotctl is
//! cut, torn, reordered, lost, and cut again. `make test` builds this optimised.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hw_tests::machine::target;
use hw_tests::sim::{Case, Depth, Promise, Report, World, explore, renewals};
use std::sync::LazyLock;

/// Every disk, explored once for all tests.
static REPORT: LazyLock<Report> = LazyLock::new(|| {
    let mut report = Report::default();
    for world in World::all(Depth::Quick) {
        let part = explore(&world, &|_| ());
        say(&format!(
            "simulator: {world}: {} crash states",
            part.crashes()
        ));
        report.add(part);
    }
    report.count_distinct();
    say(&report.to_string());
    report
});

fn say(words: &str) {
    hw_tests::say(words).unwrap();
}

#[track_caller]
fn holds(promise: Promise) {
    let count = REPORT.by_promise.get(&promise).copied().unwrap_or_default();
    assert!(count.tried > 0, "never tried: {}", promise.words());
    let first = REPORT.violations.iter().find(|v| v.promise == promise);
    let first = first.map(ToString::to_string).unwrap_or_default();
    assert_eq!(count.failed, 0, "{}\n{first}", promise.words());
}

macro_rules! promises {
    ($($name:ident: $promise:ident,)*) => {
        $(
            #[test]
            fn $name() {
                holds(Promise::$promise);
            }
        )*
    };
}

promises! {
    from_the_first_good_slot_on_there_is_one: OneGood,
    bytes_of_a_slot_change_only_while_it_is_writing: OnlyWriting,
    no_trial_and_no_one_shot_starts_before_that_is_durable: Durable,
    after_any_cut_the_next_boot_reaches_a_slot_that_verifies: Verified,
    nothing_starts_unsigned_or_below_the_floor: Signed,
    sequence_number_and_floor_never_fall: Rising,
    a_one_shot_is_cleared_in_the_commit_that_arms_it: OnceCleared,
    failing_trials_end_in_the_good_slot_in_time: ComesBack,
    an_orderly_shutdown_costs_a_trial_no_try: TryGivenBack,
    a_command_twice_is_one_and_a_killed_one_blocks_nothing: SameEnd,
    the_floor_of_the_firmware_never_falls_and_nothing_starts_below_it: FloorHolds,
    a_floor_that_rises_shuts_out_no_good_slot: WayBack,
    the_third_reset_in_a_row_leads_to_the_next_good_slot: Left,
    starts_that_never_come_up_lead_to_the_next_good_slot_and_power_cuts_never_do: NeverUp,
    what_was_good_stays_good_until_it_fails: StaysGood,
    what_a_command_says_starts_next_starts: Starts,
    without_a_good_slot_what_runs_well_becomes_it_and_what_may_start_is_kept: Heals,
}

#[test]
fn five_million_disks_are_tried_and_one_million_of_them_differ() {
    assert!(REPORT.crashes() >= 5_000_000, "{}", REPORT.crashes());
    assert!(REPORT.distinct() >= 1_000_000, "{}", REPORT.distinct());
}

#[test]
fn no_kind_of_fault_fails_and_each_is_tried() {
    for (number, count) in &REPORT.by_fault {
        assert_eq!(count.failed, 0, "kind {number}");
    }
    assert_eq!(REPORT.by_fault.len(), 6);
}

#[test]
fn every_operation_is_cut() {
    let operations: Vec<_> = REPORT.by_operation.keys().copied().collect();
    let expected = [
        "activate",
        "boot",
        "confirm",
        "confirm during install",
        "damaged root",
        "deadline",
        "install",
        "install of a delta",
        "once",
        "orderly shutdown",
        "provision",
        "reject",
        "reset by the watchdog",
        "rollback",
        "up",
    ];
    assert_eq!(operations, expected);
}

/// FAT16, and FAT32 with the root directory in a cluster.
#[test]
fn a_bootshim_that_is_replaced_leaves_a_whole_one_wherever_it_is_cut() {
    for esp in [2, 64] {
        let cut = renewals(&target().join("bootshim/BOOTX64.EFI"), esp);
        say(&format!("ESP of {esp} MiB: {cut}"));
        assert_eq!(cut.violations, Vec::<String>::new());
        assert!(cut.crashes > 1000 && cut.new > 0 && cut.second > 0, "{cut}");
    }
}

#[test]
fn a_case_is_read_as_it_is_printed() {
    for text in ["quick:2:15:3:1042", "full:3f:15:3:1042"] {
        assert_eq!(text.parse::<Case>().unwrap().to_string(), text);
    }
    for wrong in ["", "quick", "quick:2:1:1", "often:2:1:1:1", "quick:9:1:1:1"] {
        assert!(wrong.parse::<Case>().is_err(), "{wrong}");
    }
}
