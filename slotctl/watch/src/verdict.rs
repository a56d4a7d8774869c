//! The decision over a trial: a pure state machine. Time comes from the caller,
//! as the time since `watch` began.

#[cfg(test)]
mod tests;

use config::{Check, Watch};
use controller::duration::spell;
use std::time::Duration;

/// Beyond interval and time limit, how late an answer may be before silence
/// counts as a failure: the machine may be busy with its start.
const SLACK: Duration = Duration::from_secs(5);
/// Production comes up after `watch`: a check that has not passed yet is not said to
/// fail for `stable_for`, at most so long.
const COMING_UP_MAX: Duration = Duration::from_secs(45);
/// After a confirm that could not be written, the next one.
const CONFIRM_AGAIN: Duration = Duration::from_secs(5);

/// What the answers so far mean for the trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Production has run well for long enough.
    Confirm,
    /// The deadline has passed.
    GiveUp,
}

/// A check that passes or fails now and did not before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Name of the check.
    pub(super) check: String,
    /// What it said, if it fails.
    pub(super) outcome: Result<(), String>,
}

#[derive(Debug)]
enum Health {
    Unknown,
    Passing,
    Failing(String),
}

/// A check, and what its answers so far say.
#[derive(Debug)]
struct CheckState {
    name: String,
    /// After so long without an answer it counts as failing.
    fresh_for: Duration,
    health: Health,
    /// Since when it has this health.
    since: Duration,
    /// When the latest answer came.
    last: Duration,
    /// Whether it fails, has not passed yet, and nobody was told.
    unreported: bool,
}

/// The checks, and what they mean.
#[derive(Debug)]
pub(super) struct Verdict {
    deadline: Duration,
    stable_for: Duration,
    checks: Vec<CheckState>,
    /// Whether there is still something to decide.
    pub(super) on_trial: bool,
    confirm_not_before: Duration,
    confirm_error: Option<String>,
}

impl Verdict {
    pub(super) fn new(rules: &Watch, checks: &[Check], on_trial: bool) -> Verdict {
        let watched = |check: &Check| CheckState {
            name: check.name.clone(),
            fresh_for: check.interval + 2 * check.timeout + SLACK,
            health: Health::Unknown,
            since: Duration::ZERO,
            last: Duration::ZERO,
            unreported: false,
        };
        Verdict {
            deadline: rules.deadline,
            stable_for: rules.stable_for,
            checks: checks.iter().map(watched).collect(),
            on_trial,
            confirm_not_before: Duration::ZERO,
            confirm_error: None,
        }
    }

    /// The confirm could not be written; it is tried again until the deadline.
    pub(super) fn confirm_failed(&mut self, now: Duration, why: String) {
        self.confirm_not_before = now + CONFIRM_AGAIN;
        self.confirm_error = Some(why);
    }

    /// Takes the answer to a check.
    pub(super) fn answer(
        &mut self,
        check: usize,
        at: Duration,
        outcome: Result<(), String>,
    ) -> Option<Change> {
        self.checks.get_mut(check)?.answer(at, outcome)
    }

    /// Lets checks fail of which nothing was heard for too long, and says of those
    /// that do not come up that they fail.
    pub(super) fn expire(&mut self, now: Duration) -> Vec<Change> {
        let is_up = now >= self.stable_for.min(COMING_UP_MAX);
        let expire = |check: &mut CheckState| {
            let change = check.expire(now);
            change.or_else(|| is_up.then(|| check.report()).flatten())
        };
        self.checks.iter_mut().filter_map(expire).collect()
    }

    /// What is to be done now.
    pub(super) fn decide(&self, now: Duration) -> Option<Decision> {
        if !self.on_trial {
            None
        } else if self.stable() && now >= self.confirm_not_before {
            Some(Decision::Confirm)
        } else if now >= self.deadline {
            Some(Decision::GiveUp)
        } else {
            None
        }
    }

    /// Why the start is given up, in words; `clock` says the time of a moment.
    pub(super) fn reason(&self, clock: impl Fn(Duration) -> String) -> String {
        let why = self.checks.iter().filter_map(|c| c.complaint(&clock));
        let mut why: Vec<String> = why.collect();
        if self.checks.is_empty() {
            why.push("no check is configured, and nobody called `slotctl confirm`".to_owned());
        } else if let Some(error) = &self.confirm_error {
            why.push(format!("the confirm could not be written: {error}"));
        } else if let (true, Some(since)) = (why.is_empty(), self.passing_since()) {
            let (since, needed) = (clock(since), spell(self.stable_for));
            why.push(format!(
                "all checks pass since {since}, which is less than {needed}"
            ));
        }
        why.push(format!("deadline {} passed", spell(self.deadline)));
        why.join("; ")
    }

    /// Without a check nobody vouches for production.
    fn passing_since(&self) -> Option<Duration> {
        let passing = |check: &CheckState| matches!(check.health, Health::Passing);
        let all = self.checks.iter().all(passing);
        let since = self.checks.iter().map(|check| check.since).max();
        since.filter(|_| all)
    }

    /// Every check was seen to pass at the begin and at the end of the time.
    pub(super) fn stable(&self) -> bool {
        self.passing_since().is_some_and(|since| {
            let until = since + self.stable_for;
            self.checks.iter().all(|check| check.last >= until)
        })
    }
}

impl CheckState {
    fn answer(&mut self, at: Duration, outcome: Result<(), String>) -> Option<Change> {
        self.last = at;
        match (&mut self.health, &outcome) {
            (Health::Passing, Ok(())) => None,
            // The last words count, the first time.
            (Health::Failing(said), Err(now)) => {
                said.clone_from(now);
                None
            }
            _ => self.change(at, outcome),
        }
    }

    fn change(&mut self, at: Duration, outcome: Result<(), String>) -> Option<Change> {
        self.since = at;
        self.unreported = matches!(self.health, Health::Unknown) && outcome.is_err();
        self.health = match &outcome {
            Ok(()) => Health::Passing,
            Err(said) => Health::Failing(said.clone()),
        };
        let check = self.name.clone();
        (!self.unreported).then_some(Change { check, outcome })
    }

    /// Fails where nothing was heard of it for too long.
    fn expire(&mut self, now: Duration) -> Option<Change> {
        let silence = now.saturating_sub(self.last);
        let failing = matches!(self.health, Health::Failing(_));
        if failing || silence <= self.fresh_for {
            return None;
        }
        let said = format!("no answer to it for {}", spell(self.fresh_for));
        self.change(now, Err(said))
    }

    /// That it fails, where that is still to be told.
    fn report(&mut self) -> Option<Change> {
        let Health::Failing(said) = &self.health else {
            return None;
        };
        let (check, outcome) = (self.name.clone(), Err(said.clone()));
        std::mem::take(&mut self.unreported).then_some(Change { check, outcome })
    }

    fn complaint(&self, clock: impl Fn(Duration) -> String) -> Option<String> {
        let name = &self.name;
        match &self.health {
            Health::Passing => None,
            Health::Unknown => Some(format!("check {name}: no answer yet")),
            Health::Failing(said) => {
                let since = clock(self.since);
                Some(format!("check {name}: {said}, failing since {since}"))
            }
        }
    }
}
