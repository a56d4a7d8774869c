//! The file as it is written, and what it must be to make sense.

#[cfg(test)]
mod keys;

use super::mistake::Mistake;
use super::{Check, Config, Download, Target, Watch};
use controller::duration;
use serde::{Deserialize, Deserializer, de};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;

const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
/// What the smallest hardware counters and the kernel's interface can hold.
const LONGEST_WATCHDOG: Duration = Duration::from_secs(65_535);
const DEFAULT_CHECK: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
#[serde(expecting = "a table")]
struct File {
    compatible: Spanned<String>,
    #[serde(default)]
    watch: WatchTable,
    #[serde(default)]
    source: SourceTable,
    #[serde(default)]
    check: Vec<CheckTable>,
}

#[derive(Default, Deserialize)]
#[serde(expecting = "a table")]
struct WatchTable {
    device: Option<Spanned<PathBuf>>,
    timeout: Option<Spanned<Length>>,
    deadline: Option<Spanned<Length>>,
    stable_for: Option<Spanned<Length>>,
    shutdown_max: Option<Spanned<Length>>,
}

#[derive(Default, Deserialize)]
#[serde(expecting = "a table")]
struct SourceTable {
    ca: Option<Spanned<PathBuf>>,
}

#[derive(Deserialize)]
#[serde(expecting = "a table")]
struct CheckTable {
    name: Spanned<String>,
    kind: CheckKind,
    target: Spanned<String>,
    interval: Option<Spanned<Length>>,
    timeout: Option<Spanned<Length>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum CheckKind {
    Http,
    Tcp,
    Command,
    Systemd,
}

/// A length of time.
#[derive(Clone, Copy)]
struct Length(Duration);

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Length, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Length;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(duration::EXPECTED)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Length, E> {
                let found = de::Unexpected::Str(text);
                let length = duration::parse(text).map(Length);
                length.ok_or_else(|| E::invalid_value(found, &self))
            }
        }
        from.deserialize_str(Visitor)
    }
}

pub(super) fn read(text: &str) -> Result<Config, Mistake> {
    let mut unknown_keys = Vec::new();
    let file: File = serde_ignored::deserialize(toml::Deserializer::parse(text)?, |key| {
        unknown_keys.push(key.to_string());
    })?;
    let watch = file.watch.read()?;
    let mut checks: Vec<Check> = Vec::new();
    for table in &file.check {
        let check = table.read()?;
        if checks.iter().any(|other| other.name == check.name) {
            let found = format!("check {:?} is there twice", check.name);
            return Err(Mistake::new(
                Some(table.name.span()),
                found,
                "one name each",
            ));
        }
        table.must_fit(&check, &file.watch, &watch)?;
        checks.push(check);
    }
    Ok(Config {
        compatible: words(&file.compatible, 128)?,
        watch,
        source: file.source.read()?,
        checks,
        unknown_keys,
    })
}

impl WatchTable {
    fn read(&self) -> Result<Watch, Mistake> {
        let default = Watch::default();
        let device = absolute("device", self.device.as_ref())?.unwrap_or(default.device);
        let timeout = length(self.timeout.as_ref(), default.timeout, |length| {
            let whole = length.subsec_nanos() == 0 && !length.is_zero();
            let expected = "whole seconds, from 1s to 65535s";
            accept(whole && length <= LONGEST_WATCHDOG, expected)
        })?;
        let some = |length: Duration| accept(!length.is_zero(), "more than 0s");
        let deadline = length(self.deadline.as_ref(), default.deadline, some)?;
        let shutdown_max = length(self.shutdown_max.as_ref(), default.shutdown_max, some)?;
        let stable_for = length(self.stable_for.as_ref(), default.stable_for, |_| Ok(()))?;
        Ok(Watch {
            device,
            timeout,
            deadline,
            stable_for,
            shutdown_max,
        })
    }
}

impl SourceTable {
    fn read(&self) -> Result<Download, Mistake> {
        let ca = absolute("ca", self.ca.as_ref())?;
        Ok(Download { ca })
    }
}

impl CheckTable {
    fn read(&self) -> Result<Check, Mistake> {
        let long_enough = |length| accept(length >= SHORTEST_INTERVAL, "at least 100ms");
        Ok(Check {
            name: words(&self.name, 64)?,
            target: self.target()?,
            interval: length(self.interval.as_ref(), DEFAULT_CHECK, long_enough)?,
            timeout: length(self.timeout.as_ref(), DEFAULT_CHECK, long_enough)?,
        })
    }

