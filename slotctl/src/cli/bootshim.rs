//! `slotctl bootshim`.

use super::args::Bootshim;
use super::key;
use super::output::Answer;
use serde_json::json;
use slotctl::error::Result;
use slotctl::program::Program;

pub fn run(command: &Bootshim) -> Result<Answer> {
    let Bootshim::Trust { input, trust, out } = command;
    let keys = key::public_keys(trust)?;
    Program::load(input)?.with_trust(&keys)?.save(out)?;
    let ids: Vec<String> = keys.iter().map(|key| key.id().to_string()).collect();
    let text = format!("{} trusts {}", out.display(), ids.join(", "));
    Ok(Answer::new(
        text,
        json!({ "changed": true, "file": out.display().to_string(), "trusted": ids }),
    ))
}
