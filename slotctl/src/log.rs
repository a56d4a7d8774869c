//! `slotctl log`: what bootshim said at this start, and the event log; or all that is kept
//! of a failed start.

use blackbox::ring::Ring;
use blackbox::words;
use bootshim::handover::LOG_VARIABLE;
use controller::code::Code;
use controller::efi_variable;
use controller::error::{Error, Result};
use controller::plain;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;
use talk::answer::{Answer, Printer};
use talk::options::GlobalOptions;
use watch::events::{DIRECTORY, Events};

/// The attributes that come before the content there.
const ATTRIBUTES: usize = 4;

/// What is shown.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// All that is kept of the Nth last failed start; 1 is the last
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub failure: Option<u64>,
}

pub fn run(global: &GlobalOptions, args: &Args, printer: Printer) -> Result<Answer> {
    match args.failure {
        Some(number) => failure(global, number, printer),
        None => events(global, printer),
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

fn events(global: &GlobalOptions, printer: Printer) -> Result<Answer> {
    let mut text = String::new();
    for line in said_by_bootshim().lines() {
        if global.json {
            let object = json!({ "schema": "slotctl.log/1", "event": "bootshim", "text": line });
            let _ = writeln!(text, "{object}");
        } else {
            let _ = writeln!(text, "bootshim: {}", plain::line(line));
        }
    }
    let events = Events::of_this_controller();
    if let Some(why) = events.missing() {
        printer.warn(&why);
    }
    for event in events.read()? {
        let event = event?;
        if global.json {
            let mut object = json!({ "schema": "slotctl.log/1" });
            if let (Some(object), Ok(serde_json::Value::Object(fields))) =
                (object.as_object_mut(), serde_json::to_value(&event))
            {
                object.extend(fields);
            }
            let _ = writeln!(text, "{object}");
        } else {
            let _ = writeln!(text, "{}", plain::line(&event.to_string()));
        }
    }
    Ok(Answer::raw(text.into_bytes()))
}

/// What bootshim left in its volatile variable; nothing where this system was
/// not started by it, or shows no variables.
fn said_by_bootshim() -> String {
    let content = efi_variable::raw(LOG_VARIABLE).unwrap_or_default();
    String::from_utf8_lossy(content.get(ATTRIBUTES..).unwrap_or_default()).into_owned()
}
