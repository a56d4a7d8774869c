//! `slotctl watch`.

use super::args::Args;
use super::output::Answer;
use serde_json::json;
use slotctl::config;
use slotctl::error::Result;
use slotctl::events::Events;
use slotctl::running::Watched;
use slotctl::watch::{self, Exit};

pub fn run(args: &Args) -> Result<Answer> {
    let configuration = config::find(args.config.as_deref());
    let mut trial = Watched::new(args.disk.clone());
    let exit = watch::run(configuration, &mut trial, Events::of_this_controller())?;
    let words = match exit {
        Exit::Stopped => "stopped",
        Exit::SystemGoesDown => "the system goes down",
        Exit::GaveUp => "this start was given up",
    };
    Ok(Answer::new(words, json!({ "ended": words })))
}
