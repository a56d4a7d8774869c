//! How the arguments of a command are read, and what is said of wrong ones.

use crate::CommandLine;
use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use controller::code::Code;
use controller::error::Error;
use std::ffi::OsString;
use std::process::ExitCode;
use talk::answer;

/// Reads the arguments, the name of the program first, and names
/// the command as its schema does. An error is what clap has to say, also help and
/// the version.
pub fn read(arguments: &[OsString]) -> Result<(CommandLine, &'static str), clap::Error> {
    parse(arguments).or_else(|error| match error.kind() {
        // `image verify --trust ours.pub x.slotimg`: clap takes the image for a
        // second key, and then misses the image.
        ErrorKind::MissingRequiredArgument => file_after_keys(arguments).ok_or(error),
        _ => Err(error),
    })
}

fn parse<'a>(
    arguments: impl IntoIterator<Item = &'a OsString>,
) -> Result<(CommandLine, &'static str), clap::Error> {
    let matches = CommandLine::command().try_get_matches_from(arguments)?;
    // There is one, and it is needed until the program ends.
    let name = name(&matches).leak();
    Ok((CommandLine::from_arg_matches(&matches)?, name))
}

/// The arguments read with the last value behind a `--trust` as the file that the
/// command is about.
fn file_after_keys(arguments: &[OsString]) -> Option<(CommandLine, &'static str)> {
    let is_option = |argument: &OsString| argument.as_encoded_bytes().starts_with(b"-");
    let is_trust = |argument: &OsString| argument == "--trust";
    if arguments.iter().any(|argument| argument == "--") {
        return None;
    }
    let (before, after) = arguments.split_at(arguments.iter().rposition(is_trust)? + 1);
    let values = after
        .iter()
        .take_while(|argument| !is_option(argument))
        .count();
    let (keys, rest) = after.split_at_checked(values.checked_sub(1)?)?;
    let (file, rest) = rest.split_first()?;
    let separator = OsString::from("--");
    let ordered = [before, keys, rest].concat();
    parse(ordered.iter().chain([&separator, file])).ok()
}

/// Says what clap has to say: help, the version, or what is wrong, which a
/// program is told in an object as of any other failure.
pub fn answer(arguments: &[OsString], said: &clap::Error) -> ExitCode {
    if said.use_stderr() && arguments.iter().any(|argument| argument == "--json") {
        return answer::refuse(&command(arguments), &wrong(said));
    }
    // Nobody is there to hear that nobody hears.
    let _ = said.print();
    ExitCode::from(u8::try_from(said.exit_code()).unwrap_or(2))
}

/// The name of the command that was meant.
fn command(arguments: &[OsString]) -> String {
    let lenient = CommandLine::command().ignore_errors(true);
    let matches = lenient.try_get_matches_from(arguments);
    let named = matches.map(|matches| name(&matches)).unwrap_or_default();
    match named.is_empty() {
        true => "usage".into(),
        false => named,
    }
}

/// The name of a command in its schema, such as `key-set-create`.
fn name(matches: &ArgMatches) -> String {
    let first = matches.subcommand();
    let names = std::iter::successors(first, |(_, matches)| matches.subcommand());
    names.map(|(name, _)| name).collect::<Vec<_>>().join("-")
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
