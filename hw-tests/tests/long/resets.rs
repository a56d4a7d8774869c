//! A good slot that dies again and again after its start.

use super::two_good;
use hw_tests::machine::{Cause, Machine};

#[test]
fn a_good_slot_that_the_watchdog_resets_three_times_in_a_row_is_left_for_the_other_one() {
    let disk = two_good("hangs-again");
    let mut machine = Machine::new("hangs-again").disk(&disk).start().unwrap();
    for before in 0..3 {
        if before > 0 {
            let counted = format!("good slot b, {before} in a row");
            machine.says(&counted);
        }
        machine.says("starting slot b, version 2.0, as good");
        machine.says("slotctl watch: this slot is not on trial");
        machine.run("killall -STOP slotctl").unwrap();
        machine.restarts(Cause::Watchdog);
    }
    machine.says("starting slot a, version 1.0, as good");
    let status = machine.status().unwrap();
    assert_eq!(status["running"], "a", "{status}");
    assert_eq!(status["slots"][1]["state"], "good", "{status}");
    assert_eq!(status["watchdog"]["armed"], "i6300esb", "{status}");
    assert_eq!(status["watchdog"]["last_reset"], "watchdog", "{status}");
}
