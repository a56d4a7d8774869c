//! This program, started a second time as a helper: for a question that may hang,
//! and for what must be ended with all that it began.
//!
//! A thread that the kernel has put to sleep over a dead disk cannot be ended, and
//! neither can a process that has such a thread. A helper that hangs is left to
//! itself: it holds nothing of the process that started it.

#![allow(unsafe_code)]

use nix::libc;
use nix::sys::signal::SigSet;
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};

/// The first word of a helper; nothing that a person would write.
const HELPER: &str = "--as-helper";

/// What a helper answers: a text, or in one line why there is none.
pub type Answer = Result<String, String>;

/// What helpers of a program can be asked to do: a name, and what answers the words
/// behind it.
pub type Task = (&'static str, fn(&[OsString]) -> Answer);

/// Does the work of a helper, one of `tasks`, where this process was started as one.
/// To be called before anything else.
pub fn begun(tasks: &[Task]) -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    if words.next()? != HELPER {
        return None;
    }
    begin_anew();
    let task = words.next().unwrap_or_default();
    let words: Vec<OsString> = words.collect();
    let answer = match tasks.iter().find(|(name, _)| task == *name) {
        Some((_, answer)) => answer(&words),
        None => Err("a helper without a task".to_owned()),
    };
    let (text, exit) = match &answer {
        Ok(text) => (text, ExitCode::SUCCESS),
        Err(text) => (text, ExitCode::FAILURE),
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Some(exit),
        // Nobody waits for it any more.
        Err(_) => Some(ExitCode::FAILURE),
    }
}

/// Drops what a process inherits although nobody meant it to. What a helper starts
/// has none of it.
fn begin_anew() {
    signals_as_usual();
    close_range(3, Some(u32::MAX));
}

/// Closes these descriptors, which nothing in this process may use any more. A kernel
/// before 5.9 does not know the call, and they stay open.
/// Safe after a fork.
pub fn close_range(first: u32, last: Option<u32>) {
    let Some(last) = last.filter(|last| *last >= first) else {
        return;
    };
    // SAFETY: plain numbers; who calls this answers for what they stand for.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
}

/// No signal is ignored, caught or blocked in this thread. Safe after a fork.
pub fn signals_as_usual() {
    for number in 1..=libc::SIGRTMAX() {
        // SAFETY: the default disposition runs no code of this program.
        // Some signals keep theirs, and say so.
        let _ = unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    // Fails for no set of signals.
    let _ = SigSet::empty().thread_set_mask();
}

/// A helper at work. Dropping it ends it, or leaves it to itself where it cannot be
/// ended.
#[derive(Debug)]
pub struct Helper {
    child: Option<Child>,
}

impl Helper {
    /// Starts a helper for a task of this program.
    pub fn start(
        (task, _): Task,
        words: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> std::io::Result<Helper> {
        let child = Command::new("/proc/self/exe")
            .args([HELPER, task])
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // What is typed at a terminal is not for it.
            .process_group(0)
            .spawn()?;
        Ok(Helper { child: Some(child) })
    }

    /// Its answer, if it has come.
    pub fn answer(&mut self) -> Option<Answer> {
        let child = self.child.as_mut()?;
        match child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(read(self.child.take()?, status)),
            Err(error) => Some(Err(error.to_string())),
        }
    }

    /// Waits for its answer.
    pub fn wait(mut self) -> Answer {
        let Some(mut child) = self.child.take() else {
            return Err("it has answered already".to_owned());
        };
        let status = child.wait().map_err(|error| error.to_string())?;
        read(child, status)
    }
}

/// What a helper has left in the pipe: less than a pipe holds.
fn read(mut child: Child, status: ExitStatus) -> Answer {
    let mut text = String::new();
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_to_string(&mut text)
            .map_err(|error| error.to_string())?;
    }
    match status.code() {
        Some(0) => Ok(text),
        Some(_) if !text.is_empty() => Err(text),
        _ => Err(format!("the helper ended with {status}")),
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        // It may have ended by now.
        let _ = child.kill();
        // It may end when its disk answers, or never: somebody has to wait for it. Where
        // there is no room for a thread it stays in the table of processes.
        let _ = std::thread::Builder::new().spawn(move || child.wait());
    }
}