    fn target(&self) -> Result<Target, Mistake> {
        let text = words(&self.target, 4096)?;
        let (target, expected) = match self.kind {
            CheckKind::Http => (
                http(&text),
                "a plain address such as `http://127.0.0.1:8080/health`",
            ),
            CheckKind::Tcp => (tcp(&text), "host and port, such as `127.0.0.1:5432`"),
            CheckKind::Command => (
                command(&text),
                "a program by its absolute path, and its arguments with blanks between them",
            ),
            CheckKind::Systemd => (unit(&text), "a unit such as `production.service`"),
        };
        let wrong = || {
            Mistake::new(
                Some(self.target.span()),
                format!("target {text:?}"),
                expected,
            )
        };
        target.ok_or_else(wrong)
    }

    /// A check that is asked too seldom could never be seen to pass for long
    /// enough: every trial would fail.
    fn must_fit(&self, check: &Check, table: &WatchTable, watch: &Watch) -> Result<(), Mistake> {
        let needed = watch.stable_for.saturating_add(check.interval);
        if needed < watch.deadline {
            return Ok(());
        }
        let at = [&self.interval, &table.stable_for, &table.deadline]
            .into_iter()
            .find_map(|given| given.as_ref().map(Spanned::span));
        let found = format!(
            "stable_for {} and interval {} of check {:?} leave no time before the deadline of {}",
            duration::spell(watch.stable_for),
            duration::spell(check.interval),
            check.name,
            duration::spell(watch.deadline),
        );
        Err(Mistake::new(at, found, "less than the deadline in all"))
    }
}

fn absolute(key: &str, path: Option<&Spanned<PathBuf>>) -> Result<Option<PathBuf>, Mistake> {
    match path {
        Some(path) if !path.get_ref().is_absolute() => {
            let found = format!("{key} {:?}", path.get_ref());
            Err(Mistake::new(Some(path.span()), found, "an absolute path"))
        }
        path => Ok(path.map(|path| path.get_ref().clone())),
    }
}

fn length(
    given: Option<&Spanned<Length>>,
    default: Duration,
    check: impl Fn(Duration) -> Result<(), &'static str>,
) -> Result<Duration, Mistake> {
    let Some(given) = given else {
        return Ok(default);
    };
    let Length(length) = *given.get_ref();
    check(length)
        .map_err(|expected| Mistake::new(Some(given.span()), duration::spell(length), expected))?;
    Ok(length)
}

fn accept(good: bool, expected: &'static str) -> Result<(), &'static str> {
    if good { Ok(()) } else { Err(expected) }
}

/// Text that fits into one line of a message.
fn words(text: &Spanned<String>, longest: usize) -> Result<String, Mistake> {
    let at: Range<usize> = text.span();
    let text = text.get_ref();
    let length = text.chars().count();
    if text.chars().any(char::is_control) {
        return Err(Mistake::new(
            Some(at),
            format!("{text:?}"),
            "no control characters",
        ));
    }
    if text.trim().is_empty() || length > longest {
        let expected = format!("1 to {longest}");
        return Err(Mistake::new(
            Some(at),
            format!("{length} characters"),
            expected,
        ));
    }
    Ok(text.clone())
}

fn http(text: &str) -> Option<Target> {
    let address: ureq::http::Uri = text.parse().ok()?;
    let plain = address.scheme_str() == Some("http");
    let host = address.host().is_some_and(|host| !host.is_empty());
    (plain && host).then(|| Target::Http(text.to_owned()))
}

fn tcp(text: &str) -> Option<Target> {
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let host = !host.is_empty() && !host.contains(char::is_whitespace);
    (port != 0 && host).then(|| Target::Tcp(text.to_owned()))
}

fn command(text: &str) -> Option<Target> {
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let absolute = words
        .first()
        .is_some_and(|program| program.starts_with('/'));
    absolute.then_some(Target::Command(words))
}

fn unit(text: &str) -> Option<Target> {
    let one_word = !text.contains(char::is_whitespace) && text.contains('.');
    one_word.then(|| Target::Systemd(text.to_owned()))
}
