//! What the command line must not say, and what it probably should not.

use std::string::String;
use std::vec::Vec;

use super::{BuildError, Inputs, Warning};
use crate::manifest::{SLOT, WATCHDOG_MIN, longest_cmdline};

/// So much of a command line Linux keeps, on x86-64 and on arm64 (`COMMAND_LINE_SIZE`,
/// of which the last byte ends it).
const KEPT: usize = 2047;

/// The root as `slotctl open-root` names it.
const MAPPED: &str = "/dev/mapper/slotctl-root";

pub(super) fn check(inputs: &Inputs) -> Result<Vec<Warning>, BuildError> {
    check_watchdog(&inputs.cmdline, inputs.watchdog_seconds)?;
    let length = longest_cmdline(&inputs.cmdline);
    if length > KEPT {
        return Err(BuildError::CommandLineGrows { length, kept: KEPT });
    }
    let braces = unknown(&inputs.cmdline).map(Warning::UnknownWord);
    Ok(braces.chain(root(&inputs.cmdline)).collect())
}

/// With a petted watchdog a panic must end in the watchdog, and a start must not.
fn check_watchdog(cmdline: &str, watchdog_seconds: u32) -> Result<(), BuildError> {
    if (1..WATCHDOG_MIN).contains(&watchdog_seconds) {
        return Err(BuildError::ShortWatchdog(watchdog_seconds));
    }
    let restarts = |word: &&str| word.starts_with("panic=") && *word != "panic=0";
    match cmdline.split_whitespace().find(restarts) {
        Some(word) if watchdog_seconds > 0 => Err(BuildError::PanicWithWatchdog(word.into())),
        _ => Ok(()),
    }
}

/// Words in braces that nobody replaces.
fn unknown(cmdline: &str) -> impl Iterator<Item = String> + '_ {
    let words = cmdline.split('{').skip(1);
    let words = words.filter_map(|rest| Some(rest.split_once('}')?.0));
    words
        .map(|word| std::format!("{{{word}}}"))
        .filter(|word| word != SLOT && !word.contains(char::is_whitespace))
}

/// What is wrong with the root that is named. The last one counts, as for Linux.
fn root(cmdline: &str) -> Option<Warning> {
    let words = cmdline.split_whitespace();
    let mut roots = words.filter_map(|word| word.trim_matches('"').strip_prefix("root="));
    match roots.next_back() {
        Some(root) => {
            let ours = root.trim_matches('"');
            let of_slot = ["PARTUUID=", "/dev/disk/by-partuuid/"]
                .iter()
                .any(|kind| ours.strip_prefix(kind) == Some(SLOT));
            (ours != MAPPED && !of_slot).then(|| Warning::RootOfNoSlot(root.into()))
        }
        // Somebody's own initrd may find it under another word.
        None if cmdline.contains(SLOT) => None,
        None => Some(Warning::NoRootNamed),
    }
}
