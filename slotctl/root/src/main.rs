//! `slotctl-root`: opens the root of the slot that was started, for hooks in an
//! initramfs. `slotctl open-root` runs it.

#![forbid(unsafe_code)]

use controller::code::Code;
use controller::disk;
use controller::error::{Error, Result};
use controller::helper;
use serde_json::json;
use slotctl_root::bind::{self, bind};
use slotctl_root::{Outcome, open, restart};
use slotctl_state::declared::FOLDER;
use slotctl_state::given::MARK;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use talk::answer::{Answer, Printer};
use talk::sibling::{Call, VERSION};

const NAME: &str = "slotctl-root";
const HELP: &str = "\
Opens the root of the slot that was started through dm-verity, as
/dev/mapper/slotctl-root; for hooks in an initramfs.

Usage: slotctl-root [--json] [--quiet] [bind-state ROOT]

bind-state ROOT  mounts what the slot keeps on the data partition over ROOT, where
                 that root is mounted
";

fn main() -> ExitCode {
    if let Some(exit) = helper::begun(&[disk::ASK]) {
        return exit;
    }
    let call = Call::read(std::env::args_os().skip(1));
    let printer = Printer::new("open-root", &call.global);
    printer.finish(run(&call, printer))
}

fn run(call: &Call, printer: Printer) -> Result<Answer> {
    call.check_caller(NAME)?;
    match call.arguments.first() {
        None => open_root(printer),
        Some(argument) if argument == "-h" || argument == "--help" => Ok(Answer::raw(HELP.into())),
        Some(argument) if argument == "-V" || argument == "--version" => {
            Ok(Answer::raw(format!("{NAME} {VERSION}\n").into_bytes()))
        }
        Some(argument) if argument == "bind-state" => match call.arguments.get(1..) {
            Some([root]) => bind_state(Path::new(root), printer),
            _ => Err(
                Error::new(Code::Usage, "`bind-state` without the folder of the root")
                    .advice(format!("`{NAME} --help` says what it takes"))
                    .changed("nothing was done"),
            ),
        },
        Some(argument) => {
            let found = format!("{NAME} does not know `{}`", argument.display());
            Err(Error::new(Code::Usage, found)
                .advice(format!("`{NAME} --help` says what it knows"))
                .changed("nothing was done"))
        }
    }
}

fn open_root(printer: Printer) -> Result<Answer> {
    match open()? {
        Outcome::Opened(opened) => {
            opened
                .remarks
                .iter()
                .for_each(|remark| printer.warn(remark));
            let (device, slot) = (opened.device.display(), opened.slot);
            let text = format!(
                "the root is {device}: slot {slot}, version {}, verified as it is read; a \
                 damaged block is {}",
                opened.version, opened.on_damage
            );
            let fields = json!({
                "device": device.to_string(), "slot": slot.to_string(),
                "version": opened.version, "on_damage": opened.on_damage,
                "remarks": opened.remarks,
            });
            Ok(Answer::new(text, fields))
        }
        Outcome::Restart { why, next } => {
            printer.warn(&format!("{why}; restarting, slot {next} starts next"));
            restart()?;
            Ok(Answer::default())
        }
    }
}

fn bind_state(root: &Path, printer: Printer) -> Result<Answer> {
    let given = match bind(root)? {
        bind::Outcome::Nothing => {
            let text = format!("the image declares nothing in /{FOLDER}");
            return Ok(Answer::new(text, json!({ "paths": [] })));
        }
        bind::Outcome::Given(given) => given,
        bind::Outcome::Restart { why, next } => {
            let words = format!("{why}; restarting, slot {next} starts next");
            printer.warn(&words);
            to_kernel_log(&words);
            restart()?;
            return Ok(Answer::default());
        }
    };
    let text = given.words();
    for remark in &given.remarks {
        printer.warn(remark);
        to_kernel_log(remark);
    }
    if given.node.is_none() {
        to_kernel_log(&text);
    }
    // For `status`; where it cannot be written, the kernel's log has the same words.
    if let Err(error) = given.write(Path::new(MARK)) {
        printer.warn(&error.to_string());
    }
    Ok(Answer::new(text, given.fields()))
}

/// As a warning, where the journal and a console that nobody watched have it later.
fn to_kernel_log(words: &str) {
    let log = std::fs::OpenOptions::new().write(true).open("/dev/kmsg");
    // Where there is none, nobody can be told.
    let _ = log.and_then(|mut log| writeln!(log, "<4>slotctl: {words}"));
}
