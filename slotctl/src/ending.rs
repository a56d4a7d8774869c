//! What signals do to a command: one that is ended leaves nothing half made, and
//! a limit is an error like any other.

use crate::{Command, bootshim, disk, image, key, key_set};
use images::new_file;
use nix::sys::signal::{SigSet, Signal, raise};
use std::thread::Builder;

/// Prepares the process for the signals that its command may get. No thread may
/// have been started yet: each inherits what is blocked here.
pub fn prepare(command: &Command) {
    // Blocked, a file that grows past `ulimit -f` is an error of the write.
    let _ = SigSet::from(Signal::SIGXFSZ).thread_block();
    if makes_a_file(command) {
        remove_what_is_not_whole();
    }
}

fn makes_a_file(command: &Command) -> bool {
    matches!(
        command,
        Command::Key(
            key::Command::Generate { .. } | key::Command::Set(key_set::Command::Create(_))
        ) | Command::Image(image::Command::Build(_) | image::Command::Delta(_))
            | Command::Bootshim(bootshim::Command::Trust { .. })
            | Command::Disk(disk::Command::Create(_))
    )
}

/// Has a thread wait for the signals that end a process. Where there can be no
/// thread they do so at once, as they do by default.
fn remove_what_is_not_whole() {
    let mut signals = SigSet::empty();
    let ignored = ignored();
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM] {
        // `nohup`, and a shell that starts it behind itself, want it to go on.
        if !ignored.contains(signal) {
            signals.add(signal);
        }
    }
    if signals.thread_block().is_err() {
        return;
    }
    let wait = move || {
        if let Ok(signal) = signals.wait() {
            new_file::end_without_leftovers(|| {
                let _ = signals.thread_unblock();
                // What it does by default, so that whoever waits is told of it.
                let _ = raise(signal);
            });
        }
    };
    if Builder::new().name("signals".into()).spawn(wait).is_err() {
        let _ = signals.thread_unblock();
    }
}

/// The signals that this process was told to ignore by whoever started it.
fn ignored() -> SigSet {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default();
    let is_ignored = |signal: &Signal| {
        let bit = u32::try_from(*signal as i32 - 1).unwrap_or(u32::MAX);
        mask.checked_shr(bit).is_some_and(|mask| mask & 1 == 1)
    };
    Signal::iterator().filter(is_ignored).collect()
}
