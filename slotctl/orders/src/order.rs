//! What an order says. `docs/orders.md` has the file.

mod file;
mod signed;
#[cfg(test)]
mod tests;

pub use file::{Mistake, SIZE_MAX};
pub use signed::{NotAnOrder, NotSigned, SignedOrder, TBS_LEN, tbs};

use crate::calendar::Calendar;
use images::{Digest, hex};
use jiff::Timestamp;
use std::fmt;
use std::time::Duration;

/// Counters from here on are refused: one that a slip of the finger made must not be the
/// last. So many bits the boot record keeps of it.
pub const COUNTER_LIMIT: u64 = 1 << 48;

/// The longest window, and the longest time that controllers are spread over: a week has
/// a window of its own.
pub const LENGTH_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// By what an order is named everywhere: the BLAKE3 of what was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub Digest);

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// An instruction to controllers.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Rises with each order that a key signs; from 1 to [`COUNTER_LIMIT`] - 1.
    pub counter: u64,
    /// Who is told.
    pub controllers: Controllers,
    /// What is to be done.
    pub what: What,
}

/// Whom an order is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Controllers {
    /// Each that gets it.
    All,
    /// These; one at least, none twice.
    Named(Vec<String>),
}

impl Controllers {
    /// Whether the controller of this name is among them.
    #[must_use]
    pub fn include(&self, name: &str) -> bool {
        match self {
            Controllers::All => true,
            Controllers::Named(names) => names.iter().any(|named| named == name),
        }
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A release is to run.
    Run(Box<Run>),
    /// An order that was given before is not to be carried out, if it was not yet.
    Revoke(OrderId),
    /// An order that waits for an approval has it.
    Approve(OrderId),
}

/// Which release is to run, and when it may begin to.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The BLAKE3 of the manifest of its image.
    pub release: Digest,
    /// The BLAKE3 of the configuration document that is rendered for it; `None`: the one
    /// that the controller has.
    pub configuration: Option<Digest>,
    /// When it may.
    pub when: When,
}

/// When an order may be carried out: all of it must be so at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct When {
    /// Not earlier.
    pub not_before: Option<Timestamp>,
    /// Not at this time or later: a moment that was missed is caught up until then.
    pub not_after: Option<Timestamp>,
    /// Only within.
    pub window: Option<Window>,
    /// Over how long the controllers are spread, from the begin of the window, else from
    /// `not_before` on; zero: they are not.
    pub spread: Duration,
    /// Only when a person has said so, there or by an order.
    pub approval: bool,
    /// Only when these controllers have confirmed the same release.
    pub after: Vec<String>,
}

/// A time that comes again.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Its begin.
    pub begin: Calendar,
    /// Its length, up to [`LENGTH_MAX`].
    pub length: Duration,
}
