//! Any sequence of commands and starts leaves a disk that boots.

use crate::bench::Bench;
use bootshim::state;
use controller::disk::Disk;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// A start after which production runs well.
const GOOD_START: &str = "next-boot --arm, and confirm";

/// What people, pipelines and machines do to a disk.
const STEPS: &[&str] = &[
    "install v1.slotimg --retry",
    "install v2.slotimg",
    "install v3.slotimg --tries 1",
    "install v2.slotimg --no-activate --retry",
    "install v3.slotimg --slot a",
    "install v2.slotimg --slot c --retry",
    "install strangers.slotimg",
    "activate a",
    "activate b --tries 1",
    "activate c",
    "activate b --once",
    "activate c --once",
    "rollback",
    "next-boot --arm",
    "next-boot --arm",
    GOOD_START,
    GOOD_START,
    GOOD_START,
];

/// The system that was started confirms its trial; whether it may is for the
/// record to say.
fn confirm(bench: &Bench) {
    let disk = Disk::open(&bench.file("disk.img")).unwrap();
    let _ = disk.update(|record, note| {
        let slot = record.armed.map(|armed| armed.slot);
        let slot = slot.or_else(|| record.known_good()).unwrap();
        let running = record.slot(slot).manifest;
        Ok((state::confirm(record, slot, &running)?, note))
    });
}

#[test]
fn whatever_happens_in_whatever_order_the_disk_boots_and_what_boots_is_whole() {
    let config = Config {
        cases: 16,
        failure_persistence: None,
        ..Config::default()
    };
    let same_each_time = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let walks = prop::collection::vec(select(STEPS), 12);
    let mut runner = TestRunner::new_with_rng(config, same_each_time);
    runner.run(&walks, |steps| walk(&steps)).unwrap();
}

fn walk(steps: &[&str]) -> Result<(), TestCaseError> {
    let bench = Bench::new();
    let mut sequence = 0;
    for step in steps {
        if *step == GOOD_START {
            bench.ask("next-boot --arm");
            confirm(&bench);
        } else {
            let status = bench.on_disk(step).status;
            prop_assert!([0, 3, 4].contains(&status), "{}: {}", step, status);
        }
        let status = bench.ask("status");
        prop_assert!(
            status["known_good"].is_string(),
            "no good slot after {}",
            step
        );
        prop_assert!(status["record"]["sequence"].as_u64() >= Some(sequence));
        sequence = status["record"]["sequence"].as_u64().unwrap();
        prop_assert!(
            bench.ask("next-boot")["slot"].is_string(),
            "nothing boots after {}",
            step
        );
        prop_assert_eq!(bench.on_disk("verify").status, 0, "after {}", step);
    }
    Ok(())
}
