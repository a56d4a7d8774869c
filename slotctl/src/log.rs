//! `slotctl log`: what bootshim said at this start, and the event log.

use bootshim::handover::LOG_VARIABLE;
use controller::efi_variable;
use controller::error::Result;
use controller::plain;
use serde_json::json;
use std::fmt::Write as _;
use talk::answer::{Answer, Printer};
use talk::options::GlobalOptions;
use watch::events::Events;

/// The attributes that come before the content there.
const ATTRIBUTES: usize = 4;

pub fn run(global: &GlobalOptions, printer: Printer) -> Result<Answer> {
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
