//! A program as a check: exit status 0 passes. It runs below a helper, which ends it
//! with all that it began.

use super::family::Family;
use super::{Outcome, Trouble, one_line};
use controller::helper::{Answer, Task};
use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, PipeReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How often the program is looked after.
const LOOK: Duration = Duration::from_millis(20);
/// How long it takes to hear what was said, at most.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Of what it says, the last so many bytes are kept.
const SAID_MAX: usize = 300;

/// The task of the helper: [`run`].
pub const RUN: Task = ("run-program", |arguments| match arguments {
    [limit, program @ ..] => run(limit, program),
    [] => Err("no time limit".to_owned()),
});

/// Has a helper run the program, for at most `limit`.
pub(super) fn ask(command: &[String], limit: Duration) -> Outcome {
    let milliseconds = limit.as_millis().to_string();
    let arguments = std::iter::once(&milliseconds).chain(command);
    match super::start(RUN, arguments)?.wait() {
        Ok(said) if said.is_empty() => Ok(()),
        Ok(said) => Err(Trouble::Fails(said)),
        Err(why) => Err(Trouble::Unknown(why)),
    }
}

/// In the helper: runs the program, without a shell, in a process group of its own.
/// Whatever it began is ended when it ends, or when the time is over. The answer is
/// empty where it passes; an error is that it could not be run.
fn run(limit: &OsStr, command: &[OsString]) -> Answer {
    let limit = limit.to_str().and_then(|limit| limit.parse().ok());
    let limit = Duration::from_millis(limit.ok_or("no time limit")?);
    let (program, arguments) = command.split_first().ok_or("no program")?;
    let name = program.display();
    let failed = |error: std::io::Error| format!("{} ({name})", super::plain(&error));
    let (reader, writer) = std::io::pipe().map_err(failed)?;
    let said = listen(reader).map_err(failed)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(writer.try_clone().map_err(failed)?)
        .stderr(writer)
        .process_group(0);
    let (mut child, family) = match Family::of(|| command.spawn()) {
        Ok(begun) => begun,
        // No memory and no processes to spare are not the program's fault.
        Err(error) if matches!(error.kind(), ErrorKind::OutOfMemory | ErrorKind::WouldBlock) => {
            return Err(failed(error));
        }
        Err(error) => return Ok(failed(error)),
    };
    // What writes into the pipe from here on is the family alone.
    drop(command);
    let status = ended_within(&mut child, limit);
    family.end().map_err(|errno| failed(errno.into()))?;
    match status.map_err(failed)? {
        None => Ok(super::too_slow(limit, &name)),
        Some(status) if status.success() => Ok(String::new()),
        Some(status) => {
            // Unless it was handed to somebody else, nobody holds the pipe any more.
            let said = said.recv_timeout(LAST_WORDS).unwrap_or_default();
            Ok(format!("{} ({name})", complaint(status, &said)))
        }
    }
}

/// How the program ended, if it did in time.
pub(crate) fn ended_within(
    child: &mut Child,
    limit: Duration,
) -> std::io::Result<Option<ExitStatus>> {
    let began = Instant::now();
    loop {
        let status = child.try_wait()?;
        if status.is_some() || began.elapsed() >= limit {
            return Ok(status);
        }
        std::thread::sleep(LOOK);
    }
}

/// Reads on for as long as somebody writes, so that nobody waits for room.
fn listen(mut from: PipeReader) -> std::io::Result<Receiver<Vec<u8>>> {
    let (sender, receiver) = channel();
    std::thread::Builder::new().spawn(move || {
        let mut kept = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            kept.extend_from_slice(buffer.get(..read).unwrap_or_default());
            let surplus = kept.len().saturating_sub(SAID_MAX);
            kept.drain(..surplus);
        }
        // Nobody waits for it where the program passed or was too slow.
        let _ = sender.send(kept);
    })?;
    Ok(receiver)
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
