//! A good slot that dies again and again after its start.

use super::{status, two_good};
use hw_tests::machine::{Cause, Machine, START};

#[test]
fn a_good_slot_that_the_watchdog_resets_three_times_in_a_row_is_left_for_the_other_one() {
    let disk = two_good("hangs-again");
    let mut machine = Machine::new("hangs-again").disk(&disk).start().unwrap();
    for before in 0..3 {
        if before > 0 {
            let counted = format!("good slot b, {before} in a row");
            machine.expect(&counted, START).unwrap();
        }
        machine
            .expect("starting slot b, version 2.0, as good", START)
            .unwrap();
        machine
            .expect("slotctl watch: this slot is not on trial", START)
            .unwrap();
        machine.run("killall -STOP slotctl").unwrap();
        let next = machine.next_start(START).unwrap();
        assert_eq!(next.cause, Cause::Watchdog, "after {before}");
    }
    machine
        .expect("starting slot a, version 1.0, as good", START)
        .unwrap();
    let status = status(&mut machine);
    assert_eq!(status["running"], "a", "{status}");
    assert_eq!(status["slots"][1]["state"], "good", "{status}");
    assert_eq!(status["watchdog"]["armed"], "i6300esb", "{status}");
    assert_eq!(status["watchdog"]["last_reset"], "watchdog", "{status}");
}
