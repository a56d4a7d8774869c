//! Power cuts on real machines: every write of one machine replayed, and the
//! power of others cut for real.

use super::PLANT;
use bootshim::record::SlotId;
use hw_tests::replay::cuts::Samples;
use hw_tests::replay::power::{self, During};
use hw_tests::replay::region::Region;
use hw_tests::replay::scene::Scene;

const SEED: u64 = 1;
const SAMPLES: Samples = Samples {
    subsets: 24,
    tears: 8,
};

#[test]
fn whenever_the_power_of_a_real_machine_is_cut_a_slot_that_verifies_starts() {
    let scene = Scene::record(&PLANT, "replay").unwrap();
    let report = scene.replay.run(SAMPLES, SEED).unwrap();
    println!("{report}");
    assert_eq!(report.violations(), [""; 0]);
    assert!(report.states >= 2000, "only {} states", report.states);
    let slot_b = SlotId::new(1).unwrap();
    assert!(report.writes_to(Region::Record) > 0 && report.writes_to(Region::Slot(slot_b)) > 0);
    let mut booted = 0;
    for (number, sample) in report.samples(3).enumerate() {
        scene.start(sample, &format!("replayed-{number}")).unwrap();
        println!(
            "started for real: a cut after flush {}, {}: slot {} as {}",
            sample.after, sample.left, sample.expected.slot, sample.expected.kind
        );
        booted += 1;
    }
    println!(
        "replayed {} states, {booted} booted, 0 violations",
        report.states
    );
}

#[test]
fn a_disk_whose_power_is_cut_during_an_install_starts() {
    println!("{}", power::cut(&PLANT, During::Install, SEED).unwrap());
}

#[test]
fn a_disk_whose_power_is_cut_during_the_flip_starts() {
    println!("{}", power::cut(&PLANT, During::Flip, SEED).unwrap());
}

#[test]
fn a_disk_whose_power_is_cut_during_the_confirm_starts() {
    println!("{}", power::cut(&PLANT, During::Confirm, SEED).unwrap());
}
