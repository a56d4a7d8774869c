//! `slotctl bootshim`.

use crate::args::Bootshim;
use crate::key;
use controller::error::Result;
use controller::program::Program;
use serde_json::json;
use talk::answer::Answer;

pub fn run(command: &Bootshim) -> Result<Answer> {
    let Bootshim::Trust {
        input,
        trust,
        roots,
        out,
    } = command;
    let program = key::put(Program::load(input)?, trust, roots)?;
    program.save(out)?;
    let keys = program.trust().keys.iter();
    let ids: Vec<String> = keys.map(|key| key.id().to_string()).collect();
    let threshold = program.trust().root_threshold;
    let mut text = format!("{} trusts {}", out.display(), ids.join(", "));
    if let Some(threshold) = threshold {
        text = format!(
            "{text}: root keys, {threshold} of {} sign a key set",
            ids.len()
        );
    }
    Ok(Answer::new(
        text,
        json!({ "changed": true, "file": out.display().to_string(), "trusted": ids, "root_threshold": threshold }),
    ))
}
