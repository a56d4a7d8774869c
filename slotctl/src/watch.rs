//! `slotctl watch`.

use controller::error::Result;
use serde_json::json;
use std::path::Path;
use talk::answer::Answer;
use talk::options::GlobalOptions;
use watch::events::Events;
use watch::{BlackBox, Ended, RunningSlot};

pub fn run(global: &GlobalOptions) -> Result<Answer> {
    let _alone = watch::alone(Path::new(watch::LOCKED_IN))?;
    let configuration = config::find(global.config.as_deref());
    let mut trial = RunningSlot::new(global.disk.clone());
    let packaged = Path::new(config::PACKAGED);
    let black_box = BlackBox::of_this_controller(global.disk.clone());
    let events = Events::of_this_controller();
    let exit = watch::run(configuration, packaged, &mut trial, events, black_box)?;
    let words = match exit {
        Ended::Stopped => "stopped",
        Ended::SystemGoesDown => "the system goes down",
        Ended::GaveUp => "this start was given up",
    };
    Ok(Answer::new(words, json!({ "ended": words })))
}
