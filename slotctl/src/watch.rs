//! `slotctl watch`.

use controller::error::Result;
use serde_json::json;
use talk::answer::Answer;
use talk::options::GlobalOptions;
use watch::events::Events;
use watch::{Exit, Watched};

pub fn run(global: &GlobalOptions) -> Result<Answer> {
    let configuration = config::find(global.config.as_deref());
    let mut trial = Watched::new(global.disk.clone());
    let exit = watch::run(configuration, &mut trial, Events::of_this_controller())?;
    let words = match exit {
        Exit::Stopped => "stopped",
        Exit::SystemGoesDown => "the system goes down",
        Exit::GaveUp => "this start was given up",
    };
    Ok(Answer::new(words, json!({ "ended": words })))
}
