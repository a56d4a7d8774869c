//! `slotctl explain`: what a code means, and what to do.

use controller::code::Code;
use controller::error::{Error, Result};
use serde_json::{Value, json};
use std::fmt::Write as _;
use talk::answer::{Answer, table};

/// Which code is explained.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The word in `error.code`; without it, a line for each
    #[arg(value_name = "CODE")]
    pub code: Option<String>,
}

/// One code, or a line for each.
pub fn run(args: &Args) -> Result<Answer> {
    let word = args.code.as_deref();
    let meant = |code: &&Code| word.is_none_or(|word| word == code.word());
    let codes: Vec<Code> = Code::ALL.iter().filter(meant).copied().collect();
    if codes.is_empty() {
        let found = format!("there is no code `{}`", word.unwrap_or_default());
        return Err(Error::new(Code::Usage, found).advice("`slotctl explain` lists them"));
    }
    let text = match word {
        Some(_) => codes.iter().copied().map(in_full).collect(),
        None => table(&codes.iter().copied().map(in_short).collect::<Vec<_>>()),
    };
    let codes: Vec<Value> = codes.into_iter().map(fields).collect();
    Ok(Answer::new(text, json!({ "codes": codes })))
}

fn in_full(code: Code) -> String {
    let mut text = String::new();
    let (status, meaning, advice) = (code.exit().status(), code.meaning(), code.advice());
    let _ = writeln!(
        text,
        "{code} (exit status {status})\n  {meaning}\n  {advice}"
    );
    text
}

fn in_short(code: Code) -> Vec<String> {
    let status = code.exit().status().to_string();
    vec![code.word().into(), status, code.meaning().into()]
}

fn fields(code: Code) -> Value {
    json!({
        "code": code.word(), "exit": code.exit().status(),
        "meaning": code.meaning(), "advice": code.advice(),
    })
}
