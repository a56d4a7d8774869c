//! How the words of a command line are read, and what is said of wrong ones.

use crate::args::Args;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use controller::code::Code;
use controller::error::Error;
use std::ffi::OsString;
use std::process::ExitCode;
use talk::answer;

/// Reads the words of a command line, the name of the program first.
///
/// # Errors
/// What clap says of them; also where help or the version is asked for.
pub fn read(words: &[OsString]) -> Result<Args, clap::Error> {
    Args::try_parse_from(words).or_else(|error| match error.kind() {
        // `image verify --trust ours.pub x.slotimg`: clap takes the image for a
        // second key, and then misses the image.
        ErrorKind::MissingRequiredArgument => file_after_keys(words).ok_or(error),
        _ => Err(error),
    })
}

/// The words read with the last value behind a `--trust` as the file that the
/// command is about.
fn file_after_keys(words: &[OsString]) -> Option<Args> {
    let is_option = |word: &OsString| word.as_encoded_bytes().starts_with(b"-");
    let is_trust = |word: &OsString| word == "--trust";
    if words.iter().any(|word| word == "--") {
        return None;
    }
    let (before, after) = words.split_at(words.iter().rposition(is_trust)? + 1);
    let values = after.iter().take_while(|word| !is_option(word)).count();
    let (keys, rest) = after.split_at_checked(values.checked_sub(1)?)?;
    let (file, rest) = rest.split_first()?;
    let separator = OsString::from("--");
    let ordered = [before, keys, rest].concat();
    Args::try_parse_from(ordered.iter().chain([&separator, file])).ok()
}

/// Says what clap has to say: help, the version, or what is wrong, which a
/// program is told in an object as of any other failure.
pub fn answer(words: &[OsString], said: &clap::Error) -> ExitCode {
    if said.use_stderr() && words.iter().any(|word| word == "--json") {
        return answer::refuse(&command(words), &wrong(said));
    }
    // Nobody is there to hear that nobody hears.
    let _ = said.print();
    ExitCode::from(u8::try_from(said.exit_code()).unwrap_or(2))
}

/// The name of the command that was meant, as in its schema.
fn command(words: &[OsString]) -> String {
    let lenient = Args::command().ignore_errors(true);
    let Ok(matches) = lenient.try_get_matches_from(words) else {
        return "usage".into();
    };
    let mut names = Vec::new();
    let mut at = &matches;
    while let Some((name, below)) = at.subcommand() {
        names.push(name);
        at = below;
    }
    match names.is_empty() {
        true => "usage".into(),
        false => names.join("-"),
    }
}

fn wrong(said: &clap::Error) -> Error {
    let found = if said.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        "a command is missing".into()
    } else {
        let text = said.to_string();
        let first = text.split("\n\n").next().unwrap_or_default();
        let words: Vec<&str> = first.split_whitespace().collect();
        words.join(" ").trim_start_matches("error: ").to_owned()
    };
    Error::new(Code::Usage, found)
        .advice("`slotctl help` lists the commands, `slotctl help COMMAND` their options")
        .changed("nothing was written")
}
