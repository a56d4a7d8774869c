//! A good slot that restarts again and again before it is up, and not by the
//! watchdog; a disk whose record is lost.

use super::two_good;
use hw_tests::machine::{Cause, Machine};
use std::time::Duration;

const UP: Duration = Duration::from_secs(120);

/// `watch` stands still, so that nothing says that the system is up.
fn restart_before_it_is_up(machine: &mut Machine) {
    machine.run("killall -STOP slotctl").unwrap();
    machine.tell("reboot -f").unwrap();
    machine.restarts(Cause::Reboot);
}

#[test]
fn a_good_slot_that_restarts_itself_three_times_before_it_is_up_is_left_for_the_other_one() {
    let disk = two_good("never-up");
    let mut machine = Machine::new("never-up").disk(&disk).start().unwrap();
    machine.says("starting slot b, version 2.0, as good");
    machine
        .expect("slotctl watch: the system is up", UP)
        .unwrap();
    // From now on it is known to say so. A restart in order counts for nothing.
    machine.tell("reboot").unwrap();
    machine.restarts(Cause::Reboot);
    for before in 0..3 {
        if before > 0 {
            let said = format!("good slot b never said that it is up: {before} starts in a row");
            machine.says(&said);
        }
        machine.says("starting slot b, version 2.0, as good");
        machine.says("slotctl watch: this slot is not on trial");
        restart_before_it_is_up(&mut machine);
    }
    machine.says("slot b passed over: it never came up, again and again");
    machine.says("starting slot a, version 1.0, as good");
    let status = machine.status().unwrap();
    assert_eq!(status["running"], "a", "{status}");
    assert_eq!(status["slots"][1]["state"], "good", "{status}");
    assert_eq!(
        status["last_failure"]["reason"],
        "it never came up, again and again"
    );
}

#[test]
fn mains_that_dip_four_times_in_a_start_do_not_lead_to_an_older_version() {
    let disk = two_good("dips");
    let started = || {
        let mut machine = Machine::new("dips").disk(&disk).start().unwrap();
        machine.says("starting slot b, version 2.0, as good");
        machine
    };
    // It says once that it is up, so that it counts when it does not.
    started()
        .expect("slotctl watch: the system is up", UP)
        .unwrap();
    for _ in 0..4 {
        drop(started());
    }
    started()
        .expect("slotctl watch: the system is up", UP)
        .unwrap();
}
