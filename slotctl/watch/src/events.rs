//! The event log: what happened on this controller, in at most two files of
//! 1 MiB on the data partition, one JSON object a line.
//!
//! Clocks lie, so that every line also has the number of the boot and the
//! uptime. Where the log cannot be written, the line goes to the kernel's log
//! and the program runs on.

mod file;
mod follow;
#[cfg(test)]
mod tests;

use bootshim::handover::Handover;
use controller::date::rfc3339;
use controller::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub use follow::Follow;

/// Where the event log lies: on the data partition, outside all slots.
pub const DIRECTORY: &str = "/var/lib/slotctl";
pub(crate) const KERNEL_LOG: &str = "/dev/kmsg";
/// The kernel refuses messages of about 1 KiB.
const KERNEL_LINE_MAX: usize = 900;
const TEXT_MAX: usize = 4096;
/// So many events wait for their log; of more, the first ones go.
const WAITING_MAX: usize = 256;

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The clock's time, RFC 3339.
    pub time: String,
    /// Sequence number of the boot record at the start of the system
    /// (`slotctl.boot=`), if bootshim started it.
    pub boot: Option<u64>,
    /// Seconds since the kernel started.
    pub uptime: Option<f64>,
    /// A stable word for programs, such as `confirmed`.
    pub event: String,
    /// The same for people.
    pub text: String,
    /// More for programs; an object.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub details: serde_json::Value,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.time)?;
        if let Some(boot) = self.boot {
            write!(f, " boot {boot}")?;
        }
        if let Some(uptime) = self.uptime {
            write!(f, " +{uptime:.1}s")?;
        }
        write!(f, " {}: {}", self.event, self.text)
    }
}

/// The event log of one controller.
#[derive(Clone, Debug)]
pub struct Events {
    directory: PathBuf,
    kernel_log: PathBuf,
    boot: Option<u64>,
}

impl Events {
    /// The log of the controller that this program runs on.
    #[must_use]
    pub fn of_this_controller() -> Events {
        let line = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
        let boot = Handover::parse(&line).map(|handover| handover.boot);
        Events::at(Path::new(DIRECTORY), Path::new(KERNEL_LOG), boot)
    }

    /// A log elsewhere.
    #[must_use]
    pub fn at(directory: &Path, kernel_log: &Path, boot: Option<u64>) -> Events {
        Events {
            directory: directory.to_owned(),
            kernel_log: kernel_log.to_owned(),
            boot,
        }
    }

    /// Notes that something happened. Never fails: without a place in the log
    /// it is said to the kernel.
    pub fn record(&self, event: &str, text: &str, details: serde_json::Value) {
        let event = self.event(event, text, details);
        if self.append(&event).is_err() {
            self.tell_kernel(&event);
        }
    }

    /// Why there is no log, where there is none: nothing was written yet, or nothing can
    /// be.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        let directory = self.directory.display();
        (!self.directory.is_dir()).then(|| {
            format!("there is no event log, because {directory} is not there; what happened since the start of this system is in the kernel's log (`dmesg`)")
        })
    }

    /// The kernel's log, for whoever has no other any more.
    #[must_use]
    pub fn kernel_log(&self) -> Option<File> {
        let mut options = OpenOptions::new();
        options.append(true).open(&self.kernel_log).ok()
    }

    fn event(&self, event: &str, text: &str, details: serde_json::Value) -> Event {
        Event {
            time: rfc3339(SystemTime::now()),
            boot: self.boot,
            uptime: uptime(),
            event: event.to_owned(),
            text: text.chars().take(TEXT_MAX).collect(),
            details,
        }
    }

    /// All events that are kept, and then those that come.
    #[must_use]
    pub fn follow(&self) -> Follow {
        Follow::new(&self.directory)
    }

    fn append(&self, event: &Event) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        file::append(&self.directory, &line)
    }

    fn tell_kernel(&self, event: &Event) {
        let mut line = format!("<5>slotctl: {}: ", event.event);
        // Whoever shows the kernel's log on a terminal escapes it (dmesg(1)).
        for c in event.text.chars() {
            if line.len() < KERNEL_LINE_MAX {
                line.push(if c.is_control() { ' ' } else { c });
            }
        }
        line.push('\n');
        // There is nobody left to tell if this fails too.
        let log = self.kernel_log();
        let _ = log.map(|mut log| log.write_all(line.as_bytes()));
    }
}

/// The log of somebody who begins before its place is there: what cannot be written
/// yet goes to the kernel at once, and into the log as soon as that can be.
#[derive(Debug)]
pub struct Patient {
    events: Events,
    waiting: VecDeque<Event>,
}

impl Patient {
    /// Nothing waits yet.
    #[must_use]
    pub fn new(events: Events) -> Patient {
        Patient {
            events,
            waiting: VecDeque::new(),
        }
    }

    /// As [`Events::record`].
    pub fn record(&mut self, event: &str, text: &str, details: serde_json::Value) {
        let event = self.events.event(event, text, details);
        self.waiting.push_back(event.clone());
        self.catch_up();
        if self.is_waiting() {
            self.events.tell_kernel(&event);
        }
        if self.waiting.len() > WAITING_MAX {
            self.waiting.pop_front();
        }
    }

    /// Whether something was not written yet.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Writes what waits, in the order in which it happened.
    pub fn catch_up(&mut self) {
        while let Some(event) = self.waiting.front() {
            if self.events.append(event).is_err() {
                return;
            }
            self.waiting.pop_front();
        }
    }
}

/// Seconds since the kernel started.
#[must_use]
pub fn uptime() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

fn read_error(path: &Path, error: &std::io::Error) -> Error {
    Error::io(format_args!("reading {}", path.display()), error)
}
