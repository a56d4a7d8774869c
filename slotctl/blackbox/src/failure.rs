//! What is known of one failed start. Each part has a limit of its own, so that none
//! pushes out another, and all of them together are at most [`LENGTH_MAX`] bytes.

#[cfg(test)]
mod tests;

use controller::plain;
use serde::{Deserialize, Serialize};

/// The name of the format.
pub const SCHEMA: &str = "slotctl.failure/1";
/// The most bytes that the file of a failure has.
pub const LENGTH_MAX: usize = 256 << 10;

// Bytes as they are encoded.
const WORD_MAX: usize = 256;
const LINE_MAX: usize = 2 << 10;
const REASON_MAX: usize = 8 << 10;
const CHECKS_MAX: usize = 24 << 10;
const UNIT_MAX: usize = 12 << 10;
const UNITS_MAX: usize = 96 << 10;
const KERNEL_MAX: usize = 48 << 10;
const DUMP_MAX: usize = 24 << 10;
const PSTORE_MAX: usize = 60 << 10;
const MISSING_MAX: usize = 8 << 10;

/// A failed start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// [`SCHEMA`].
    pub schema: String,
    /// The slot that was started.
    pub slot: String,
    /// BLAKE3 of its manifest, in hexadecimal digits.
    pub manifest: String,
    /// The version in that manifest, where it could be read.
    pub version: Option<String>,
    /// Sequence number of the boot record at the start; not known where the start ended
    /// without a word.
    pub boot: Option<u64>,
    /// Which start of its trial it was, from 1.
    pub attempt: Option<u16>,
    /// Whether `slotctl watch` gave it up; else the next start found that it was over.
    pub given_up: bool,
    /// The number of the failure in the boot record that it is about.
    pub sequence: Option<u64>,
    /// The clock's time when it was written, RFC 3339.
    pub time: String,
    /// Seconds since the kernel started: of the failed start where it was given up.
    pub uptime: Option<f64>,
    /// Why it failed.
    pub reason: String,
    /// What each check said last.
    #[serde(default)]
    pub checks: Vec<Check>,
    /// Units of systemd that had failed, or had not come up yet.
    #[serde(default)]
    pub units: Vec<Unit>,
    /// The last lines of the kernel's log.
    #[serde(default)]
    pub kernel: Vec<String>,
    /// What is known of the watchdog.
    #[serde(default)]
    pub watchdog: Option<Watchdog>,
    /// What the kernel left in pstore, oldest first.
    #[serde(default)]
    pub pstore: Vec<Dump>,
    /// What could not be collected.
    #[serde(default)]
    pub missing: Vec<Missing>,
}

/// A check, and what it said last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Its name in the configuration.
    pub name: String,
    /// Whether it passes; `None` where it never answered, or could not be asked.
    pub passes: Option<bool>,
    /// Since when, RFC 3339.
    pub since: String,
    /// What it said, or why it could not be asked, where it does not pass.
    pub said: Option<String>,
}

/// A unit of systemd.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Unit {
    /// Its name.
    pub name: String,
    /// Its state as `systemctl` has it: `failed`, `activating (auto-restart)`.
    pub state: String,
    /// The last lines of its journal.
    pub lines: Vec<Line>,
}

/// A line of the journal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Seconds since the kernel started.
    pub uptime: Option<f64>,
    /// The program, and its process: `postgres[415]`.
    pub by: String,
    /// What it said.
    pub text: String,
}

/// The hardware's watchdog, as far as it was known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Watchdog {
    /// The device that `slotctl watch` was told to pet; null where another start asks.
    pub device: Option<String>,
    /// Its time-out in seconds.
    pub timeout: Option<u64>,
    /// Whether it was open, and so armed.
    pub open: Option<bool>,
    /// The chip that bootshim had armed before the kernel of the start that wrote this.
    pub armed: Option<String>,
    /// What led to the start that wrote this: `watchdog`, `other`, `unknown`.
    pub last_reset: Option<String>,
}

/// What one end of a kernel left in pstore.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Dump {
    /// What it was, as the kernel says: `Panic#1`.
    pub name: String,
    /// The time of its file, RFC 3339.
    pub time: String,
    /// Its text.
    pub lines: Vec<String>,
}

/// Something that could not be collected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Missing {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
}

impl Missing {
    /// With its reason.
    pub fn new(what: impl Into<String>, why: impl Into<String>) -> Missing {
        Missing {
            what: what.into(),
            why: why.into(),
        }
    }
}

