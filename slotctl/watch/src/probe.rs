//! One question to production, and its answer within a time limit.

mod bus;
mod command;
mod family;
mod file;
mod page;
mod postgresql;
#[cfg(test)]
mod tests;
mod unit;
mod wire;

pub use command::RUN;
pub(super) use command::ended_within;
pub use file::{LOOK, READ};

use config::{Check, Place, Source, Target};
use controller::duration::spell;
use controller::helper::{Helper, Task};
use file::Heartbeat;
use page::Web;
use std::ffi::OsStr;
use std::path::Path;
use std::time::{Duration, Instant};
use unit::Unit;
use wire::Wire;

/// How often a helper is looked after.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What came of asking once.
pub(super) type Outcome = Result<(), Trouble>;

/// Why there is no pass. One line: what was said, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Production said so, or said nothing.
    Fails(String),
    /// It could not be asked, which says nothing of it.
    Unknown(String),
}

/// Asks once, each time that it is called.
///
/// Looking up a name is the one thing that may take longer than the check's `timeout`.
pub(super) fn of(check: &Check) -> Box<dyn FnMut() -> Outcome + Send> {
    let limit = check.timeout;
    match check.target.clone() {
        Target::Http {
            page,
            status,
            contains,
        } => {
            let mut web = Web::new(page, limit);
            Box::new(move || web.passes(status, contains.as_deref()))
        }
        Target::Tcp(address) => {
            let place = Place::Port(address);
            Box::new(move || Wire::connect(&place, limit).map(drop))
        }
        Target::Command(words) => Box::new(move || command::ask(&words, limit)),
        Target::Systemd(name) => {
            let mut unit = Unit::new(name);
            Box::new(move || unit.ask(Path::new(bus::SYSTEM), limit))
        }
        Target::Heartbeat { file, max_age } => {
            let mut heartbeat = Heartbeat::new(file, max_age);
            Box::new(move || heartbeat.ask(limit))
        }
        Target::Dbus(name) => Box::new(move || bus::owned(Path::new(bus::SYSTEM), &name, limit)),
        Target::Postgresql(place) => Box::new(move || postgresql::ask(&place, limit)),
        Target::Metric {
            source,
            series,
            min,
            max,
        } => {
            let mut read = number(source, series, limit);
            Box::new(move || within(&read()?, min, max))
        }
        Target::Unknown(error) => Box::new(move || Err(Trouble::Unknown(error.to_string()))),
    }
}

/// A number as it was read, and where.
struct Reading {
    value: String,
    whose: String,
}

fn number(
    source: Source,
    series: Option<String>,
    limit: Duration,
) -> Box<dyn FnMut() -> Result<Reading, Trouble> + Send> {
    match source {
        Source::File(path) => Box::new(move || file::number(&path, series.as_deref(), limit)),
        Source::Page(page) => {
            let mut web = Web::new(page, limit);
            Box::new(move || web.number(series.as_deref()))
        }
    }
}

/// What no number is, is within no bounds.
fn within(reading: &Reading, min: Option<f64>, max: Option<f64>) -> Outcome {
    let Reading { value, whose } = reading;
    let number: f64 = match value.parse() {
        Ok(number) => number,
        Err(_) => return Err(Trouble::Fails(format!("{value:?} is no number ({whose})"))),
    };
    let least = min.is_none_or(|min| number >= min);
    let most = max.is_none_or(|max| number <= max);
    match (least, most, min, max) {
        (true, true, ..) => Ok(()),
        (false, _, Some(min), _) => {
            Err(Trouble::Fails(format!("{value}, at least {min} ({whose})")))
        }
        (.., max) => {
            let max = max.unwrap_or(number);
            Err(Trouble::Fails(format!("{value}, at most {max} ({whose})")))
        }
    }
}

/// The value in a text: all of it, or in the line of the series (the text format of
/// Prometheus) what stands behind it.
fn value_in<'a>(text: &'a str, series: Option<&str>) -> Option<&'a str> {
    let Some(series) = series else {
        return Some(text.trim());
    };
    let behind = text.lines().find_map(|line| {
        let rest = line.trim_start().strip_prefix(series)?;
        rest.starts_with([' ', '\t']).then_some(rest)
    })?;
    behind.split_ascii_whitespace().next()
}

/// Has a helper do what may hang for ever, and ends it, or leaves it to itself, when the
/// time is over. `whom` is for messages.
fn helped(
    task: Task,
    words: impl IntoIterator<Item = impl AsRef<OsStr>>,
    limit: Duration,
    whom: impl std::fmt::Display,
) -> Result<String, Trouble> {
    let began = Instant::now();
    let mut helper = start(task, words)?;
    while began.elapsed() < limit {
        if let Some(answer) = helper.answer() {
            return answer.map_err(Trouble::Unknown);
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    Err(Trouble::Fails(too_slow(limit, whom)))
}

fn start(
    task: Task,
    words: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Result<Helper, Trouble> {
    let helper = Helper::start(task, words);
    helper.map_err(|error| Trouble::Unknown(format!("no helper: {}", plain(&error))))
}

fn too_slow(limit: Duration, whom: impl std::fmt::Display) -> String {
    format!("no answer within {} ({whom})", spell(limit))
}

/// The error without its number, on one line.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    one_line(text)
}

fn one_line(text: &str) -> String {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    text.trim().chars().map(visible).collect()
}
