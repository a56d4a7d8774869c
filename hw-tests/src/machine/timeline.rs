//! What was seen on all lines of a machine, in the order in which it happened.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many lines of the log an error shows.
const SHOWN: usize = 60;

/// Where a line comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The first serial port: firmware, bootshim, kernel, services.
    Console,
    /// The second serial port: the root shell.
    Shell,
    /// QEMU itself: its events and answers, in JSON.
    Qemu,
    /// What the test did.
    Test,
}

/// One line that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Since the machine was switched on.
    pub at: Duration,
    /// Who said it.
    pub speaker: Speaker,
    /// What, without control characters and without the line's end.
    pub text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let speaker = match self.speaker {
            Speaker::Console => "console",
            Speaker::Shell => "shell  ",
            Speaker::Qemu => "qemu   ",
            Speaker::Test => "test   ",
        };
        write!(f, "{:8.3} {speaker} | {}", self.at.as_secs_f64(), self.text)
    }
}

/// A place between two lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(usize);

/// Why a wait found nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missed {
    /// The time was over.
    Late,
    /// The machine has ended, and nothing more will come.
    Ended,
}

#[derive(Debug)]
pub(super) struct Timeline {
    since: Instant,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    lines: Vec<Line>,
    ended: bool,
    log: File,
}

impl Timeline {
    /// An empty one that is also written to `log`.
    pub(super) fn new(log: File) -> Self {
        let state = State {
            lines: Vec::new(),
            ended: false,
            log,
        };
        Self {
            since: Instant::now(),
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// When the machine was switched on.
    pub(super) fn since(&self) -> Instant {
        self.since
    }

    pub(super) fn add(&self, speaker: Speaker, text: String) {
        let line = Line {
            at: self.since.elapsed(),
            speaker,
            text,
        };
        let mut state = self.lock();
        // The log is for people; a full disk must not end the test.
        let _ = writeln!(state.log, "{line}");
        state.lines.push(line);
        self.changed.notify_all();
    }

    /// Nothing more will be added.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    pub(super) fn now(&self) -> Position {
        Position(self.lock().lines.len())
    }

    /// Shows each line from `from` on to `find`, once, until it answers.
    pub(super) fn wait<T>(
        &self,
        from: Position,
        deadline: Instant,
        mut find: impl FnMut(&Line) -> Option<T>,
    ) -> Result<(Position, T), Missed> {
        let mut next = from.0;
        let mut state = self.lock();
        loop {
            while let Some(line) = state.lines.get(next) {
                next += 1;
                if let Some(found) = find(line) {
                    return Ok((Position(next), found));
                }
            }
            if state.ended {
                return Err(Missed::Ended);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Missed::Late);
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// The place after the last line so far that `is` accepts, else the start.
    pub(super) fn after_last(&self, is: impl Fn(&Line) -> bool) -> Position {
        Position(
            self.lock()
                .lines
                .iter()
                .rposition(is)
                .map_or(0, |index| index + 1),
        )
    }

    /// The lines of `speaker` from `from` on.
    pub(super) fn lines(&self, from: Position, speaker: Speaker) -> Vec<Line> {
        let state = self.lock();
        let lines = state.lines.iter().skip(from.0);
        lines
            .filter(|line| line.speaker == speaker)
            .cloned()
            .collect()
    }

    /// The last part, for an error.
    pub(super) fn tail(&self) -> String {
        let state = self.lock();
        let skipped = state.lines.len().saturating_sub(SHOWN);
        let lines = state.lines.iter().skip(skipped);
        lines.map(|line| format!("  {line}\n")).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is a single step, so what a panic left is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
