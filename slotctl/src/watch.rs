//! `slotctl watch`.

use crate::args::Args;
use controller::error::Result;
use serde_json::json;
use talk::answer::Answer;
use watch::events::Events;
use watch::{Exit, Watched};

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
