//! Man pages and completions for the packages: `pages OUT`. The command line's own
//! definition says what its pages say; slotctl.toml(5) is a chapter of the reference.

#![forbid(unsafe_code)]

mod chapter;

use chapter::chapter;
use clap::Command;
use clap_complete::aot::{Shell, generate_to};
use clap_mangen::Man;
use roff::{Roff, roman};
use std::fs;
use std::io::{self, Error};
use std::path::Path;
use std::process::ExitCode;

const REFERENCE: &str = include_str!("../../../docs/reference.md");
const EXAMPLE: &str = include_str!("../../dist/slotctl.toml");
/// Sections of slotctl(1) that are chapters of the reference.
const OF_ALL_COMMANDS: [(&str, &str); 3] = [
    ("EXIT STATUS", "Exit statuses"),
    ("FILES", "Files"),
    ("ENVIRONMENT", "Environment"),
];
const SOURCE: &str = concat!("slotctl ", env!("CARGO_PKG_VERSION"));

fn main() -> ExitCode {
    let Some(out) = std::env::args_os().nth(1) else {
        eprintln!("pages: where to; usage: pages OUT");
        return ExitCode::from(2);
    };
    match write(Path::new(&out)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pages: writing to {}: {error}", Path::new(&out).display());
            ExitCode::FAILURE
        }
    }
}

fn write(out: &Path) -> io::Result<()> {
    fs::create_dir_all(out)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut slotctl::command_line(), "slotctl", out)?;
    }
    let mut program = slotctl::command_line().disable_help_subcommand(true);
    program.build();
    fs::write(out.join("slotctl.1"), of_program(&program)?)?;
    for command in program.get_subcommands() {
        of_command(command, out)?;
    }
    fs::write(out.join("slotctl.toml.5"), of_configuration()?)
}

/// slotctl(1): the definition, and what of the reference is about all commands.
fn of_program(program: &Command) -> io::Result<Vec<u8>> {
    let mut page = from_definition(program)?;
    for (heading, title) in OF_ALL_COMMANDS {
        let mut section = Roff::new();
        section.control("SH", [heading]);
        section.extend([of_reference(title)?]);
        section.to_writer(&mut page)?;
    }
    see_also("slotctl.toml(5)").to_writer(&mut page)?;
    Ok(page)
}

/// A page for a command, and for each below it.
fn of_command(command: &Command, out: &Path) -> io::Result<()> {
    if command.is_hide_set() {
        return Ok(());
    }
    let mut page = from_definition(command)?;
    see_also("slotctl(1), slotctl.toml(5)").to_writer(&mut page)?;
    let name = command.get_display_name().unwrap_or(command.get_name());
    fs::write(out.join(format!("{name}.1")), page)?;
    command
        .get_subcommands()
        .try_for_each(|below| of_command(below, out))
}

fn from_definition(command: &Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let man = Man::new(command.clone()).source(SOURCE).manual("slotctl");
    man.render(&mut page)?;
    Ok(page)
}

fn of_configuration() -> io::Result<Vec<u8>> {
    let mut page = Roff::new();
    page.control("TH", ["slotctl.toml", "5", "", SOURCE, "slotctl"]);
    page.control("SH", ["NAME"]);
    page.text([roman("slotctl.toml - the configuration of slotctl")]);
    page.control("SH", ["DESCRIPTION"]);
    page.extend([of_reference("Configuration")?]);
    page.control("SH", ["EXAMPLE"]).control("nf", []);
    page.text([roman(EXAMPLE)]).control("fi", []);
    page.extend([see_also("slotctl(1), slotctl-watch(1)")]);
    let mut written = Vec::new();
    page.to_writer(&mut written)?;
    Ok(written)
}

fn of_reference(title: &str) -> io::Result<Roff> {
    let missing = || Error::other(format!("docs/reference.md has no chapter {title:?}"));
    chapter(REFERENCE, title).ok_or_else(missing)
}

fn see_also(pages: &str) -> Roff {
    let mut section = Roff::new();
    section.control("SH", ["SEE ALSO"]).text([roman(pages)]);
    section
}
