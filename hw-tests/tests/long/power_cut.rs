//! Power cuts on real machines, on every bus and many times.

use super::PIPELINE;
use hw_tests::machine::Bus;
use hw_tests::power_cut::cuts::Samples;
use hw_tests::power_cut::power::{self, During};
use hw_tests::power_cut::recording::{Recording, comes_up};

const SAMPLES: Samples = Samples {
    subsets: 60,
    tears: 40,
};
/// How many disks of one recording are started for real.
const STARTED: usize = 5;
/// How many times the power is cut during one thing.
const CUTS: u64 = 6;

fn say(words: &str) {
    hw_tests::say(words).unwrap();
}

fn every_cut(name: &str, bus: Bus) {
    let recording = Recording::record(&PIPELINE, name, bus).unwrap();
    let report = recording.log.run(SAMPLES, 2).unwrap();
    assert_eq!(report.violations(), [""; 0]);
    let mut booted = 0;
    for (number, sample) in report.samples(STARTED).enumerate() {
        recording
            .start(sample, &format!("{name}-{number}"))
            .unwrap();
        booted += 1;
    }
    assert_eq!(booted, STARTED);
    say(&format!("{bus:?}: {}", report.words(booted)));
}

#[test]
fn whenever_the_power_is_cut_a_slot_that_verifies_starts_from_virtio() {
    every_cut("replay-virtio", Bus::Virtio);
}

#[test]
fn whenever_the_power_is_cut_a_slot_that_verifies_starts_from_nvme() {
    every_cut("replay-nvme", Bus::Nvme);
}

#[test]
fn whenever_the_power_is_cut_a_slot_that_verifies_starts_from_ahci() {
    every_cut("replay-ahci", Bus::Ahci);
}

fn cuts(during: During) {
    for seed in 1..=CUTS {
        let cut = power::cut(&PIPELINE, during, seed).unwrap();
        say(&cut.to_string());
        let name = format!("after-{during:?}-{seed}").to_lowercase();
        comes_up(PIPELINE.machine(&name).disk(&cut.disk), &cut.started).unwrap();
    }
}

#[test]
fn a_disk_that_loses_power_while_a_trial_is_armed_comes_up() {
    cuts(During::Boot);
}

#[test]
fn a_disk_that_loses_power_during_an_install_comes_up() {
    cuts(During::Install);
}

#[test]
fn a_disk_that_loses_power_during_the_flip_comes_up() {
    cuts(During::Flip);
}

#[test]
fn a_disk_that_loses_power_during_the_confirm_comes_up() {
    cuts(During::Confirm);
}

/// What starts then is started by the bootshim from before or by the new one.
#[test]
fn a_disk_that_loses_power_while_a_bootshim_takes_the_place_of_another_comes_up() {
    cuts(During::Renewal);
}
