//! The one loop of `watch`, tick by tick: takes what came in, decides, pets.
//! It never waits for anything but the boot record: if it stops, so does the
//! petting, and the watchdog restarts the machine.

#[cfg(test)]
mod tests;

use super::black_box::Account;
use super::device::{Device, Disarmed};
use super::holder::{self, holders};
use super::host::{Host, Stop};
use super::journal::Journal;
use super::keeper;
use super::probe::{Outcome, Trouble};
use super::verdict::{Change, Decision, Verdict};
use super::{Ended, Trial, Up};
use config::{Config, Importance, Watch};
use controller::bootshim_update::RENEWED;
use controller::code::Code;
use controller::date::rfc3339;
use controller::duration::spell;
use controller::error::Error;
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The longest time from one tick to the next.
const TICK: Duration = Duration::from_secs(1);
/// How long after a failure it is tried again to note that the system is up.
const UP_AGAIN: Duration = Duration::from_secs(5);
/// How long after a failure it is tried again to put a new bootshim on an ESP that
/// somebody uses.
const RENEW_AGAIN: Duration = Duration::from_secs(60);
/// How long a start that was given up waits for its black box: the programs that are
/// asked have half of it.
const COLLECTING_MAX: Duration = Duration::from_secs(20);

/// How often, and with which pause, an old keeper of the watchdog is waited for.
const RELIEVED: u32 = 20;
const LOOK: Duration = Duration::from_millis(10);

/// What comes in from other threads.
#[derive(Debug)]
pub(super) enum Message {
    /// The answer to a check.
    Answer {
        /// Its place in the configuration.
        check: usize,
        /// When, since the begin.
        at: Duration,
        /// What it said, if it did not pass.
        outcome: Outcome,
    },
    /// The black box of the start that was given up is written, or cannot be.
    Recorded,
    /// Somebody asks this program to stop.
    Stop(Stop),
    /// The orderly restart could not be begun.
    RestartFailed(String),
}

fn standing(rules: &Watch, on_trial: bool) -> String {
    if !on_trial {
        return "this slot is not on trial".to_owned();
    }
    let (deadline, stable) = (spell(rules.deadline), spell(rules.stable_for));
    format!("on trial: {deadline} to pass all checks for {stable} without a break")
}

/// `watch` at work.
pub(super) struct Watcher<'a> {
    rules: Watch,
    verdict: Verdict,
    device: Option<Device>,
    next_petting: Duration,
    petting_fails: bool,
    /// Whether the record could be asked if this slot is on trial; until then it
    /// is asked again, and the deadline counts all the same.
    known: bool,
    /// Whether a person was told that the record cannot be asked.
    unknown_said: bool,
    /// Why the configuration is of no use, and what a good slot is watched without,
    /// until that is acted on.
    broken: Option<(String, &'static str)>,
    /// When the latest tick was.
    now: Duration,
    /// When it is noted that the system is up; `None` once that is done.
    up_at: Option<Duration>,
    /// Whether a person was told that it could not be noted.
    up_fails: bool,
    /// When a bootshim that is due is tried again.
    renew_at: Option<Duration>,
    /// Until when a restart of our own, which is under way, is petted.
    restarting: Option<Duration>,
    /// Until when the restart waits for the black box.
    collecting: Option<Duration>,
    trial: &'a mut dyn Trial,
    host: &'a mut dyn Host,
    journal: &'a Journal,
}

