use super::*;
use crate::events::Events;
use crate::probe::Trouble;
use config::{Check, Importance, Target};
use controller::error::{Error, Result};
use std::path::{Path, PathBuf};

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A record that writes down what was done to it.
#[derive(Default)]
struct FakeTrial {
    on_trial: bool,
    /// It is on trial once, when it is asked first.
    ended_by_a_command: bool,
    /// So many reads and writes fail first.
    broken_reads: u32,
    broken_writes: u32,
    /// What comes of the system being up, in turn.
    ups: Vec<Result<Up>>,
    /// How healthy it was whenever it was said that it is up.
    noted_up: Vec<bool>,
    /// So often it was asked whether a bootshim is due.
    renewals: u32,
    /// So often the ESP is in use first.
    esp_in_use: u32,
    done: Vec<String>,
}

impl FakeTrial {
    fn write(&mut self, what: String) -> Result<()> {
        if self.broken_writes > 0 {
            self.broken_writes -= 1;
            return Err(Error::new(Code::Io, "disk gone"));
        }
        self.on_trial = false;
        self.done.push(what);
        Ok(())
    }
}

impl Trial for FakeTrial {
    fn is_on_trial(&mut self) -> Result<bool> {
        if self.broken_reads > 0 {
            self.broken_reads -= 1;
            return Err(Error::new(Code::Io, "disk gone"));
        }
        let still = self.on_trial && !self.ended_by_a_command;
        Ok(std::mem::replace(&mut self.on_trial, still))
    }

    fn confirm(&mut self) -> Result<()> {
        self.write("confirm".to_owned())
    }

    fn renew(&mut self) -> Result<bool> {
        self.renewals += 1;
        if self.esp_in_use == 0 {
            return Ok(self.renewals > 1);
        }
        self.esp_in_use -= 1;
        Err(Error::new(Code::Mounted, "it is mounted on /boot"))
    }

    fn give_up(&mut self, reason: &str) -> Result<()> {
        self.write(format!("give up: {reason}"))
    }

    fn came_up(&mut self, healthy: bool) -> Result<Up> {
        self.noted_up.push(healthy);
        match self.ups.is_empty() {
            true => Ok(Up::Noted),
            false => self.ups.remove(0),
        }
    }

    fn shut_down(&mut self) -> Result<()> {
        self.write("shut down".to_owned())
    }
}

#[derive(Default)]
struct FakeHost {
    /// Whether there is somebody who writes a black box.
    records: bool,
    recorded: Vec<Account>,
    restarts: u32,
    forced: u32,
}

impl Host for FakeHost {
    fn record(&mut self, known: Account) -> bool {
        self.recorded.push(known);
        self.records
    }

    fn restart(&mut self) {
        self.restarts += 1;
    }

    fn force_restart(&mut self) {
        self.forced += 1;
    }
}

/// A controller with one check, and a plain file as its watchdog.
struct Controller {
    directory: tempfile::TempDir,
    config: Config,
    trial: FakeTrial,
    host: FakeHost,
}

fn controller(on_trial: bool) -> Controller {
    let directory = tempfile::tempdir().unwrap();
    let device = directory.path().join("watchdog");
    std::fs::write(&device, "").unwrap();
    let check = Check {
        name: "web".to_owned(),
        target: Target::Tcp("127.0.0.1:1".to_owned()),
        interval: s(1),
        timeout: s(1),
        grace: s(0),
        successes: 1,
        failures: 1,
        importance: Importance::Required,
    };
    let watch = Watch {
        device,
        timeout: s(60),
        deadline: s(100),
        stable_for: s(10),
        shutdown_max: s(600),
    };
    Controller {
        directory,
        config: Config {
            compatible: "plc-4".to_owned(),
            watch,
            source: config::Download::default(),
            checks: vec![check],
            unknown_keys: Vec::new(),
        },
        trial: FakeTrial {
            on_trial,
            ..FakeTrial::default()
        },
        host: FakeHost::default(),
    }
}

