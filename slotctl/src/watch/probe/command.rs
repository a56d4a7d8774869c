//! A program as a check: exit status 0 passes.

use super::one_line;
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use std::io::{PipeReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How often the program is looked after.
const LOOK: Duration = Duration::from_millis(20);
/// Of what it says, the last so many bytes are kept.
const SAID_MAX: usize = 300;

/// Runs the program, without a shell, in a process group of its own. Whatever
/// of the group is left when it ends, or when `limit` has passed, is killed.
pub(super) fn run(words: &[String], limit: Duration) -> Result<(), String> {
    let (program, arguments) = words.split_first().ok_or("no program")?;
    let failed = |error: std::io::Error| format!("{} ({program})", super::plain(&error));
    let (reader, writer) = std::io::pipe().map_err(failed)?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(writer.try_clone().map_err(failed)?)
        .stderr(writer)
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let said = listen(reader);
    let in_time = ended_within(&child, limit).map_err(|error| failed(error.into()))?;
    // Not reaped yet, so that its number is still its own.
    let _ = killpg(pid(&child), Signal::SIGKILL);
    let status = child.wait().map_err(failed)?;
    if !in_time {
        return Err(super::too_slow(limit, program));
    }
    if status.success() {
        return Ok(());
    }
    // The group is gone, and with it the other end of the pipe.
    let said = said.recv_timeout(LOOK).unwrap_or_default();
    Err(format!("{} ({program})", complaint(status, &said)))
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX))
}

fn ended_within(child: &Child, limit: Duration) -> Result<bool, Errno> {
    let began = Instant::now();
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    while waitid(Id::Pid(pid(child)), look)? == WaitStatus::StillAlive {
        if began.elapsed() >= limit {
            return Ok(false);
        }
        std::thread::sleep(LOOK);
    }
    Ok(true)
}

/// Reads on for as long as somebody writes, so that nobody waits for room.
fn listen(mut from: PipeReader) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            kept.extend_from_slice(buffer.get(..read).unwrap_or_default());
            let surplus = kept.len().saturating_sub(SAID_MAX);
            kept.drain(..surplus);
        }
        // Nobody waits for it where the program passed or was too slow.
        let _ = sender.send(kept);
    });
    receiver
}

fn complaint(status: ExitStatus, said: &[u8]) -> String {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => status.to_string(),
    };
    let said = String::from_utf8_lossy(said);
    match said.lines().map(one_line).rfind(|line| !line.is_empty()) {
        Some(last) => format!("{how}, {last}"),
        None => how,
    }
}
