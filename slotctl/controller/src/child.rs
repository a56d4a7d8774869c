//! Asking a program that may hang: it is waited for until a moment, and then left to
//! itself.

use crate::plain;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Instant;

/// More than that is not read of what it says.
const SAID_MAX: u64 = 1 << 20;

/// What a program says, if it ends well before `until`; else why there is nothing.
///
/// # Errors
/// It is not there, failed, or hangs; one that hangs is ended.
pub fn ask(program: &str, arguments: &[&str], until: Instant) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{program}: {error}");
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let group = i32::try_from(child.id()).ok().map(Pid::from_raw);
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (done, ended) = channel();
    // Whoever is asleep over a dead disk cannot be ended, and is not waited for.
    let wait = move || {
        let errors = std::thread::spawn(move || read(err));
        let said = read(out);
        let errors = errors.join().unwrap_or_default();
        // Nobody listens any more where it took too long.
        let _ = done.send((said, errors, child.wait()));
    };
    std::thread::Builder::new().spawn(wait).map_err(failed)?;
    let patience = until.saturating_duration_since(Instant::now());
    match ended.recv_timeout(patience) {
        Ok((said, _, Ok(status))) if status.success() => Ok(said),
        Ok((_, errors, Ok(status))) => {
            let errors = String::from_utf8_lossy(&errors);
            let last = errors.lines().rfind(|line| !line.trim().is_empty());
            let last = last.map_or_else(String::new, |line| format!(", {}", plain::line(line)));
            Err(format!("{program}: {status}{last}"))
        }
        Ok((_, _, Err(error))) => Err(failed(error)),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            if let Some(group) = group {
                // It may have ended at this moment.
                let _ = killpg(group, Signal::SIGKILL);
            }
            Err(format!("{program} gave no answer in time"))
        }
    }
}

/// Reads on to the end, so that nobody waits for room, and keeps the begin.
fn read(from: Option<impl Read>) -> Vec<u8> {
    let mut kept = Vec::new();
    if let Some(from) = from {
        let mut limited = from.take(SAID_MAX);
        // What was read until then counts.
        let _ = limited.read_to_end(&mut kept);
        let _ = std::io::copy(&mut limited.into_inner(), &mut std::io::sink());
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn ask_shell(script: &str, limit: Duration) -> Result<Vec<u8>, String> {
        ask("sh", &["-c", script], Instant::now() + limit)
    }

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn what_a_program_says_is_read_or_why_there_is_nothing() {
        assert_eq!(ask_shell("echo yes", LONG), Ok(b"yes\n".to_vec()));
        let why = ask_shell("echo first >&2; echo 'no \x1b journal' >&2; exit 3", LONG);
        let said = "sh: exit status: 3, no \\u{1b} journal";
        assert_eq!(why, Err(said.to_owned()));
        let why = ask("/nonexistent/journalctl", &[], Instant::now() + LONG);
        assert!(why.is_err_and(|why| why.starts_with("/nonexistent/journalctl: ")));
    }

    #[test]
    fn a_program_that_hangs_is_ended_with_what_it_began_and_not_waited_for() {
        let directory = tempfile::tempdir();
        let pids = directory.as_ref().map(|d| d.path().join("pids"));
        let pids = pids.unwrap_or_default();
        let script = format!(
            "sleep 200 & echo $! >{0}.new; mv {0}.new {0}; wait",
            pids.display()
        );
        // On a busy machine it takes longer to begin.
        for seconds in [1, 10, 100] {
            let until = Instant::now() + Duration::from_secs(seconds);
            let why = ask("sh", &["-c", &script], until);
            assert_eq!(why, Err("sh gave no answer in time".to_owned()));
            if pids.exists() {
                break;
            }
        }
        let sleep = std::fs::read_to_string(&pids).unwrap_or_default();
        assert_ne!(sleep, "");
        let stat = || std::fs::read_to_string(format!("/proc/{}/stat", sleep.trim()));
        let runs = || stat().is_ok_and(|stat| !stat.contains(") Z "));
        for _ in 0..1000 {
            if !runs() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(!runs(), "{sleep}");
    }

    #[test]
    fn megabytes_are_cut_and_hold_nobody_up() {
        let said = ask_shell("head -c 9000000 /dev/zero", LONG);
        assert_eq!(said.map(|said| said.len()), Ok(1 << 20));
    }
}