impl Failure {
    /// The content of its file: all that is known, or as much as is kept.
    pub fn encode(&self) -> Vec<u8> {
        let kept = self.clone().bounded();
        let mut bytes = serde_json::to_vec(&kept).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Reads the content of a file; why it is none, in words.
    pub fn decode(bytes: &[u8]) -> Result<Failure, String> {
        if bytes.len() > LENGTH_MAX {
            return Err(format!("it is longer than {LENGTH_MAX} bytes"));
        }
        let failure: Failure =
            serde_json::from_slice(bytes).map_err(|error| format!("it is damaged: {error}"))?;
        match failure.schema == SCHEMA {
            true => Ok(failure),
            false => Err(format!("its format is {}, not {SCHEMA}", failure.schema)),
        }
    }

    /// Whether something in it says more than the boot record.
    pub fn tells(&self) -> bool {
        !(self.checks.is_empty()
            && self.units.is_empty()
            && self.kernel.is_empty()
            && self.pstore.is_empty())
    }

    /// Adds what a kernel left, where that is not in it already.
    pub fn add(&mut self, dumps: &[Dump]) {
        for dump in dumps.iter().cloned().map(Dump::bounded) {
            if !self.pstore.contains(&dump) {
                self.pstore.push(dump);
            }
        }
    }

    /// Whether what a kernel left last is in it already.
    pub fn has(&self, dumps: &[Dump]) -> bool {
        let last = dumps.last().cloned().map(Dump::bounded);
        last.is_some_and(|last| self.pstore.contains(&last))
    }

    /// As much as is kept; what is left out is said. What is within its limits stays as
    /// it is.
    fn bounded(mut self) -> Failure {
        let mut left_out = Vec::new();
        let mut note = |what: &str, count: usize| {
            if count > 0 {
                left_out.push(Missing::new(what, format!("{count} left out for room")));
            }
        };
        self.schema = SCHEMA.to_owned();
        for word in [&mut self.slot, &mut self.manifest, &mut self.time] {
            *word = cut(word, WORD_MAX);
        }
        self.version = self.version.map(|version| cut(&version, WORD_MAX));
        self.reason = cut(&self.reason, REASON_MAX);
        self.watchdog = self.watchdog.map(Watchdog::bounded);
        // What fails says most.
        let mut checks: Vec<_> = self.checks.into_iter().map(Check::bounded).collect();
        checks.sort_by_key(|check| check.passes == Some(true));
        note("checks", keep_first(&mut checks, CHECKS_MAX));
        let units = self.units.into_iter();
        let mut units: Vec<_> = units.map(Unit::bounded).collect();
        note("units", keep_first(&mut units, UNITS_MAX));
        let mut kernel: Vec<_> = self.kernel.iter().map(|line| cut(line, LINE_MAX)).collect();
        note("older kernel lines", keep_last(&mut kernel, KERNEL_MAX));
        let mut pstore: Vec<_> = self.pstore.into_iter().map(Dump::bounded).collect();
        note(
            "older reports in pstore",
            keep_last(&mut pstore, PSTORE_MAX),
        );
        // What was left out before is said once.
        self.missing.retain(|missing| !left_out.contains(missing));
        let missing = left_out.into_iter().chain(self.missing);
        let mut missing: Vec<_> = missing.map(Missing::bounded).collect();
        keep_first(&mut missing, MISSING_MAX);
        Failure {
            checks,
            units,
            kernel,
            pstore,
            missing,
            ..self
        }
    }
}

impl Check {
    fn bounded(self) -> Check {
        Check {
            name: cut(&self.name, WORD_MAX),
            passes: self.passes,
            since: cut(&self.since, WORD_MAX),
            said: self.said.map(|said| cut(&said, LINE_MAX)),
        }
    }
}

impl Unit {
    fn bounded(self) -> Unit {
        let line = |line: Line| Line {
            uptime: line.uptime,
            by: cut(&line.by, WORD_MAX),
            text: cut(&line.text, LINE_MAX),
        };
        let mut lines: Vec<_> = self.lines.into_iter().map(line).collect();
        keep_last(&mut lines, UNIT_MAX);
        Unit {
            name: cut(&self.name, WORD_MAX),
            state: cut(&self.state, WORD_MAX),
            lines,
        }
    }
}

impl Watchdog {
    fn bounded(self) -> Watchdog {
        let word = |word: Option<String>| word.map(|word| cut(&word, WORD_MAX));
        Watchdog {
            device: word(self.device),
            armed: word(self.armed),
            last_reset: word(self.last_reset),
            ..self
        }
    }
}

impl Dump {
    fn bounded(self) -> Dump {
        let mut lines: Vec<_> = self.lines.iter().map(|line| cut(line, LINE_MAX)).collect();
        keep_last(&mut lines, DUMP_MAX);
        Dump {
            name: cut(&self.name, WORD_MAX),
            time: cut(&self.time, WORD_MAX),
            lines,
        }
    }
}

impl Missing {
    fn bounded(self) -> Missing {
        Missing {
            what: cut(&self.what, WORD_MAX),
            why: cut(&self.why, LINE_MAX),
        }
    }
}

/// Text of a program or a kernel, in lines that do nothing to a terminal.
pub fn harmless(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.lines().map(plain::line).collect()
}

/// The bytes that it takes in a list.
fn encoded(part: &impl Serialize) -> usize {
    serde_json::to_vec(part).map_or(0, |bytes| bytes.len()) + 1
}

/// The begin of a text, harmless, in so many bytes as they are encoded.
fn cut(text: &str, limit: usize) -> String {
    let text = plain::line(text);
    if encoded(&text) <= limit {
        return text;
    }
    // Encoded, no character of it takes more than twice its bytes.
    let half = limit.saturating_sub(16) / 2;
    let begin = text.get(..text.floor_char_boundary(half));
    format!("{} …", begin.unwrap_or_default())
}

/// Keeps the first parts that have room; how many have none.
fn keep_first<T: Serialize>(parts: &mut Vec<T>, limit: usize) -> usize {
    let mut length = 0usize;
    let fits = |part: &&T| {
        length = length.saturating_add(encoded(*part));
        length <= limit
    };
    let kept = parts.iter().take_while(fits).count();
    let left_out = parts.len() - kept;
    parts.truncate(kept);
    left_out
}

/// Keeps the last parts that have room; how many have none.
fn keep_last<T: Serialize>(parts: &mut Vec<T>, limit: usize) -> usize {
    parts.reverse();
    let left_out = keep_first(parts, limit);
    parts.reverse();
    left_out
}
