//! `slotctl`: each command reads its arguments, calls the libraries, and says what
//! happened.

#![forbid(unsafe_code)]

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
mod order;
mod sign;
mod slots;
mod status;
mod usage;
mod watch;

use controller::disk::Disk;
use controller::error::Result;
use controller::helper;
use std::process::ExitCode;
use talk::answer::{Answer, Printer};
use talk::options::GlobalOptions;
use talk::sibling;

/// Installs signed OS images into the slot that is not in use, and says what
/// boots next.
#[derive(Debug, clap::Parser)]
#[command(name = "slotctl", version, arg_required_else_help = true)]
struct CommandLine {
    #[command(flatten)]
    global: GlobalOptions,
    /// What to do
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make and look at keys
    #[command(subcommand)]
    Key(key::Command),
    /// Build, sign and look at images
    #[command(subcommand)]
    Image(image::Command),
    /// Make, sign and look at orders: what controllers are told to do
    #[command(subcommand)]
    Order(order::Command),
    /// Prepare bootshim
    #[command(subcommand)]
    Bootshim(bootshim::Command),
    /// Make and look at disks
    #[command(subcommand)]
    Disk(disk::Command),
    /// Install an image into a slot that is not in use
    Install(install::Args),
    /// Slots, versions, states, what runs and what boots next
    Status(status::Args),
    /// What bootshim would start, and why every other slot is passed over
    NextBoot(status::NextBoot),
    /// Make a slot the trial
    Activate(slots::Activate),
    /// Go back to the highest good slot other than the running one
    Rollback(slots::Rollback),
    /// The running trial is good
    Confirm,
    /// The running trial is bad
    Reject(slots::Reject),
    /// Read slots back and check every byte against the signed manifest
    Verify(slots::Verify),
    /// Pet the watchdog and check production, as a service
    Watch,
    /// What happened here
    Log(log::Args),
    /// What a code means, and what to do
    Explain(explain::Args),
    /// Open the root of the slot that was started, for hooks in an initramfs
    #[command(hide = true)]
    OpenRoot,
}

/// The definition of the command line, of which help, man pages and completions are made.
#[must_use]
pub fn command_line() -> clap::Command {
    <CommandLine as clap::CommandFactory>::command()
}

/// Does what the arguments of this process ask for. Its exit status.
#[must_use]
pub fn run() -> ExitCode {
    // Tasks of those parts that this program is made of.
    let tasks = [
        controller::disk::ASK,
        ::watch::LOOK,
        ::watch::READ,
        ::watch::RUN,
    ];
    if let Some(exit) = helper::begun(&tasks) {
        return exit;
    }
    let arguments: Vec<_> = std::env::args_os().collect();
    let (CommandLine { global, command }, name) = match usage::read(&arguments) {
        Ok(read) => read,
        Err(said) => return usage::answer(&arguments, &said),
    };
    let printer = Printer::new(name, &global);
    ending::prepare(&command);
    printer.finish(dispatch(&global, &command, printer))
}

fn dispatch(global: &GlobalOptions, command: &Command, printer: Printer) -> Result<Answer> {
    let open = || open(global, printer);
    match command {
        Command::Key(command) => key::run(command),
        Command::Image(command) => image::run(global, command, printer),
        Command::Order(command) => order::run(command),
        Command::Bootshim(command) => bootshim::run(command),
        Command::Disk(disk::Command::Create(args)) => disk::create(args, printer),
        Command::Disk(disk::Command::Show) => disk::show(&open()?, printer),
        Command::Install(args) => install::run(global, args, printer),
        Command::Status(args) => status::run(&open()?, args, printer),
        Command::NextBoot(args) => status::next_boot(&open()?, args, printer),
        Command::Activate(args) => slots::activate(&open()?, args, printer),
        Command::Rollback(args) => slots::rollback(&open()?, args, printer),
        Command::Confirm => slots::confirm(&open()?, printer),
        Command::Reject(args) => slots::reject(&open()?, args),
        Command::Verify(args) => slots::verify(&open()?, args, printer),
        Command::Watch => watch::run(global),
        Command::Log(args) => log::run(global, args, printer),
        Command::Explain(args) => explain::run(args),
        Command::OpenRoot => Err(sibling::run("root", global, &[])),
    }
}

/// The disk that a command is about, with a word about what is wrong with it.
fn open(global: &GlobalOptions, printer: Printer) -> Result<Disk> {
    let disk = Disk::open_or_booted(global.disk.as_deref())?;
    for warning in disk.warnings() {
        printer.warn(&warning);
    }
    Ok(disk)
}
