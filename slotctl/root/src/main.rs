//! `slotctl-root`: opens the root of the slot that was started, for hooks in an
//! initramfs. `slotctl open-root` runs it.

#![forbid(unsafe_code)]

use controller::code::Code;
use controller::disk;
use controller::error::{Error, Result};
use controller::helper;
use serde_json::json;
use slotctl_root::{Outcome, open, restart};
use std::process::ExitCode;
use talk::answer::{Answer, Printer};
use talk::sibling::{Call, VERSION};

const NAME: &str = "slotctl-root";
const HELP: &str = "\
Opens the root of the slot that was started through dm-verity, as
/dev/mapper/slotctl-root; for hooks in an initramfs.

Usage: slotctl-root [--json] [--quiet]
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
