//! Whether an order may be carried out now; if not, why not. No clock is read here and
//! nobody is asked: what is known comes in, the answer goes out.

mod clock;
#[cfg(test)]
mod tests;

pub use clock::{Clock, Doubt};

use crate::order::{OrderId, When};
use controller::duration;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// What a controller knows when it asks.
#[derive(Clone, Debug)]
pub struct Known<'a> {
    /// Its own name.
    pub name: &'a str,
    /// What its clock shows, and what speaks for it.
    pub clock: Clock,
    /// Where a calendar expression names no zone.
    pub zone: &'a TimeZone,
    /// Whether a person, or an order, has approved this one.
    pub approved: bool,
    /// Who has confirmed the release that it names.
    pub confirmed: &'a BTreeSet<String>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// It may.
    Now,
    /// Not yet; all that it waits for, one at least.
    NotYet(Vec<Wait>),
    /// Never any more.
    Over(Over),
}

/// What an order waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The clock may be wrong, and the order has times.
    Clock(Doubt),
    /// It is too early.
    NotBefore(Timestamp),
    /// The window is closed, and opens then.
    Window(Timestamp),
    /// The window is open, or `not_before` is past, and the turn of this controller comes
    /// then.
    Turn(Timestamp),
    /// Nobody has approved it.
    Approval,
    /// These controllers have not confirmed the release.
    Others(Vec<String>),
}

/// Why an order is not carried out any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Its last moment has passed.
    NotAfter(Timestamp),
    /// No window opens any more.
    NoWindow,
    /// This controller has no turn before its last moment.
    NoTurn(Timestamp),
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wait::Clock(doubt) => write!(f, "the clock may be wrong: {doubt}"),
            Wait::NotBefore(time) => write!(f, "not before {time}"),
            Wait::Window(time) => write!(f, "the next window opens at {time}"),
            Wait::Turn(time) => write!(f, "the turn of this controller is at {time}"),
            Wait::Approval => f.write_str("nobody has approved it"),
            Wait::Others(names) => {
                write!(f, "{} must confirm the release first", names.join(", "))
            }
        }
    }
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Over::NotAfter(time) => write!(f, "it was to be done before {time}"),
            Over::NoWindow => f.write_str("no window opens any more"),
            Over::NoTurn(time) => write!(f, "no turn of this controller comes before {time}"),
        }
    }
}

impl Wait {
    /// When it ends by itself.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Wait::NotBefore(time) | Wait::Window(time) | Wait::Turn(time) => Some(*time),
            Wait::Clock(_) | Wait::Approval | Wait::Others(_) => None,
        }
    }
}

/// Whether the order of this name may be carried out.
#[must_use]
pub fn due(order: &OrderId, when: &When, known: &Known<'_>) -> Due {
    let mut waits = Vec::new();
    if when.has_times() {
        match known.clock.time() {
            // An order is not over by a clock that may be wrong.
            Err(doubt) => waits.push(Wait::Clock(doubt)),
            Ok(now) => match times(order, when, known, now) {
                Err(over) => return Due::Over(over),
                Ok(wait) => waits.extend(wait),
            },
        }
    }
    if when.approval && !known.approved {
        waits.push(Wait::Approval);
    }
    let missing = when
        .after
        .iter()
        .filter(|name| !known.confirmed.contains(*name));
    let missing: Vec<String> = missing.cloned().collect();
    if !missing.is_empty() {
        waits.push(Wait::Others(missing));
    }
    match waits.is_empty() {
        true => Due::Now,
        false => Due::NotYet(waits),
    }
}

impl When {
    fn has_times(&self) -> bool {
        self.not_before.is_some() || self.not_after.is_some() || self.window.is_some()
    }
}

/// What of the time there is to wait for.
fn times(
    order: &OrderId,
    when: &When,
    known: &Known<'_>,
    now: Timestamp,
) -> Result<Option<Wait>, Over> {
    if let Some(last) = when.not_after
        && now >= last
    {
        return Err(Over::NotAfter(last));
    }
    let early = when.not_before.filter(|first| now < *first);
    let asked = early.unwrap_or(now);
    let begin = match &when.window {
        Some(window) => {
            let open = window.begin.window(window.length, asked, known.zone);
            Some(open.ok_or(Over::NoWindow)?.0)
        }
        None => when.not_before,
    };
    let Some(begin) = begin else {
        return Ok(None);
    };
    let turn = later(begin, turn(order, known.name, when.spread));
    if let Some(last) = when.not_after
        && turn.max(asked) >= last
    {
        return Err(Over::NoTurn(last));
    }
    if let Some(first) = early {
        return Ok(Some(Wait::NotBefore(first)));
    }
    if now < begin {
        return Ok(Some(Wait::Window(begin)));
    }
    Ok((now < turn).then_some(Wait::Turn(turn)))
}

/// How far behind the others a controller is, in whole seconds: another for each order, so
/// that it is not always the same one that goes first, and the same whenever it is asked.
fn turn(order: &OrderId, name: &str, spread: Duration) -> Duration {
    let mut hash = blake3::Hasher::new();
    hash.update(&order.0).update(name.as_bytes());
    let mut number = [0; 8];
    hash.finalize_xof().fill(&mut number);
    let drawn = u64::from_le_bytes(number).checked_rem(spread.as_secs());
    Duration::from_secs(drawn.unwrap_or(0))
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// A length of time, for messages.
fn spell(length: Duration) -> String {
    duration::spell(Duration::from_secs(length.as_secs()))
}
