//! What can go wrong with a measurement.

use std::fmt;
use std::io;

/// A measurement could not be made.
#[derive(thiserror::Error)]
pub enum Error {
    /// Something on this machine failed.
    #[error("{what}: {source}")]
    Host {
        /// What was attempted.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A command failed.
    #[error("{command}: {said}")]
    Command {
        /// The command.
        command: String,
        /// The end of what it said.
        said: String,
    },
    /// Something is not as it has to be.
    #[error("{what}: expected {expected}, found {found}")]
    Otherwise {
        /// What was looked at.
        what: String,
        /// What should be.
        expected: String,
        /// What is.
        found: String,
    },
}

impl Error {
    pub(super) fn host(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Host { what, source }
    }

    pub(super) fn otherwise(
        what: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        let (what, expected, found) = (what.into(), expected.into(), found.into());
        Self::Otherwise {
            what,
            expected,
            found,
        }
    }
}

/// As [`fmt::Display`]: a test that unwraps an error shows it so.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
