//! The root through dm-verity.

use super::PIPELINE;
use hw_tests::damage;
use hw_tests::machine::{Cause, Machine};

#[test]
fn a_trial_with_one_flipped_bit_in_its_root_is_left_for_the_good_slot() {
    let disk = PIPELINE.disk("verity.img", 512).unwrap();
    let install = ["install", "v2.slotimg"];
    PIPELINE.slotctl_on(&disk, &install).unwrap();
    damage::flip(&disk, "b".parse().unwrap(), 1_000_000).unwrap();

    let mut machine = Machine::new("verity").disk(&disk).start().unwrap();
    machine.says("starting slot b, version 2.0, as trial");
    // 1000000 lies in the block at 999424.
    machine.says("the block at 999424 is not the one that was signed");
    machine.restarts(Cause::Reboot);
    machine.says("starting slot a, version 1.0, as good");
    machine.says("the root is /dev/mapper/slotctl-root: slot a, version 1.0");
    let root = machine.run("grep ' / erofs ' /proc/mounts").unwrap().stdout;
    assert!(
        root.starts_with("/dev/mapper/slotctl-root / erofs ro"),
        "{root}"
    );
    let status = machine.status().unwrap();
    assert_eq!(status["running"], "a");
    assert_eq!(status["slots"][1]["state"], "bad");
    assert_eq!(status["slots"][1]["reason"], "damaged");
    let note = machine.run("slotctl status").unwrap().stdout;
    assert!(note.contains("the block at 999424"), "{note}");
}
