//! `slotctl`: each command reads its words, calls the libraries, and says what
//! happened.

#![forbid(unsafe_code)]

mod args;
mod bootshim;
mod disk;
mod ending;
mod explain;
mod history;
mod image;
mod install;
mod key;
mod key_set;
mod log;
mod slots;
mod status;
mod usage;
mod watch;

use args::{Args, Command};

use controller::disk::Disk;
use controller::error::Result;
use controller::helper;
use std::process::ExitCode;
use talk::answer::{Answer, Voice};
use talk::sibling;

fn main() -> ExitCode {
    // Tasks of those parts that this program is made of.
    if let Some(exit) = helper::begun(&[controller::disk::ASK, ::watch::RUN]) {
        return exit;
    }
    let words: Vec<_> = std::env::args_os().collect();
    match usage::read(&words) {
        Ok(args) => run(&args),
        Err(said) => usage::answer(&words, &said),
    }
}

/// Runs a command and gives its exit status.
fn run(args: &Args) -> ExitCode {
    let voice = Voice {
        command: name(&args.command),
        json: args.json,
        quiet: args.quiet,
        verbose: args.verbose,
    };
    ending::prepare(args);
    voice.finish(dispatch(args, voice))
}

fn dispatch(args: &Args, voice: Voice) -> Result<Answer> {
    match &args.command {
        Command::Key(command) => key::run(command),
        Command::Image(command) => image::run(args, command, voice),
        Command::Bootshim(command) => bootshim::run(command),
        Command::Disk(args::Disk::Create(create)) => disk::create(create, voice),
        Command::Disk(args::Disk::Show) => disk::show(&open(args, voice)?, voice),
        Command::Install(install) => install::run(args, install, voice),
        Command::Status => status::status(&open(args, voice)?, voice),
        Command::NextBoot { arm } => status::next_boot(&open(args, voice)?, *arm, voice),
        Command::Activate(activate) => slots::activate(&open(args, voice)?, activate, voice),
        Command::Rollback { reboot } => slots::rollback(&open(args, voice)?, *reboot),
        Command::Confirm => slots::confirm(&open(args, voice)?, voice),
        Command::Reject { reason } => slots::reject(&open(args, voice)?, reason),
        Command::Verify { slots } => slots::verify(&open(args, voice)?, slots, voice),
        Command::Watch => watch::run(args),
        Command::Log => log::run(args, voice),
        Command::Explain { code } => explain::run(code.as_deref()),
        Command::OpenRoot => Err(sibling::run("root", &args.everywhere(), &[])),
    }
}

/// The name of a command in its schema.
fn name(command: &Command) -> &'static str {
    use args::{Bootshim, Disk, Image, Key, KeySet};
    match command {
        Command::Key(Key::Generate { .. }) => "key-generate",
        Command::Key(Key::Show { .. }) => "key-show",
        Command::Key(Key::Set(KeySet::Create(_))) => "key-set-create",
        Command::Key(Key::Set(KeySet::Tbs { .. })) => "key-set-tbs",
        Command::Key(Key::Set(KeySet::Sign(_))) => "key-set-sign",
        Command::Image(Image::Build(_)) => "image-build",
        Command::Image(Image::Delta(_)) => "image-delta",
        Command::Image(Image::Tbs { .. }) => "image-tbs",
        Command::Image(Image::Sign(_)) => "image-sign",
        Command::Image(Image::Show { .. }) => "image-show",
        Command::Image(Image::Verify { .. }) => "image-verify",
        Command::Bootshim(Bootshim::Trust { .. }) => "bootshim-trust",
        Command::Disk(Disk::Create(_)) => "disk-create",
        Command::Disk(Disk::Show) => "disk-show",
        Command::Install(_) => "install",
        Command::Status => "status",
        Command::NextBoot { .. } => "next-boot",
        Command::Activate(_) => "activate",
        Command::Rollback { .. } => "rollback",
        Command::Confirm => "confirm",
        Command::Reject { .. } => "reject",
        Command::Verify { .. } => "verify",
        Command::Watch => "watch",
        Command::Log => "log",
        Command::Explain { .. } => "explain",
        Command::OpenRoot => "open-root",
    }
}

/// The disk that a command is about, with a word about what is wrong with it.
fn open(args: &Args, voice: Voice) -> Result<Disk> {
    let disk = Disk::open_or_booted(args.disk.as_deref())?;
    for warning in disk.warnings() {
        voice.warn(&warning);
    }
    Ok(disk)
}
