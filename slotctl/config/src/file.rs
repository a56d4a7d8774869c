//! The file as it is written, and what it must be to make sense.

mod check;
#[cfg(test)]
mod keys;

use super::mistake::Mistake;
use super::{Check, Config, Download, Watch};
use check::CheckTable;
use controller::duration;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, de};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;

/// What the smallest hardware counters and the kernel's interface can hold.
const LONGEST_WATCHDOG: Duration = Duration::from_secs(65_535);

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

/// A file of a package.
#[derive(Deserialize)]
#[serde(expecting = "a table")]
struct PackagedFile {
    #[serde(default)]
    check: Vec<CheckTable>,
}

/// What the checks of a file must fit.
struct Rules<'a> {
    watch: &'a Watch,
    /// Where the file gives lengths of time of its own.
    given: &'a [Option<Range<usize>>],
    /// The file, and what it is called.
    written: (&'a str, &'a Path),
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

/// The whole configuration; `path` is for messages.
pub(super) fn read(text: &str, path: &Path) -> Result<Config, Mistake> {
    let (file, unknown_keys) = deserialize::<File>(text)?;
    let watch = file.watch.read()?;
    let given = [&file.watch.stable_for, &file.watch.deadline];
    let rules = Rules {
        watch: &watch,
        given: &given.map(|given| given.as_ref().map(Spanned::span)),
        written: (text, path),
    };
    Ok(Config {
        compatible: words(&file.compatible, 128)?,
        checks: checks(&file.check, &rules, |_| None)?,
        watch,
        source: file.source.read()?,
        unknown_keys,
    })
}

/// What a package brings: checks, but none that `replaced` names, and keys that are
/// not known. `taken` says in which other file a check of this name is.
pub(super) fn read_packaged(
    text: &str,
    path: &Path,
    watch: &Watch,
    replaced: impl Fn(&str) -> bool,
    taken: impl Fn(&str) -> Option<PathBuf>,
) -> Result<(Vec<Check>, Vec<String>), Mistake> {
    let (mut file, unknown_keys) = deserialize::<PackagedFile>(text)?;
    file.check.retain(|table| !replaced(table.name.get_ref()));
    let rules = Rules {
        watch,
        given: &[],
        written: (text, path),
    };
    Ok((checks(&file.check, &rules, taken)?, unknown_keys))
}

fn deserialize<T: DeserializeOwned>(text: &str) -> Result<(T, Vec<String>), Mistake> {
    let mut unknown_keys = Vec::new();
    let file = serde_ignored::deserialize(toml::Deserializer::parse(text)?, |key| {
        unknown_keys.push(key.to_string());
    })?;
    Ok((file, unknown_keys))
}

fn checks(
    tables: &[CheckTable],
    rules: &Rules<'_>,
    taken: impl Fn(&str) -> Option<PathBuf>,
) -> Result<Vec<Check>, Mistake> {
    let mut checks: Vec<Check> = Vec::new();
    for table in tables {
        let check = table.read(rules)?;
        let name = &check.name;
        let twice = |found: String| {
            let at = Some(table.name.span());
            Err(Mistake::new(at, found, "one name each"))
        };
        if checks.iter().any(|other| other.name == *name) {
            return twice(format!("check {name:?} is there twice"));
        }
        if let Some(file) = taken(name) {
            return twice(format!("check {name:?} is in {}, too", file.display()));
        }
        checks.push(check);
    }
    Ok(checks)
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