impl<'a> Watcher<'a> {
    /// Opens the watchdog and says how things stand. Times are counted from
    /// here.
    pub(super) fn begin(
        config: &Config,
        trial: &'a mut dyn Trial,
        host: &'a mut dyn Host,
        journal: &'a Journal,
    ) -> Watcher<'a> {
        // Before the disk is touched: that may take its time.
        let rules = config.watch.clone();
        let device = open(&rules, journal);
        let mut watcher = Watcher {
            verdict: Verdict::new(&rules, &config.checks, false),
            device,
            rules,
            next_petting: Duration::ZERO,
            petting_fails: false,
            known: false,
            unknown_said: false,
            broken: None,
            now: Duration::ZERO,
            up_at: Some(config.watch.stable_for),
            up_fails: false,
            renew_at: None,
            restarting: None,
            collecting: None,
            trial,
            host,
            journal,
        };
        watcher.ask();
        watcher
    }

    /// How long the loop may wait for the next message.
    pub(super) fn patience(&self, now: Duration) -> Duration {
        self.next_petting.saturating_sub(now).min(TICK)
    }

    /// A configuration that is of no use: a trial fails by it; a good slot does not, and
    /// is watched without what `without` says.
    pub(super) fn broken_configuration(
        &mut self,
        now: Duration,
        why: String,
        without: &'static str,
    ) {
        self.broken = Some((why, without));
        self.judge_by_configuration(now);
    }

    /// As soon as it is known whether there is a trial.
    fn judge_by_configuration(&mut self, now: Duration) {
        let Some((why, without)) = self.broken.take_if(|_| self.known) else {
            return;
        };
        if self.verdict.on_trial {
            self.give_up(now, &why);
        } else {
            self.say(
                "config-broken",
                format!("{why}; watching without {without}"),
            );
        }
    }

    /// Takes one message; where it ends `watch`, says why.
    pub(super) fn take(&mut self, message: Message) -> Option<Ended> {
        match message {
            Message::Answer { check, at, outcome } => {
                if let Some(change) = self.verdict.answer(check, at, outcome) {
                    self.report(change);
                }
                None
            }
            Message::Recorded => {
                if self.collecting.is_some() {
                    self.restart(self.now);
                }
                None
            }
            Message::Stop(meaning) => Some(self.stop(meaning)),
            Message::RestartFailed(why) => {
                self.say("restart-failed", format!("the restart failed: {why}"));
                // There is no shutdown to wait for.
                self.restarting = self.restarting.map(|until| until.min(self.now));
                None
            }
        }
    }

    /// What is due now: decides, and pets.
    pub(super) fn tick(&mut self, now: Duration) {
        self.now = now;
        if let Some(until) = self.restarting {
            return self.wait_for_restart(now, until);
        }
        if !self.known {
            self.ask();
            self.judge_by_configuration(now);
        }
        if self.renew_at.is_some_and(|at| now >= at) {
            self.renew();
        }
        for change in self.verdict.expire(now) {
            self.report(change);
        }
        match self.verdict.decide(now) {
            Some(Decision::Confirm) => self.confirm(now),
            Some(Decision::GiveUp) => {
                let why = self.verdict.reason(clock(now));
                self.give_up(now, &why);
            }
            None => {}
        }
        if self.restarting.is_none() && now >= self.next_petting {
            self.pet(now);
        }
        if self.is_up(now) {
            self.note_up(now);
        }
    }

    /// A system that ran for so long is up; what is on trial is confirmed instead.
    fn is_up(&self, now: Duration) -> bool {
        self.known
            && !self.verdict.on_trial
            && self.restarting.is_none()
            && !self.petting_fails
            && self.up_at.is_some_and(|at| now >= at)
    }

    fn note_up(&mut self, now: Duration) {
        self.up_at = Some(now + UP_AGAIN);
        match self.trial.came_up(self.verdict.stable(now)) {
            Ok(Up::Noted) => {
                self.up_at = None;
                self.say("up", "the system is up");
            }
            Ok(Up::Confirmed) => {
                self.say(
                    "confirmed",
                    "confirmed: it ran as last resort, verifies, and passes all checks",
                );
                self.renew();
            }
            Ok(Up::Later) => {}
            Err(error) if !self.up_fails => {
                self.up_fails = true;
                let text = format!("it could not be noted that the system is up: {error}");
                self.say("up-not-noted", text);
            }
            Err(_) => {}
        }
    }

    /// Services have their time to stop; after it nobody pets, and the watchdog ends it.
    fn wait_for_restart(&mut self, now: Duration, until: Duration) {
        if self.collecting.is_some_and(|until| now >= until) {
            let limit = spell(COLLECTING_MAX);
            let text = format!("what is known of this start was not collected within {limit}");
            self.say("failure-not-kept", text);
            self.restart(now);
        } else if now < until {
            if now >= self.next_petting {
                self.pet(now);
            }
        } else if now >= until + 3 * self.rules.timeout {
            // Orderly did not work, and neither did the watchdog.
            self.host.force_restart();
        }
    }

    /// The boot disk, if it hangs here, hangs the petting too, and the watchdog
    /// resets: a slot whose disk is gone is no good one.
    fn ask(&mut self) {
        let on_trial = match self.trial.is_on_trial() {
            Ok(on_trial) => on_trial,
            Err(error) => return self.not_known(&error),
        };
        self.known = true;
        if let Some(remark) = self.trial.remark() {
            self.say("disk-silent", remark);
        }
        self.verdict.on_trial |= on_trial;
        let text = standing(&self.rules, on_trial);
        self.journal
            .say("watch-begun", text, json!({ "on_trial": on_trial }));
        if !on_trial {
            // What a cut between the confirm and this has left.
            self.renew();
        }
    }

    fn not_known(&mut self, error: &Error) {
        if error.code != Code::TooEarly && !self.unknown_said {
            self.unknown_said = true;
            let text = format!("cannot tell yet whether this slot is on trial: {error}");
            self.say("record-unreadable", text);
        }
    }

    fn confirm(&mut self, now: Duration) {
        let confirmed = match self.trial.is_on_trial() {
            Ok(true) => self.trial.confirm(),
            Ok(false) => return self.ended_by_others(),
            Err(error) => Err(error),
        };
        match confirmed {
            Ok(()) => {
                self.verdict.on_trial = false;
                let stable = spell(self.rules.stable_for);
                let text = format!("confirmed: all checks passed for {stable}");
                self.say("confirmed", text);
                self.renew();
            }
            Err(error) => {
                self.verdict.confirm_failed(now, error.to_string());
                let text = format!("the confirm could not be written: {error}");
                self.say("confirm-failed", text);
            }
        }
    }

    fn renew(&mut self) {
        let failed_before = self.renew_at.take().is_some();
        match self.trial.renew() {
            Ok(false) => {}
            Ok(true) => self.say("bootshim-renewed", RENEWED),
            Err(error) if matches!(error.code, Code::Mounted | Code::InUse) => {
                self.renew_at = Some(self.now + RENEW_AGAIN);
                if !failed_before {
                    let again = spell(RENEW_AGAIN);
                    let text = format!("{error}; tried again every {again} until it is free");
                    self.say("bootshim-not-renewed", text);
                }
            }
            Err(error) => self.say("bootshim-not-renewed", error.to_string()),
        }
    }

    fn give_up(&mut self, now: Duration, why: &str) {
        if matches!(self.trial.is_on_trial(), Ok(false)) {
            return self.ended_by_others();
        }
        self.say("given-up", format!("this start is given up: {why}"));
        if let Err(error) = self.trial.give_up(why) {
            // The try is spent all the same: bootshim took it before the start.
            let text = format!("the reason could not be written: {error}");
            self.say("give-up-failed", text);
        }
        let known = self.known(now, why);
        self.verdict.on_trial = false;
        self.journal.flush();
        self.pet(now);
        self.restarting = Some(now + COLLECTING_MAX + self.rules.shutdown_max);
        self.collecting = Some(now + COLLECTING_MAX);
        if !self.host.record(known) {
            self.restart(now);
        }
    }

    /// What goes into the black box of this start, as far as it is known here.
    fn known(&self, now: Duration, why: &str) -> Account {
        let rules = &self.rules;
        let timeout = self.device.as_ref().map_or(rules.timeout, |d| d.timeout);
        Account {
            reason: why.to_owned(),
            checks: self.verdict.said(clock(now)),
            device: rules.device.display().to_string(),
            timeout: timeout.as_secs(),
            open: self.device.is_some(),
        }
    }

    fn restart(&mut self, now: Duration) {
        self.collecting = None;
        self.journal.flush();
        self.restarting = Some(now + self.rules.shutdown_max);
        self.host.restart();
    }

    /// A person, or production itself, was faster.
    fn ended_by_others(&mut self) {
        self.verdict.on_trial = false;
        self.say("trial-ended", "the trial was ended by a command");
    }

    fn stop(&mut self, meaning: Stop) -> Ended {
        let exit = match (self.restarting, meaning) {
            // The restart has not begun: nobody must be left behind to pet instead of it.
            (Some(_), Stop::Alone) if self.collecting.is_some() => {
                self.restart(self.now);
                let text = "stopped after this start was given up: where the restart does not come, the watchdog does it";
                self.say("watch-stopped", text);
                Ended::GaveUp
            }
            (Some(until), _) => {
                self.pet_on_for(until.saturating_sub(self.now));
                Ended::GaveUp
            }
            (None, Stop::Shutdown | Stop::Unknown) => {
                self.go_down_in_order(meaning);
                self.pet_on_for(self.rules.shutdown_max);
                Ended::SystemGoesDown
            }
            (None, Stop::Alone) => {
                self.leave();
                Ended::Stopped
            }
        };
        self.journal.flush();
        exit
    }

    fn is_on_trial(&mut self) -> bool {
        // Where nothing is known yet, it may be one.
        let maybe = self.verdict.on_trial || !self.known;
        maybe && self.trial.is_on_trial().unwrap_or(true)
    }

    /// The system goes down in order, and the record is told at once: nobody knows
    /// how the shutdown ends.
    fn go_down_in_order(&mut self, meaning: Stop) {
        if meaning == Stop::Unknown {
            let text = "asked to stop, and nobody says whether the system goes down: it is taken for a shutdown (SIGINT stops watching alone)";
            self.say("stop-unknown", text);
        }
        let on_trial = self.is_on_trial();
        match (self.trial.shut_down(), on_trial) {
            (Ok(()), false) => {}
            (Ok(()), true) => self.say(
                "given-back",
                "the system goes down: this try does not count",
            ),
            (Err(error), true) => {
                let text = format!("the try could not be given back: {error}");
                self.say("give-back-failed", text);
            }
            (Err(error), false) => {
                let text = format!("the shutdown could not be noted in the record: {error}");
                self.say("shutdown-not-noted", text);
            }
        }
    }

    /// This program comes to its end, and the shutdown does not yet.
    fn pet_on_for(&mut self, limit: Duration) {
        let Some(device) = self.device.take() else {
            return;
        };
        let timeout = spell(device.timeout);
        match keeper::leave(device, limit, self.journal.events.kernel_log()) {
            Ok(()) => {
                let limit = spell(limit);
                let text = format!("the shutdown has {limit}; then the watchdog ends it");
                self.say("petting-on", text);
            }
            Err(error) => {
                let text = format!(
                    "nobody can be left behind to pet: {}; the shutdown has {timeout}",
                    error.desc()
                );
                self.say("petting-ends", text);
            }
        }
    }

    /// Only a good slot may be without a watchdog.
    fn leave(&mut self) {
        let on_trial = self.is_on_trial();
        let text = match self.device.take() {
            None => "stopped".to_owned(),
            Some(device) if on_trial => {
                let limit = spell(device.timeout);
                format!("stopped during a trial: the watchdog restarts the machine within {limit}")
            }
            Some(device) => disarm(device),
        };
        self.say("watch-stopped", text);
    }

    fn pet(&mut self, now: Duration) {
        let Some(device) = &mut self.device else {
            self.next_petting = now + TICK;
            return self.look_for_device();
        };
        self.next_petting = now + device.timeout / 4;
        let failed = device.pet().err();
        if let (Some(error), false) = (&failed, self.petting_fails) {
            let text = format!("the watchdog cannot be petted: {error}");
            self.say("watchdog-failed", text);
        }
        self.petting_fails = failed.is_some();
    }

    /// A driver that is loaded later than this begins, or a program that had it first.
    fn look_for_device(&mut self) {
        if let Ok(device) = take(&self.rules) {
            let path = self.rules.device.display();
            self.say("watchdog-found", format!("watchdog {path} is there now"));
            say_remark(&device, self.journal);
            self.device = Some(device);
        }
    }

    fn report(&self, change: Change) {
        let Change {
            check,
            importance,
            outcome,
        } = change;
        let (check, details) = match importance {
            Importance::Required => (format!("check {check}"), json!({ "check": check })),
            Importance::Informative => (
                format!("check {check} (informative)"),
                json!({ "check": check, "importance": "informative" }),
            ),
        };
        let (event, text) = match outcome {
            Ok(()) => ("check-passed", format!("{check} passes")),
            Err(Trouble::Fails(said)) => ("check-failed", format!("{check} fails: {said}")),
            Err(Trouble::Unknown(said)) => (
                "check-unknown",
                format!("{check} could not be asked: {said}"),
            ),
        };
        self.journal.say(event, text, details);
    }

    fn say(&self, event: &'static str, text: impl Into<String>) {
        self.journal.say(event, text, Value::Null);
    }
}

