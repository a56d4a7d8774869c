//! The decision over a trial: a pure state machine. Time comes from the caller,
//! as the time since `watch` began.

mod check;
#[cfg(test)]
mod tests;

use crate::probe::Outcome;
use blackbox::failure;
use bootshim::copies::NOTE_MAX;
pub(super) use check::Change;
use check::CheckState;
use config::{Check, Watch};
use controller::duration::spell;
use std::time::Duration;

/// Production comes up after `watch`: a check that has not passed yet is not said to
/// fail for `stable_for`, at most so long.
const COMING_UP_MAX: Duration = Duration::from_secs(45);
/// After a confirm that could not be written, the next one.
const CONFIRM_AGAIN: Duration = Duration::from_secs(5);
/// Longest reason in bytes. Before it the note says which slot and which start.
const REASON_MAX: usize = NOTE_MAX - 64;

/// What the answers so far mean for the trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Production has run well for long enough.
    Confirm,
    /// The deadline has passed.
    GiveUp,
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
        Verdict {
            deadline: rules.deadline,
            stable_for: rules.stable_for,
            checks: checks.iter().map(CheckState::new).collect(),
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
        outcome: Outcome,
    ) -> Option<Change> {
        let up_by = self.up_by();
        let check = self.checks.get_mut(check)?;
        check.answer(at, outcome);
        check.tell(at, up_by)
    }

    /// Lets checks fail of which nothing was heard for too long, and says of those
    /// that do not come up that they do not pass.
    pub(super) fn expire(&mut self, now: Duration) -> Vec<Change> {
        let up_by = self.up_by();
        let expire = |check: &mut CheckState| {
            check.expire(now);
            check.tell(now, up_by)
        };
        self.checks.iter_mut().filter_map(expire).collect()
    }

    fn up_by(&self) -> Duration {
        self.stable_for.min(COMING_UP_MAX)
    }

    /// What is to be done now.
    pub(super) fn decide(&self, now: Duration) -> Option<Decision> {
        if !self.on_trial {
            None
        } else if self.stable(now) && now >= self.confirm_not_before {
            Some(Decision::Confirm)
        } else if now >= self.deadline {
            Some(Decision::GiveUp)
        } else {
            None
        }
    }

    /// Why the start is given up, in words; `clock` says the time of a moment. What each
    /// check says has the same room, so that all of them are in it.
    pub(super) fn reason(&self, clock: impl Fn(Duration) -> String) -> String {
        let mut room = self
            .required()
            .map(CheckState::said_bytes)
            .max()
            .unwrap_or(0);
        loop {
            let reason = self.reason_within(&clock, room);
            let surplus = reason.len().saturating_sub(REASON_MAX);
            if surplus == 0 || room == 0 {
                return reason;
            }
            let count = self.checks.len().max(1);
            room = room.saturating_sub(surplus.div_ceil(count));
        }
    }

    fn reason_within(&self, clock: &impl Fn(Duration) -> String, room: usize) -> String {
        let why = self.required().filter_map(|c| c.complaint(clock, room));
        let mut why: Vec<String> = why.collect();
        if self.required().next().is_none() {
            why.push(
                "no check is configured that decides, and nobody called `slotctl confirm`"
                    .to_owned(),
            );
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

    fn required(&self) -> impl Iterator<Item = &CheckState> {
        self.checks.iter().filter(|check| check.is_required())
    }

    /// What each check said last; `clock` says the time of a moment.
    pub(super) fn said(&self, clock: impl Fn(Duration) -> String) -> Vec<failure::Check> {
        let said = self.checks.iter().map(|check| check.said(&clock));
        said.collect()
    }

    /// Without a check nobody vouches for production.
    fn passing_since(&self) -> Option<Duration> {
        let since = self.required().map(|check| check.since).max();
        since.filter(|_| self.required().all(CheckState::passes))
    }

    /// Every check was seen to pass at the begin and at the end of the time, and has
    /// had its grace.
    pub(super) fn stable(&self, now: Duration) -> bool {
        self.passing_since().is_some_and(|since| {
            let until = since + self.stable_for;
            self.required()
                .all(|check| check.passed_last() && check.last >= until && now >= check.grace)
        })
    }
}
