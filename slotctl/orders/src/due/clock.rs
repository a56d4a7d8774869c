//! Whether a clock may be believed.

use super::spell;
use jiff::Timestamp;
use std::fmt;
use std::time::Duration;

/// What a clock shows, and what speaks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// What it shows.
    pub shows: Timestamp,
    /// When it was last set by a server that knows the time, as far as is known.
    pub synchronised: Option<Timestamp>,
    /// The last time that was durably seen here.
    pub seen: Option<Timestamp>,
    /// For how long it is right without being set: `clock_trust`.
    pub trust: Duration,
}

/// What speaks against a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It was never set.
    NeverSynchronised,
    /// It was set too long ago.
    Since(Timestamp, Duration),
    /// It shows a time, and a later one was seen here already.
    Behind(Timestamp, Timestamp),
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doubt::NeverSynchronised => f.write_str("it was never synchronised"),
            Doubt::Since(time, trust) => {
                let trust = spell(*trust);
                write!(
                    f,
                    "it was last synchronised at {time}, more than {trust} ago"
                )
            }
            Doubt::Behind(shows, seen) => write!(f, "it shows {shows}, and {seen} was seen here"),
        }
    }
}

impl Clock {
    /// What time it is.
    ///
    /// # Errors
    /// [`Doubt`].
    pub fn time(&self) -> Result<Timestamp, Doubt> {
        let synchronised = self.synchronised.ok_or(Doubt::NeverSynchronised)?;
        let seen = self.seen.unwrap_or(synchronised).max(synchronised);
        if self.shows < seen {
            return Err(Doubt::Behind(self.shows, seen));
        }
        let age = self.shows.duration_since(synchronised).unsigned_abs();
        match age <= self.trust {
            true => Ok(self.shows),
            false => Err(Doubt::Since(synchronised, self.trust)),
        }
    }
}
