//! Shutdowns in order that take longer than the watchdog waits.

use super::{on_trial, two_good};
use hw_tests::machine::{Cause, Machine, START};
use std::time::Duration;

/// Production stops 75 s from now, which is more than the 30 s of the demo OS' watchdog
/// and less than the default of `shutdown_max`. Who lets it go on is no victim of the
/// shutdown before.
const SLOW: &str = "killall -STOP httpd; trap '' TERM; \
    (sleep 75; killall -CONT httpd) >/dev/null 2>&1 & trap - TERM";

#[test]
fn a_shutdown_that_takes_longer_than_the_watchdog_waits_ends_by_itself() {
    let mut machine = on_trial("slow-shutdown");
    machine.run(SLOW).unwrap();
    machine.tell("reboot").unwrap();
    let patience = START + Duration::from_secs(75);
    machine.says("the shutdown has 30min; then the watchdog ends it");
    assert_eq!(machine.next_start(patience).unwrap().cause, Cause::Reboot);
    machine.says("as trial, 2 tries left after this one");
}

/// Production does not stop, and process 1 waits for it.
#[test]
fn shutdowns_that_hang_end_in_the_watchdog_and_never_lead_to_an_older_version() {
    let disk = two_good("hung-shutdowns");
    let mut machine = Machine::new("hung-shutdowns").disk(&disk).start().unwrap();
    for _ in 0..3 {
        machine.says("starting slot b, version 2.0, as good");
        machine.says("slotctl watch: this slot is not on trial");
        shorten(&mut machine);
        machine.tell("killall -STOP httpd; reboot").unwrap();
        machine.says("the shutdown has 10s; then the watchdog ends it");
        machine.says("the shutdown has not ended within 10s");
        machine.restarts(Cause::Watchdog);
    }
    machine.says("starting slot b, version 2.0, as good");
    assert_eq!(machine.status().unwrap()["running"], "b");
}

/// Another `watch` with ten seconds for a shutdown, in place of the one that runs;
/// what that says when a person stops it is what the chip does.
fn shorten(machine: &mut Machine) {
    machine.run("killall -INT slotctl").unwrap();
    machine.says("the watchdog stays armed, because its driver lets nobody stop it");
    let words = "sed 's/^timeout = \"30s\"/&\\nshutdown_max = \"10s\"/' \
        /etc/slotctl/slotctl.toml >/tmp/slotctl.toml; \
        slotctl --config /tmp/slotctl.toml watch >/dev/console 2>&1 &";
    machine.run(words).unwrap();
    machine.says("slotctl watch: this slot is not on trial");
}

/// Where nobody says whether the system goes down, a stop is taken for a shutdown; and
/// then `watch` is back.
#[test]
fn a_watch_that_begins_again_takes_the_watchdog_back_from_who_was_left_behind() {
    let disk = two_good("watch-again");
    let mut machine = Machine::new("watch-again").disk(&disk).start().unwrap();
    machine.says("slotctl watch: this slot is not on trial");
    machine.run("killall slotctl").unwrap();
    machine.says("the shutdown has 30min; then the watchdog ends it");
    let keeper = |machine: &mut Machine| machine.run("pidof slotctl-keeper").unwrap().status == 0;
    assert!(keeper(&mut machine));
    machine.run("slotctl watch >/dev/console 2>&1 &").unwrap();
    machine.says("slotctl watch: this slot is not on trial");
    assert!(!keeper(&mut machine));
    let log = machine.run("slotctl log").unwrap().stdout;
    assert!(!log.contains("watchdog-busy"), "{log}");
}
