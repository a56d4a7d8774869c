//! One start after the other, as bootshim would make them: `next-boot --arm`
//! commits what bootshim commits.

use crate::bench::Bench;
use serde_json::{Value, json};

/// Slot and kind of the start that `--arm` makes.
fn start(bench: &Bench) -> (String, String) {
    let next = bench.ask("next-boot --arm");
    let word = |field: &str| next[field].as_str().unwrap_or("none").to_owned();
    (word("slot"), word("kind"))
}

#[track_caller]
fn starts(bench: &Bench, slot: &str, kind: &str) {
    assert_eq!(start(bench), (slot.to_owned(), kind.to_owned()));
}

fn state(bench: &Bench, slot: usize) -> Value {
    bench.ask("status")["slots"][slot]["state"].clone()
}

/// A bench on which version 2 failed in slot b.
fn with_bad_b() -> Bench {
    let bench = Bench::new();
    bench.ask("install v2.slotimg --tries 1");
    starts(&bench, "b", "trial");
    starts(&bench, "a", "good");
    bench
}

#[test]
fn a_trial_that_is_never_confirmed_uses_up_its_tries_and_goes_back() {
    let bench = Bench::new();
    bench.ask("install v2.slotimg");
    for left in [2, 1, 0] {
        starts(&bench, "b", "trial");
        assert_eq!(bench.ask("status")["slots"][1]["tries_left"], left);
    }
    starts(&bench, "a", "good");
    let status = bench.ask("status");
    assert_eq!(status["slots"][1]["state"], "bad");
    assert_eq!(status["slots"][1]["reason"], "tries used up");
    assert_eq!(status["last_failure"]["slot"], "b");
    assert_eq!(status["next"], "a");
    assert_eq!(status["known_good"], "a");
}

#[test]
fn a_steady_good_start_writes_nothing() {
    let bench = Bench::new();
    let before = bench.read("disk.img");
    for _ in 0..3 {
        let next = bench.ask("next-boot --arm");
        assert_eq!(next["slot"], "a");
        assert_eq!(next["changed"], false);
    }
    assert!(before == bench.read("disk.img"));
}

#[test]
fn asking_what_boots_next_writes_nothing_whatever_that_is() {
    let bench = Bench::new();
    bench.ask("install v2.slotimg");
    bench.ask("activate b --once");
    let before = bench.read("disk.img");
    assert_eq!(bench.ask("next-boot")["kind"], "once");
    bench.ask("status");
    bench.ask("disk show");
    bench.ask("verify");
    assert!(before == bench.read("disk.img"));
}

#[test]
fn a_one_shot_starts_once() {
    let bench = Bench::new();
    bench.ask("install v2.slotimg --no-activate");
    bench.ask("activate b --once");
    assert_eq!(bench.ask("status")["once"], "b");
    starts(&bench, "b", "once");
    starts(&bench, "a", "good");
    assert_eq!(state(&bench, 1), "ready");
}

#[test]
fn a_rollback_during_a_trial_ends_it() {
    let bench = Bench::new();
    bench.ask("install v2.slotimg");
    starts(&bench, "b", "trial");
    let done = bench.ask("rollback");
    assert_eq!(done["slot"], "a");
    assert_eq!(done["state"], "good");
    assert_eq!(state(&bench, 1), "ready");
    starts(&bench, "a", "good");
}

#[test]
fn without_another_good_slot_there_is_no_rollback() {
    Bench::new().refuses("rollback", 3, "no-other-good");
}

#[test]
fn activating_another_slot_makes_the_trial_ready() {
    let bench = Bench::new();
    bench.ask("install v2.slotimg");
    bench.ask("install v3.slotimg --no-activate");
    bench.ask("activate c --tries 2");
    assert_eq!(
        (state(&bench, 1), state(&bench, 2)),
        (json!("ready"), json!("trying"))
    );
    starts(&bench, "c", "trial");
    assert_eq!(bench.ask("status")["slots"][2]["tries_left"], 1);
    bench.ask("activate a");
    assert_eq!(state(&bench, 2), "ready");
    starts(&bench, "a", "good");
}

#[test]
fn activating_what_is_the_trial_already_writes_nothing() {
    let bench = Bench::new();
    bench.ask("install v2.slotimg");
    let before = bench.read("disk.img");
    assert_eq!(bench.ask("activate b")["changed"], false);
    assert!(before == bench.read("disk.img"));
}

#[test]
fn a_slot_without_an_image_is_not_activated() {
    let bench = Bench::new();
    assert_eq!(
        bench.refuses("activate b", 3, "wrong-state")["found"],
        "slot b is empty"
    );
    bench.refuses("activate b --once", 3, "wrong-state");
}

#[test]
fn a_bad_slot_becomes_the_trial_again_only_if_every_byte_is_right() {
    let bench = with_bad_b();
    bench.ask("activate b");
    starts(&bench, "b", "trial");

    let bench = with_bad_b();
    let at = bench.slot(1).start + 1000;
    bench.change("disk.img", |disk| disk[at] ^= 1);
    bench.refuses("activate b", 4, "not-intact");
}

#[test]
fn only_the_running_system_confirms_or_rejects() {
    let bench = Bench::new();
    bench.ask("install v2.slotimg");
    bench.refuses("confirm", 3, "not-running");
    bench.refuses("reject --reason broken", 3, "not-running");
}

#[test]
fn a_damaged_trial_is_bad_at_its_first_start_and_says_why() {
    let bench = Bench::new();
    bench.ask("install v2.slotimg");
    let manifest = bench.slot(1).end - 60_000;
    bench.change("disk.img", |disk| disk[manifest] ^= 1);
    starts(&bench, "a", "good");
    let slot = &bench.ask("status")["slots"][1];
    assert_eq!(slot["state"], "bad");
    assert!(slot["reason"].is_string());
}

#[test]
fn a_roll_back_that_is_called_off_leaves_the_way_back() {
    let bench = Bench::new();
    let running = bench.start_version_2();
    let disk = controller::disk::Disk::open(&bench.file("disk.img")).unwrap();
    let running = controller::running::Running::new(&disk, &running);
    running.confirm().unwrap();
    for _ in 0..2 {
        assert_eq!(bench.ask("rollback")["slot"], "a");
        let slot = bench.ask("status")["slots"][0].clone();
        assert_eq!(
            (&slot["state"], &slot["good_before"]),
            (&"trying".into(), &true.into())
        );
    }
    bench.ask("activate b");
    let status = bench.ask("status");
    let states = [0, 1].map(|slot| status["slots"][slot]["state"].clone());
    assert_eq!(states, ["good", "good"]);
    assert_eq!(status["known_good"], "b");
    bench.ask("rollback");
}
