//! What can go wrong with a machine.

use std::fmt;
use std::io;
use std::time::Duration;

/// A machine did not do what was expected of it, or could not be made.
#[derive(thiserror::Error)]
pub enum Error {
    /// Something on the host failed.
    #[error("{what}: {source}")]
    Host {
        /// What was attempted.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// What was expected did not come in time.
    #[error("machine {machine}: no {expected} within {}; the end of its log:\n{log}", seconds(.waited))]
    NotSeen {
        /// The machine's name.
        machine: String,
        /// What was waited for.
        expected: String,
        /// For how long.
        waited: Duration,
        /// The end of the log.
        log: String,
    },
    /// Something else was seen than what should be.
    #[error("machine {machine}: expected {expected}, found {found}; the end of its log:\n{log}")]
    Otherwise {
        /// Its name.
        machine: String,
        /// What should be.
        expected: String,
        /// What was seen.
        found: String,
        /// The last part of its log.
        log: String,
    },
    /// QEMU ended before what was expected came.
    #[error("machine {machine}: QEMU ended before {expected}; the end of its log:\n{log}")]
    Ended {
        /// The machine's name.
        machine: String,
        /// What was waited for.
        expected: String,
        /// The end of the log, and what QEMU itself said.
        log: String,
    },
    /// A program did not do what it was told.
    #[error("{command}: {said}")]
    Command {
        /// The program, and its words.
        command: String,
        /// What it said.
        said: String,
    },
    /// The machine's web service did not answer.
    #[error("{url}: {reason}")]
    Http {
        /// Where it was asked.
        url: String,
        /// Why there was no answer.
        reason: String,
    },
}

impl Error {
    /// The error of a host that lacks `what`, or does not let it be used.
    pub fn host(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Host { what, source }
    }

    /// The error of `what`, which is not as it has to be.
    pub(crate) fn otherwise(
        what: impl Into<String>,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        let words = format!("expected {expected}, found {found}");
        Self::host(what)(io::Error::other(words))
    }
}

/// As [`fmt::Display`]: a test that unwraps an error shows it so, and the log is
/// many lines.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn seconds(duration: &Duration) -> String {
    format!("{:.0} s", duration.as_secs_f64())
}