/// The time of a moment that was counted as `now` is.
fn clock(now: Duration) -> impl Fn(Duration) -> String {
    move |moment| rfc3339(SystemTime::now() - now.saturating_sub(moment))
}

/// What came of it, in words.
fn disarm(device: Device) -> String {
    let limit = spell(device.timeout);
    match device.disarm() {
        Ok(Disarmed::Yes) => "stopped; the watchdog is disarmed".to_owned(),
        Ok(Disarmed::No) => format!(
            "stopped; the watchdog stays armed, because its driver lets nobody stop it (nowayout), and restarts the machine within {limit} unless `slotctl watch` runs again"
        ),
        Ok(Disarmed::Asked) => format!(
            "stopped; the watchdog was told to disarm, and its driver does not say whether it did: if not, it restarts the machine within {limit}"
        ),
        Err(error) => format!("stopped; the watchdog cannot be disarmed: {error}"),
    }
}

/// Without a watchdog `watch` goes on: a good slot must not fail by it.
fn open(rules: &Watch, journal: &Journal) -> Option<Device> {
    let path = rules.device.display();
    match take(rules) {
        Ok(device) => {
            say_remark(&device, journal);
            Some(device)
        }
        Err(error) => {
            let (event, why) = match error.kind() {
                ErrorKind::ResourceBusy => (
                    "watchdog-busy",
                    holder::words(&holders(&rules.device, |_| true), Path::new("/")),
                ),
                _ => (
                    "watchdog-missing",
                    format!("cannot be opened: {error}: nobody restarts this machine if it hangs"),
                ),
            };
            let text = format!("watchdog {path} {why}; going on without it until it can be had");
            journal.say(event, text, Value::Null);
            None
        }
    }
}

/// Opens the watchdog, and takes it back from who was left behind with it.
fn take(rules: &Watch) -> std::io::Result<Device> {
    let open = || Device::open(&rules.device, rules.timeout);
    let is_busy = |answer: &std::io::Result<Device>| {
        let error = answer.as_ref().err().map(std::io::Error::kind);
        error == Some(ErrorKind::ResourceBusy)
    };
    let mut answer = open();
    if is_busy(&answer) && keeper::relieve(&rules.device) {
        for _ in 0..RELIEVED {
            if !is_busy(&answer) {
                break;
            }
            std::thread::sleep(LOOK);
            answer = open();
        }
    }
    answer
}

fn say_remark(device: &Device, journal: &Journal) {
    if let Some(remark) = &device.remark {
        journal.say("watchdog-timeout", remark.as_str(), Value::Null);
    }
}
