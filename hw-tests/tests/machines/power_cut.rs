//! Power cuts on real machines: every write of one machine replayed, and the
//! power of others cut for real.

use super::PIPELINE;
use bootshim::record::SlotId;
use hw_tests::machine::{Bus, Point};
use hw_tests::power_cut::cuts::Samples;
use hw_tests::power_cut::power::{self, Cut, During};
use hw_tests::power_cut::recording::Recording;
use hw_tests::power_cut::region::Region;
use std::os::unix::fs::FileExt;

const SEED: u64 = 1;
const SAMPLES: Samples = Samples {
    subsets: 24,
    tears: 8,
};

fn say(words: &str) {
    hw_tests::say(words).unwrap();
}

#[test]
fn whenever_the_power_of_a_real_machine_is_cut_a_slot_that_verifies_starts() {
    let recording = Recording::record(&PIPELINE, "replay", Bus::Virtio).unwrap();
    let report = recording.log.run(SAMPLES, SEED).unwrap();
    assert_eq!(report.violations(), [""; 0]);
    assert!(report.states >= 2000, "only {} states", report.states);
    let slot_b = SlotId::new(1).unwrap();
    assert!(report.writes_to(Region::Record) >= 8 && report.writes_to(Region::Slot(slot_b)) > 30);

    let lying = recording.log.with_lies().unwrap();
    let few = Samples {
        subsets: 0,
        tears: 0,
    };
    let found = lying.run(few, SEED).unwrap();
    let half_written = |words: &String| words.contains("slot b") && words.contains("as trial");
    assert!(
        found.violations().iter().any(half_written),
        "a drive that flushes nothing before the flip is not found out: {:?}",
        found.violations()
    );

    let mut booted = 0;
    for (number, sample) in report.samples(3).enumerate() {
        recording
            .start(sample, &format!("replayed-{number}"))
            .unwrap();
        booted += 1;
    }
    say(&report.words(booted));
}

fn cut(during: During, seed: u64) -> Cut {
    let cut = power::cut(&PIPELINE, during, seed).unwrap();
    say(&cut.to_string());
    cut
}

#[test]
fn a_disk_that_loses_power_during_an_install_starts_and_has_lost_what_was_not_flushed() {
    let cut = cut(During::Install, 2);
    assert_eq!(cut.moment.point, Point::Write);
    let disk = std::fs::File::open(&cut.disk).unwrap();
    // The system on it flushes now and then: of the write at which the power was
    // cut it is certain that no flush came after it.
    let mut last = [1; 4096];
    disk.read_exact_at(&mut last, cut.last_write).unwrap();
    assert_eq!(last, [0; 4096], "what was never flushed is on the disk");
}

#[test]
fn a_disk_that_loses_power_during_the_flip_starts() {
    cut(During::Flip, SEED);
}

#[test]
fn a_disk_that_loses_power_during_the_confirm_starts() {
    cut(During::Confirm, SEED);
}
