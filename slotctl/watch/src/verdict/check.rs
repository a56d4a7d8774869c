//! One check, and what its answers so far say.

use crate::probe::{Outcome, Trouble};
use blackbox::failure;
use config::{Check, Importance};
use controller::duration::spell;
use std::time::Duration;

/// Beyond interval and time limit, how late an answer may be before silence
/// counts as a failure: the machine may be busy with its start.
const SLACK: Duration = Duration::from_secs(5);

/// A check whose health is not what a person was told last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Name of the check.
    pub(crate) check: String,
    /// Whether it decides.
    pub(crate) importance: Importance,
    /// What it said, if it does not pass.
    pub(crate) outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// Nothing was heard of it yet.
    New,
    Passing,
    Failing,
    /// It could not be asked.
    Unknown,
}

#[derive(Debug)]
pub(super) struct CheckState {
    name: String,
    importance: Importance,
    /// After so long without an answer it counts as failing.
    fresh_for: Duration,
    pub(super) grace: Duration,
    successes: u32,
    failures: u32,
    health: Health,
    /// Since when it has this health.
    pub(super) since: Duration,
    /// When the latest answer came.
    pub(super) last: Duration,
    /// So many of the latest answers speak for another health, since then.
    row: u32,
    row_began: Duration,
    /// What it said last when it did not pass.
    said: String,
    /// The health that a person was told last.
    told: Health,
    has_passed: bool,
}

impl CheckState {
    pub(super) fn new(check: &Check) -> CheckState {
        CheckState {
            name: check.name.clone(),
            importance: check.importance,
            fresh_for: check.interval + 2 * check.timeout + SLACK,
            grace: check.grace,
            successes: check.successes,
            failures: check.failures,
            health: Health::New,
            since: Duration::ZERO,
            last: Duration::ZERO,
            row: 0,
            row_began: Duration::ZERO,
            said: String::new(),
            told: Health::New,
            has_passed: false,
        }
    }

    /// Whether it has a say.
    pub(super) fn is_required(&self) -> bool {
        self.importance == Importance::Required
    }

    pub(super) fn passes(&self) -> bool {
        self.health == Health::Passing
    }

    /// Whether its latest answer was a pass, too: a failure that is borne confirms
    /// nothing.
    pub(super) fn passed_last(&self) -> bool {
        self.passes() && self.row == 0
    }

    /// Takes an answer.
    pub(super) fn answer(&mut self, at: Duration, outcome: Outcome) {
        self.last = at;
        let (health, needed) = match (self.health, outcome) {
            (_, Ok(())) => (Health::Passing, self.successes),
            // What is known to fail is not known to be better.
            (Health::Failing, Err(Trouble::Unknown(_))) => (Health::Failing, 1),
            (_, Err(Trouble::Unknown(said))) => {
                self.said = said;
                (Health::Unknown, 1)
            }
            (now, Err(Trouble::Fails(said))) => {
                self.said = said;
                // Only what passes has failures to spare.
                let spare = now == Health::Passing;
                (Health::Failing, if spare { self.failures } else { 1 })
            }
        };
        if health == self.health {
            self.row = 0;
            return;
        }
        if self.row == 0 {
            self.row_began = at;
        }
        self.row = self.row.saturating_add(1);
        if self.row >= needed {
            let row = self.passes() && health == Health::Failing;
            self.turn(health, if row { self.row_began } else { at });
        }
    }

    /// Fails where nothing was heard of it for too long.
    pub(super) fn expire(&mut self, now: Duration) {
        let silence = now.saturating_sub(self.last);
        if self.health != Health::Failing && silence > self.fresh_for {
            self.said = format!("no answer to it for {}", spell(self.fresh_for));
            self.turn(Health::Failing, now);
        }
    }

    fn turn(&mut self, health: Health, since: Duration) {
        self.health = health;
        self.since = since;
        self.row = 0;
        self.has_passed |= health == Health::Passing;
    }

    /// What a person is to be told now. Production that comes up, until `up_by`, and
    /// the grace are no time to say that something does not pass.
    pub(super) fn tell(&mut self, now: Duration, up_by: Duration) -> Option<Change> {
        let early = now < self.grace || (!self.has_passed && now < up_by);
        let said = || self.said.clone();
        let outcome = match self.health {
            Health::Passing => Ok(()),
            Health::Failing if !early => Err(Trouble::Fails(said())),
            Health::Unknown if !early => Err(Trouble::Unknown(said())),
            _ => return None,
        };
        let changed = std::mem::replace(&mut self.told, self.health) != self.health;
        changed.then(|| Change {
            check: self.name.clone(),
            importance: self.importance,
            outcome,
        })
    }

    /// Whether it speaks against a confirm, and what it says, with at most so many
    /// bytes of the words that came as its answer.
    pub(super) fn complaint(
        &self,
        clock: &impl Fn(Duration) -> String,
        room: usize,
    ) -> Option<String> {
        let name = &self.name;
        let said = cut(&self.said, room);
        Some(match self.health {
            Health::Passing if self.row == 0 => return None,
            Health::Passing => {
                let began = clock(self.row_began);
                format!("check {name}: {said}, since {began}")
            }
            Health::New if self.row == 0 => format!("check {name}: no answer yet"),
            Health::New => format!("check {name}: passes since {}", clock(self.row_began)),
            Health::Failing => {
                let since = clock(self.since);
                format!("check {name}: {said}, failing since {since}")
            }
            Health::Unknown => {
                let since = clock(self.since);
                format!("check {name}: could not be asked: {said}, since {since}")
            }
        })
    }

    /// What it said last, for the black box.
    pub(super) fn said(&self, clock: &impl Fn(Duration) -> String) -> failure::Check {
        let (passes, has_words) = match self.health {
            Health::New => (None, false),
            Health::Passing => (Some(true), false),
            Health::Failing => (Some(false), true),
            Health::Unknown => (None, true),
        };
        failure::Check {
            name: self.name.clone(),
            passes,
            since: clock(self.since),
            said: has_words.then(|| self.said.clone()),
        }
    }

    /// How long the words are that came as its answer.
    pub(super) fn said_bytes(&self) -> usize {
        self.said.len()
    }
}

/// The beginning of a text that is too long.
fn cut(text: &str, room: usize) -> String {
    if text.len() <= room {
        return text.to_owned();
    }
    let kept = text.floor_char_boundary(room.saturating_sub(MARK.len()));
    format!("{}{MARK}", text.get(..kept).unwrap_or_default())
}

const MARK: &str = "…";
