//! `slotctl watch`.

use super::args::Args;
use super::output::{Answer, Voice};
use serde_json::json;
use slotctl::config;
use slotctl::disk::Disk;
use slotctl::error::Result;
use slotctl::events::Events;
use slotctl::running::{Running, Unknown};
use slotctl::watch::{self, Exit};

pub fn run(args: &Args, voice: Voice) -> Result<Answer> {
    let configuration = config::find(args.config.as_deref());
    let events = Events::of_this_controller();
    let disk = Disk::open_or_booted(args.disk.as_deref());
    let handover = disk.as_ref().map(|disk| disk.handover().map(|h| (disk, h)));
    let exit = match handover {
        Ok(Some((disk, handover))) => {
            watch::run(configuration, &mut Running::new(disk, handover), events)
        }
        // Without its disk a system is watched all the same: whoever does not
        // pet the watchdog is reset by it.
        Ok(None) => watch::run(configuration, &mut Unknown, events),
        Err(error) => {
            voice.warn(&error.to_string());
            watch::run(configuration, &mut Unknown, events)
        }
    }?;
    let words = match exit {
        Exit::Stopped => "stopped",
        Exit::SystemGoesDown => "the system goes down",
        Exit::GaveUp => "this start was given up",
    };
    Ok(Answer::new(words, json!({ "ended": words })))
}
