//! `slotctl log`: what bootshim said at this start, and the event log; or all that is kept
//! of a failed start.

mod since;

use blackbox::ring::Ring;
use blackbox::words;
use bootshim::handover::LOG_VARIABLE;
use chrono::{DateTime, Utc};
use controller::code::Code;
use controller::efi_variable;
use controller::error::{Error, Result};
use controller::plain;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::{Value, json};
use std::io::{ErrorKind, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, SystemTime};
use talk::answer::{Answer, Printer};
use talk::options::GlobalOptions;
use watch::events::{DIRECTORY, Event, Events, uptime};

/// The attributes that come before the content there.
const ATTRIBUTES: usize = 4;

/// How often the log is looked at while it is followed, in milliseconds. It may not be
/// there yet, nor the data partition that it will lie on.
const LOOK_EVERY: u16 = 500;

/// What is shown.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Go on with what happens from now on, until Ctrl-C
    #[arg(long, conflicts_with = "failure")]
    pub follow: bool,
    /// Begin there: `2026-11-29T16:00:00Z`, or by the clock here `2026-11-29 16:00`,
    /// `16:00`, `today`, `yesterday`, `2h ago`
    #[arg(long, value_name = "T", conflicts_with = "failure", allow_hyphen_values = true,
        value_parser = since::parse)]
    pub since: Option<SystemTime>,
    /// All that is kept of the Nth last failed start; 1 is the last
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub failure: Option<u64>,
}

pub fn run(global: &GlobalOptions, args: &Args, printer: Printer) -> Result<Answer> {
    match args.failure {
        Some(number) => failure(global, number, printer),
        None => events(global, args, printer),
    }
}

fn failure(global: &GlobalOptions, number: u64, printer: Printer) -> Result<Answer> {
    let ring = Ring::at(Path::new(DIRECTORY));
    let found = ring.read()?;
    for damaged in &found.damaged {
        printer.warn(damaged);
    }
    let place = usize::try_from(number).unwrap_or(usize::MAX);
    let Some((_, failure)) = found.failures.get(place.saturating_sub(1)) else {
        let count = found.failures.len();
        let found = format!("there is no failure {number}");
        let expected = match count {
            0 if !ring.has_place() => format!("{DIRECTORY} is not there, and nothing is kept"),
            0 => "none is kept here".to_owned(),
            _ => format!("{count} are kept, and 1 is the last"),
        };
        return Err(Error::new(Code::NotFound, found).expected(expected));
    };
    if !global.json {
        return Ok(Answer::new(words::whole(place, failure), Value::Null));
    }
    let mut object = serde_json::to_value(failure).unwrap_or_default();
    if let Some(fields) = object.as_object_mut() {
        fields.insert("failure".into(), place.into());
    }
    Ok(Answer::raw(format!("{object}\n").into_bytes()))
}

fn events(global: &GlobalOptions, args: &Args, printer: Printer) -> Result<Answer> {
    let events = Events::of_this_controller();
    if let Some(why) = events.missing() {
        printer.warn(&why);
    }
    let mut log = events.follow();
    let mut new = log.new_events()?;
    let mut text = String::new();
    if let Some(since) = args.since {
        new.drain(..earlier(&new, since));
    }
    if args.since.is_none_or(|since| started() >= Some(since)) {
        for line in said_by_bootshim().lines() {
            text.push_str(&bootshim_line(line, global.json));
        }
    }
    loop {
        for event in &new {
            text.push_str(&event_line(event, global.json));
        }
        if !args.follow {
            return Ok(Answer::raw(text.into_bytes()));
        }
        if !print(&text)? || !somebody_reads()? {
            return Ok(Answer::raw(Vec::new()));
        }
        text.clear();
        new = log.new_events()?;
    }
}

/// How many events come before the first one of this time or later. Those behind it all
/// count, in the order in which they happened: a clock that was wrong for a while, as
/// before it was set, hides none of them.
fn earlier(events: &[Event], since: SystemTime) -> usize {
    let since = DateTime::<Utc>::from(since);
    let is_later =
        |event: &Event| DateTime::parse_from_rfc3339(&event.time).is_ok_and(|time| time >= since);
    events.iter().position(is_later).unwrap_or(events.len())
}

/// When this system was started, by the clock as it goes now.
fn started() -> Option<SystemTime> {
    let uptime = Duration::try_from_secs_f64(uptime()?).ok()?;
    SystemTime::now().checked_sub(uptime)
}

fn bootshim_line(line: &str, json: bool) -> String {
    match json {
        true => {
            let object = json!({ "schema": "slotctl.log/1", "event": "bootshim", "text": line });
            format!("{object}\n")
        }
        false => format!("bootshim: {}\n", plain::line(line)),
    }
}

fn event_line(event: &Event, json: bool) -> String {
    if !json {
        return format!("{}\n", plain::line(&event.to_string()));
    }
    let mut object = json!({ "schema": "slotctl.log/1" });
    if let (Some(object), Ok(Value::Object(fields))) =
        (object.as_object_mut(), serde_json::to_value(event))
    {
        object.extend(fields);
    }
    format!("{object}\n")
}

/// Whether it could be printed: not where the reader has gone away (`| head`).
fn print(text: &str) -> Result<bool> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Error::io("writing the answer", &error)),
    }
}

/// Waits a moment for the log to grow, and no longer than somebody reads what is printed.
fn somebody_reads() -> Result<bool> {
    let out = std::io::stdout();
    let mut out = [PollFd::new(out.as_fd(), PollFlags::empty())];
    match poll(&mut out, PollTimeout::from(LOOK_EVERY)) {
        Ok(gone) => Ok(gone == 0),
        Err(Errno::EINTR) => Ok(true),
        Err(error) => Err(Error::io("waiting", &error.into())),
    }
}

/// What bootshim left in its volatile variable; nothing where this system was
/// not started by it, or shows no variables.
fn said_by_bootshim() -> String {
    let content = efi_variable::raw(LOG_VARIABLE).unwrap_or_default();
    String::from_utf8_lossy(content.get(ATTRIBUTES..).unwrap_or_default()).into_owned()
}
