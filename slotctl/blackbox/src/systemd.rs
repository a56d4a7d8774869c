//! What systemd knows: the units that have failed or have not come up, and the last lines
//! of their journals. It is asked through programs that can be ended, and for a time that
//! is over for all of them together.

#[cfg(test)]
mod tests;

use crate::failure::{Line, Missing, Unit};
use controller::{child, plain};
use serde_json::Value;
use std::path::Path;
use std::time::Instant;

/// So many units are asked for their journal.
const UNITS_MAX: usize = 16;
/// So many lines of each.
const LINES: &str = "--lines=60";

/// The units that have failed, or have not come up, with their last words; and what could
/// not be asked before `until`. `/run` is below `root`.
#[must_use]
pub fn units(root: &Path, until: Instant) -> (Vec<Unit>, Vec<Missing>) {
    if !root.join("run/systemd/system").is_dir() {
        let why = "this system does not run systemd";
        return (Vec::new(), vec![Missing::new("units", why)]);
    }
    ask(|program, arguments| child::ask(program, arguments, until))
}

fn ask(ask: impl Fn(&str, &[&str]) -> Result<Vec<u8>, String>) -> (Vec<Unit>, Vec<Missing>) {
    let list = [
        "list-units",
        "--state=failed,activating",
        "--all",
        "--full",
        "--plain",
        "--no-legend",
        "--no-pager",
    ];
    let listed = match ask("systemctl", &list) {
        Ok(said) => parse_units(&String::from_utf8_lossy(&said)),
        Err(why) => return (Vec::new(), vec![Missing::new("units", why)]),
    };
    let mut missing = Vec::new();
    let mut units = Vec::new();
    for (number, mut unit) in listed.into_iter().enumerate() {
        let what = || format!("journal of {}", unit.name);
        let said = match number < UNITS_MAX {
            true => journal(&ask, &unit.name),
            false => Err("too many units".to_owned()),
        };
        match said {
            Ok(lines) => unit.lines = lines,
            Err(why) => missing.push(Missing::new(what(), why)),
        }
        units.push(unit);
    }
    (units, missing)
}

fn journal(
    ask: impl Fn(&str, &[&str]) -> Result<Vec<u8>, String>,
    unit: &str,
) -> Result<Vec<Line>, String> {
    let unit = format!("--unit={unit}");
    let read = [
        "--boot",
        LINES,
        "--output=json",
        "--output-fields=MESSAGE,SYSLOG_IDENTIFIER,_PID",
        "--quiet",
        "--no-pager",
        &unit,
    ];
    let said = ask("journalctl", &read)?;
    Ok(said
        .split(|byte| *byte == b'\n')
        .filter_map(parse_line)
        .collect())
}

/// Lines of `systemctl list-units --plain --no-legend`: name, load, active, sub, and a
/// description. A device that udev has not announced is "activating" and has no words.
fn parse_units(list: &str) -> Vec<Unit> {
    let unit = |line: &str| {
        let mut words = line.split_whitespace();
        let (name, _, active, sub) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let state = match active == sub {
            true => active.to_owned(),
            false => format!("{active} ({sub})"),
        };
        Some(Unit {
            name: plain::line(name),
            state,
            lines: Vec::new(),
        })
    };
    let units = list.lines().filter_map(unit);
    units
        .filter(|unit| !unit.name.ends_with(".device"))
        .collect()
}

/// A line of `journalctl --output=json`; none where it is no such line.
fn parse_line(line: &[u8]) -> Option<Line> {
    let fields: Value = serde_json::from_slice(line).ok()?;
    let word = |name: &str| fields.get(name).map(text).unwrap_or_default();
    let micros: Option<u64> = word("__MONOTONIC_TIMESTAMP").parse().ok();
    let pid = word("_PID");
    let by = match (word("SYSLOG_IDENTIFIER"), pid.is_empty()) {
        (name, true) => name,
        (name, false) => format!("{name}[{pid}]"),
    };
    Some(Line {
        uptime: micros.and_then(seconds),
        by: plain::line(&by),
        text: plain::line(word("MESSAGE").trim_end()),
    })
}

/// A field: a string, or where it is no text its bytes; of several the first.
fn text(field: &Value) -> String {
    match field {
        Value::String(text) => text.clone(),
        Value::Array(list) if list.iter().all(Value::is_u64) => {
            let byte = |byte: &Value| byte.as_u64().and_then(|byte| u8::try_from(byte).ok());
            let bytes: Vec<u8> = list.iter().filter_map(byte).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        Value::Array(list) => list.first().map(text).unwrap_or_default(),
        // What is too long is null.
        _ => String::new(),
    }
}

/// Seconds, to the millisecond, of so many microseconds; none after 49 days, when nobody
/// asks how long ago the start was.
fn seconds(micros: u64) -> Option<f64> {
    let millis = u32::try_from(micros / 1000).ok()?;
    Some(f64::from(millis) / 1000.0)
}
