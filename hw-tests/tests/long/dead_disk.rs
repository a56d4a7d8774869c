//! A second disk that is not ours, and dies.

use super::PIPELINE;
use hw_tests::machine::Machine;
use std::fs::File;
use std::time::Duration;

/// Far longer than the watchdog waits.
const LONG: Duration = Duration::from_secs(150);

#[test]
fn a_dead_disk_that_is_not_ours_does_not_stop_the_petting() {
    let disk = PIPELINE.disk("beside-a-dead-one.img", 512).unwrap();
    let other = disk.with_file_name("dead.img");
    File::create(&other).unwrap().set_len(64 << 20).unwrap();
    let machine = Machine::new("dead-disk").disk(&disk).twin(&other);
    let mut machine = machine.start().unwrap();
    machine.says("slotctl watch: this slot is not on trial");

    machine.twin_dies().unwrap();
    // SIGINT ends it alone; the watchdog stays armed.
    machine.tell("killall -INT slotctl").unwrap();
    machine.says("slotctl watch: stopped");
    machine.tell("slotctl watch >/dev/console 2>&1 &").unwrap();
    machine.says("no answer from /dev/vda within 5s");
    machine.says("slotctl watch: this slot is not on trial");
    let seen = machine.run_within("sleep 75; slotctl status --json", LONG);
    let seen = seen.unwrap();
    assert_eq!(seen.status, 0, "{}", seen.stderr);
    assert!(seen.stdout.contains("\"running\":\"a\""), "{}", seen.stdout);
    assert!(
        seen.stderr.contains("no answer from /dev/vda"),
        "{}",
        seen.stderr
    );
}
