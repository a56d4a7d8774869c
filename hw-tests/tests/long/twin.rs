//! A second disk with the same GUIDs, plugged in before the first: a copy of the
//! disk that somebody left in the machine, or put there.

use super::PIPELINE;
use hw_tests::machine::{Cause, Machine};
use std::fs;
use std::path::Path;

fn digest(disk: &Path) -> blake3::Hash {
    blake3::hash(&fs::read(disk).unwrap())
}

#[test]
fn of_two_disks_with_the_same_guids_none_is_taken_for_the_other() {
    let disk = PIPELINE.disk("own.img", 512).unwrap();
    let twin = disk.with_file_name("twin.img");
    fs::copy(&disk, &twin).unwrap();
    // Whatever is taken from it shows: another version, and a trial.
    let words = ["install", "v2.slotimg"];
    PIPELINE.slotctl_on(&twin, &words).unwrap();
    let before = digest(&twin);

    let mut machine = Machine::new("twin")
        .disk(&disk)
        .twin(&twin)
        .start()
        .unwrap();
    // bootshim goes by where it was loaded from, not by GUIDs.
    machine.says("starting slot a, version 1.0, as good");
    // Linux cannot know which is which, and mounts nothing of either.
    let said = machine.says("both have the boot record");
    for node in ["/dev/vda", "/dev/vdb"] {
        assert!(said.text.contains(node), "{}", said.text);
    }
    machine.says("unplug one");
    machine.says("no root");
    machine.restarts(Cause::Watchdog);
    machine.says("starting slot a, version 1.0, as good");
    drop(machine);
    assert_eq!(digest(&twin), before, "the twin was written to");

    // Once it is unplugged, all is as before.
    let mut machine = Machine::new("twin-gone").disk(&disk).start().unwrap();
    machine.says("a damaged block is a read error");
    let (code, _) = machine.get("/").unwrap();
    assert_eq!(code, 200, "production runs");
    let status = machine.status().unwrap();
    assert_eq!(status["running"], "a", "{status}");
}