impl Controller {
    /// Lets `watch` run as `story` tells, and gives back what it logged.
    fn watched(&mut self, story: impl FnOnce(&mut Watcher<'_>)) -> Vec<String> {
        let nowhere = Path::new("/nonexistent");
        let events = Events::at(self.directory.path(), nowhere, None);
        let journal = Journal::begin(events.clone(), std::io::sink()).unwrap();
        let (trial, host) = (&mut self.trial, &mut self.host);
        story(&mut Watcher::begin(&self.config, trial, host, &journal));
        journal.flush();
        let all = events.follow().new_events().unwrap().into_iter();
        all.map(|event| event.event).collect()
    }

    fn pettings(&self) -> String {
        std::fs::read_to_string(&self.config.watch.device).unwrap()
    }
}

fn answer(at: u64, outcome: Outcome) -> Message {
    let at = s(at);
    Message::Answer {
        check: 0,
        at,
        outcome,
    }
}

/// Every second an answer and a turn.
fn run(watcher: &mut Watcher<'_>, seconds: std::ops::Range<u64>, outcome: &Outcome) {
    for now in seconds {
        assert_eq!(watcher.take(answer(now, outcome.clone())), None);
        watcher.tick(s(now));
    }
}

fn refused() -> Outcome {
    let said = "Connection refused (127.0.0.1:1)".to_owned();
    Err(Trouble::Fails(said))
}

#[test]
fn a_healthy_trial_is_confirmed_once() {
    let mut plc = controller(true);
    let log = plc.watched(|watcher| run(watcher, 0..300, &Ok(())));
    assert_eq!(plc.trial.done, ["confirm"]);
    assert_eq!(
        log,
        [
            "watchdog-timeout",
            "watch-begun",
            "check-passed",
            "confirmed",
            "up"
        ]
    );
    assert_eq!(plc.host.restarts, 0);
}

#[test]
fn a_sick_trial_is_given_up_at_the_deadline_and_restarted() {
    let mut plc = controller(true);
    plc.watched(|watcher| run(watcher, 0..100, &refused()));
    assert!(plc.trial.done.is_empty());
    let mut plc = controller(true);
    let log = plc.watched(|watcher| run(watcher, 0..101, &refused()));
    let [done] = plc.trial.done.as_slice() else {
        panic!("{:?}", plc.trial.done)
    };
    let begin = "give up: check web: Connection refused (127.0.0.1:1), failing since 2";
    assert!(done.starts_with(begin), "{done}");
    assert!(done.ends_with("Z; deadline 1min 40s passed"), "{done}");
    assert_eq!(plc.host.restarts, 1);
    assert_eq!(log.last().unwrap(), "given-up");
}

#[test]
fn what_could_not_be_asked_is_said_apart_from_what_fails() {
    let mut plc = controller(true);
    let unknown = Err(Trouble::Unknown("no bus".to_owned()));
    let log = plc.watched(|watcher| run(watcher, 0..101, &unknown));
    assert!(log.contains(&"check-unknown".to_owned()), "{log:?}");
    assert!(!log.contains(&"check-failed".to_owned()), "{log:?}");
    let [done] = plc.trial.done.as_slice() else {
        panic!("{:?}", plc.trial.done)
    };
    let begin = "give up: check web: could not be asked: no bus, since 2";
    assert!(done.starts_with(begin), "{done}");
}

#[test]
fn after_giving_up_the_shutdown_has_its_time_and_in_the_end_the_restart_is_forced() {
    let pettings_by = |second: u64| {
        let mut plc = controller(true);
        plc.watched(|watcher| run(watcher, 0..second, &refused()));
        let forced = plc.host.forced;
        assert_eq!(plc.host.restarts, 1);
        (plc.pettings().len(), forced)
    };
    // Given up at 100 s; then 600 s for the shutdown, and three times 60 s.
    let (at_the_end, _) = pettings_by(700);
    assert!(at_the_end > 700 / 15, "{at_the_end}");
    assert_eq!(pettings_by(880), (at_the_end, 0));
    assert_eq!(pettings_by(881), (at_the_end, 1));
}

#[test]
fn a_restart_that_cannot_be_begun_is_left_to_the_watchdog() {
    let mut plc = controller(true);
    plc.watched(|watcher| {
        run(watcher, 0..101, &refused());
        let failed = Message::RestartFailed("no systemd".to_owned());
        assert_eq!(watcher.take(failed), None);
        run(watcher, 101..200, &refused());
    });
    let mut given_up = controller(true);
    given_up.watched(|watcher| run(watcher, 0..101, &refused()));
    assert_eq!(plc.pettings(), given_up.pettings());
}

#[test]
fn a_reason_that_cannot_be_written_does_not_stop_the_restart() {
    let mut plc = controller(true);
    plc.trial.broken_writes = 1;
    let log = plc.watched(|watcher| run(watcher, 0..101, &refused()));
    assert_eq!(plc.host.restarts, 1);
    assert_eq!(log.last().unwrap(), "give-up-failed");
}

#[test]
fn the_restart_waits_for_the_black_box_and_the_reason_is_in_the_record_before() {
    let mut plc = controller(true);
    plc.host.records = true;
    plc.watched(|watcher| {
        run(watcher, 0..105, &refused());
        assert_eq!(watcher.take(Message::Recorded), None);
        assert_eq!(watcher.take(Message::Recorded), None, "and once");
        run(watcher, 105..110, &refused());
    });
    assert_eq!((plc.trial.done.len(), plc.host.restarts), (1, 1));
    let [known] = plc.host.recorded.as_slice() else {
        panic!("{:?}", plc.host.recorded)
    };
    assert!(plc.trial.done[0].ends_with(&known.reason), "{known:?}");
    let [check] = known.checks.as_slice() else {
        panic!("{known:?}")
    };
    assert_eq!((check.name.as_str(), check.passes), ("web", Some(false)));
    assert_eq!(
        check.said.as_deref(),
        Some("Connection refused (127.0.0.1:1)")
    );
    assert!(known.reason.contains(&check.since), "{known:?}");
    assert_eq!((known.timeout, known.open), (60, true));
}

#[test]
fn a_black_box_that_takes_too_long_holds_up_neither_the_petting_nor_the_restart() {
    let mut plc = controller(true);
    plc.config.watch.timeout = s(4);
    plc.host.records = true;
    let log = plc.watched(|watcher| run(watcher, 0..120, &refused()));
    assert_eq!((plc.host.recorded.len(), plc.host.restarts), (1, 0));
    assert!(plc.pettings().len() >= 119, "{}", plc.pettings());
    assert_eq!(log.last().unwrap(), "given-up");
    let mut plc = controller(true);
    plc.host.records = true;
    let log = plc.watched(|watcher| {
        run(watcher, 0..121, &refused());
        assert_eq!(watcher.take(Message::Recorded), None, "too late");
    });
    assert_eq!(plc.host.restarts, 1);
    assert_eq!(log.last().unwrap(), "failure-not-kept");
}

#[test]
fn who_stops_it_while_a_black_box_is_collected_does_not_keep_the_bad_start_alive() {
    let mut plc = controller(true);
    plc.host.records = true;
    let log = plc.watched(|watcher| {
        run(watcher, 0..105, &refused());
        let ended = watcher.take(Message::Stop(Stop::Alone));
        assert_eq!(ended, Some(Ended::GaveUp));
    });
    assert_eq!(plc.host.restarts, 1);
    assert_eq!(log.last().unwrap(), "watch-stopped", "and nobody pets on");
}

#[test]
fn a_confirm_that_cannot_be_written_is_tried_again() {
    let mut plc = controller(true);
    plc.trial.broken_writes = 2;
    plc.watched(|watcher| run(watcher, 0..40, &Ok(())));
    assert_eq!(plc.trial.done, ["confirm"]);
}

#[test]
fn a_sick_good_slot_is_petted_and_never_given_up() {
    let mut plc = controller(false);
    let log = plc.watched(|watcher| run(watcher, 0..1000, &refused()));
    assert!(plc.trial.done.is_empty());
    assert_eq!(plc.host.restarts, 0);
    assert_eq!(plc.pettings(), ".".repeat(67));
    let said = ["watchdog-timeout", "watch-begun", "check-failed", "up"];
    assert_eq!(log, said);
}

/// A power cut between the confirm and the swap leaves the old one.
#[test]
fn a_bootshim_that_is_due_is_asked_for_at_each_start_of_a_good_slot_and_at_a_confirm() {
    let mut plc = controller(false);
    plc.watched(|watcher| watcher.tick(s(0)));
    assert_eq!(plc.trial.renewals, 1);
    let mut plc = controller(true);
    plc.watched(|watcher| run(watcher, 0..9, &Ok(())));
    assert_eq!(plc.trial.renewals, 0);
    plc.watched(|watcher| run(watcher, 0..300, &Ok(())));
    assert_eq!(plc.trial.renewals, 1);
    plc.trial.broken_reads = 1;
    plc.watched(|watcher| watcher.tick(s(0)));
    assert_eq!(plc.trial.renewals, 2, "as soon as it is known");
}

#[test]
fn a_bootshim_waits_until_nobody_uses_the_esp_and_that_is_said_once() {
    let mut plc = controller(false);
    plc.trial.esp_in_use = 3;
    let log = plc.watched(|watcher| run(watcher, 0..600, &Ok(())));
    assert_eq!(plc.trial.renewals, 4, "once a minute until it is done");
    let said = |event: &str| log.iter().filter(|line| *line == event).count();
    assert_eq!(said("bootshim-not-renewed"), 1);
    assert_eq!(said("bootshim-renewed"), 1);
}

fn broken(watcher: &mut Watcher<'_>) {
    let why = "line 3, column 1: nonsense".to_owned();
    watcher.broken_configuration(s(0), why, "checks");
}

#[test]
fn a_broken_configuration_fails_a_trial_with_its_error() {
    let mut plc = controller(true);
    plc.watched(broken);
    assert_eq!(plc.trial.done, ["give up: line 3, column 1: nonsense"]);
    assert_eq!(plc.host.restarts, 1);
}

#[test]
fn a_broken_configuration_never_fails_a_good_slot() {
    let mut plc = controller(false);
    plc.config.checks.clear();
    let log = plc.watched(|watcher| {
        broken(watcher);
        for now in 0..1000 {
            watcher.tick(s(now));
        }
    });
    assert!(plc.trial.done.is_empty());
    assert_eq!(plc.host.restarts, 0);
    assert_eq!(plc.pettings(), ".".repeat(67));
    assert!(log.contains(&"config-broken".to_owned()), "{log:?}");
}

#[test]
fn a_trial_that_a_command_ended_is_neither_confirmed_nor_given_up() {
    for outcome in [Ok(()), refused()] {
        let mut plc = controller(true);
        plc.trial.ended_by_a_command = true;
        let log = plc.watched(|watcher| run(watcher, 0..300, &outcome));
        assert!(log.contains(&"trial-ended".to_owned()), "{log:?}");
        assert!(plc.trial.done.is_empty(), "{:?}", plc.trial.done);
        assert_eq!((plc.trial.renewals, plc.host.restarts), (0, 0));
    }
}

/// What the process that is left behind does is in `tests/watch_process.rs`. Here it
/// has nothing to do: its time is over at once.
fn going_down(on_trial: bool) -> Controller {
    let mut plc = controller(on_trial);
    plc.config.watch.timeout = s(1);
    plc.config.watch.shutdown_max = Duration::ZERO;
    plc
}

#[test]
fn the_record_is_told_of_an_orderly_shutdown_on_trial_and_on_a_good_slot() {
    for meaning in [Stop::Shutdown, Stop::Unknown] {
        for on_trial in [true, false] {
            let mut plc = going_down(on_trial);
            let log = plc.watched(|watcher| {
                run(watcher, 0..5, &refused());
                let stop = Message::Stop(meaning);
                assert_eq!(watcher.take(stop), Some(Ended::SystemGoesDown));
            });
            assert_eq!(plc.trial.done, ["shut down"], "on trial: {on_trial}");
            let given_back = log.contains(&"given-back".to_owned());
            assert_eq!(given_back, on_trial);
            let said = log.contains(&"stop-unknown".to_owned());
            assert_eq!(said, meaning == Stop::Unknown);
            assert!(!plc.pettings().contains('V'));
        }
    }
}

#[test]
fn a_shutdown_that_the_record_cannot_be_told_of_goes_on() {
    for (on_trial, said) in [(true, "give-back-failed"), (false, "shutdown-not-noted")] {
        let mut plc = going_down(on_trial);
        plc.trial.broken_writes = 1;
        let log = plc.watched(|watcher| {
            let stop = Message::Stop(Stop::Shutdown);
            assert_eq!(watcher.take(stop), Some(Ended::SystemGoesDown));
        });
        assert!(log.contains(&said.to_owned()), "{log:?}");
    }
}

#[test]
fn a_restart_of_our_own_gives_nothing_back() {
    let mut plc = going_down(true);
    plc.watched(|watcher| {
        run(watcher, 0..101, &refused());
        let stop = Message::Stop(Stop::Shutdown);
        assert_eq!(watcher.take(stop), Some(Ended::GaveUp));
    });
    assert_eq!(plc.trial.done.len(), 1);
    assert!(plc.trial.done[0].starts_with("give up"));
    assert!(!plc.pettings().contains('V'));
}

#[test]
fn a_person_who_stops_the_service_disarms_the_watchdog_of_a_good_slot_only() {
    for (on_trial, pettings) in [(false, ".V"), (true, ".")] {
        let mut plc = controller(on_trial);
        plc.watched(|watcher| {
            watcher.tick(s(0));
            let stop = Message::Stop(Stop::Alone);
            assert_eq!(watcher.take(stop), Some(Ended::Stopped));
        });
        assert!(plc.trial.done.is_empty());
        assert_eq!(plc.pettings(), pettings, "on trial: {on_trial}");
    }
}

#[test]
fn a_watchdog_whose_driver_is_loaded_late_is_petted_from_then_on() {
    let mut plc = controller(false);
    let device = plc.config.watch.device.clone();
    std::fs::remove_file(&device).unwrap();
    let log = plc.watched(|watcher| {
        run(watcher, 0..100, &Ok(()));
        std::fs::write(&device, "").unwrap();
        run(watcher, 100..300, &Ok(()));
    });
    let said = |event: &str| log.iter().filter(|line| *line == event).count();
    assert_eq!((said("watchdog-missing"), said("watchdog-found")), (1, 1));
    assert!(plc.pettings().len() >= 200 / 15, "{}", plc.pettings());
}

#[test]
fn a_missing_watchdog_is_said_and_watched_without() {
    let mut plc = controller(true);
    std::fs::remove_file(&plc.config.watch.device).unwrap();
    let log = plc.watched(|watcher| run(watcher, 0..100, &Ok(())));
    assert!(log.contains(&"watchdog-missing".to_owned()), "{log:?}");
    assert_eq!(plc.trial.done, ["confirm"]);
}

#[test]
fn a_watchdog_that_cannot_be_petted_is_said_once() {
    let mut plc = controller(false);
    plc.config.watch.device = PathBuf::from("/dev/full");
    let log = plc.watched(|watcher| run(watcher, 0..300, &Ok(())));
    let failed = log.iter().filter(|event| *event == "watchdog-failed");
    assert_eq!(failed.count(), 1);
}

#[test]
fn the_loop_never_waits_past_a_quarter_of_the_timeout() {
    let mut plc = controller(true);
    plc.config.watch.timeout = s(2);
    plc.watched(|watcher| {
        let mut now = Duration::ZERO;
        for _ in 0..1000 {
            watcher.tick(now);
            let patience = watcher.patience(now);
            assert!(patience <= Duration::from_millis(500));
            now += patience;
        }
    });
}

#[test]
fn a_trial_that_becomes_known_late_is_given_up_at_the_same_deadline() {
    let mut controller = controller(true);
    controller.trial.broken_reads = 3;
    let log = controller.watched(|watcher| {
        for second in [0, 1, 2, 99] {
            watcher.tick(s(second));
        }
        assert!(watcher.restarting.is_none());
        watcher.tick(s(100));
    });
    assert_eq!(controller.host.restarts, 1);
    let heard = |event: &str| log.iter().any(|line| line == event);
    assert!(heard("record-unreadable") && heard("given-up"), "{log:?}");
}

#[test]
fn a_good_slot_that_ran_for_long_enough_says_that_it_is_up_once() {
    let mut plc = controller(false);
    plc.watched(|watcher| run(watcher, 0..300, &refused()));
    assert_eq!(plc.trial.noted_up, [false], "whatever its checks say");
    let mut early = controller(false);
    early.watched(|watcher| run(watcher, 0..10, &Ok(())));
    assert!(early.trial.noted_up.is_empty());
}

#[test]
fn a_trial_is_up_when_it_is_good() {
    let mut plc = controller(true);
    plc.watched(|watcher| run(watcher, 0..50, &Ok(())));
    assert_eq!(plc.trial.done, ["confirm"]);
    assert_eq!(plc.trial.noted_up, [true]);
    let mut failing = controller(true);
    failing.watched(|watcher| run(watcher, 0..300, &refused()));
    assert!(failing.trial.noted_up.is_empty());
}

#[test]
fn what_cannot_be_noted_is_tried_again_and_said_once() {
    let mut plc = controller(false);
    let failed = || Err(Error::new(Code::Io, "disk gone"));
    plc.trial.ups = vec![failed(), failed()];
    let log = plc.watched(|watcher| run(watcher, 0..300, &Ok(())));
    assert_eq!(plc.trial.noted_up.len(), 3);
    let said = log.iter().filter(|line| *line == "up-not-noted");
    assert_eq!(said.count(), 1);
}

#[test]
fn a_last_resort_whose_checks_pass_is_confirmed_once_it_is_verified() {
    let mut plc = controller(false);
    plc.trial.ups = vec![Ok(Up::Later), Ok(Up::Later), Ok(Up::Confirmed)];
    let log = plc.watched(|watcher| run(watcher, 0..300, &Ok(())));
    assert_eq!(plc.trial.noted_up.len(), 4);
    assert_eq!(log.iter().filter(|line| *line == "confirmed").count(), 1);
    assert_eq!(plc.host.restarts, 0);
}
