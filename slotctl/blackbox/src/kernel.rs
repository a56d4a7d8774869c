//! The kernel's log, as `/dev/kmsg` gives it (Documentation/ABI/testing/dev-kmsg).

use controller::plain;
use nix::libc::O_NONBLOCK;
use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Result};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Longer than any record.
const RECORD_MAX: usize = 8 << 10;
/// So many of the last lines are kept.
const LINES_MAX: usize = 1000;
/// So many records are read at most, where somebody writes faster than this reads.
const RECORDS_MAX: usize = 1 << 20;

/// The last lines of the log of the kernel that runs, oldest first.
pub fn lines(log: &Path) -> Result<Vec<String>> {
    let mut options = OpenOptions::new();
    let mut log = options.read(true).custom_flags(O_NONBLOCK).open(log)?;
    let mut lines = VecDeque::new();
    let mut buffer = vec![0; RECORD_MAX];
    for _ in 0..RECORDS_MAX {
        match log.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => lines.extend(parse(buffer.get(..length).unwrap_or_default())),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            // What was next has been overwritten; it goes on with the oldest there is.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            Err(error) => return Err(error),
        }
        let surplus = lines.len().saturating_sub(LINES_MAX);
        lines.drain(..surplus);
    }
    Ok(lines.into())
}

/// The lines of records: `PRIORITY,NUMBER,MICROSECONDS,FLAGS;TEXT`, and behind each, on
/// lines that begin with a space, what is for programs.
fn parse(records: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(records);
    let line = |line: &str| {
        let (head, text) = line.split_once(';')?;
        let micros: u64 = head.split(',').nth(2)?.parse().ok()?;
        let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
        let text = plain::line(text);
        Some(format!("[{seconds:5}.{rest:06}] {text}"))
    };
    let for_people = text.lines().filter(|line| !line.starts_with(' '));
    for_people.filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::panic,
        reason = "in a test, each of them is a failure that is seen"
    )]

    use super::*;
    use std::io::Write;

    #[test]
    fn records_become_lines_as_dmesg_has_them() {
        let records = b"6,339,5140900,-;NET: Registered PF_INET6\n SUBSYSTEM=net\n DEVICE=+net\n\
            3,340,61000007,c;vda: I/O error; sector 5\xff\n";
        let lines = parse(records);
        let said = [
            "[    5.140900] NET: Registered PF_INET6",
            "[   61.000007] vda: I/O error; sector 5\u{fffd}",
        ];
        assert_eq!(lines, said);
        for odd in [
            &b""[..],
            b"\n",
            b"text",
            b";",
            b"1,2;x",
            b"1,2,x,-;y",
            b" A=b\n",
        ] {
            assert!(parse(odd).is_empty());
        }
    }

    #[test]
    fn of_a_long_log_the_last_lines_are_kept() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        for number in 0..5000 {
            writeln!(file, "6,{number},1,-;line {number}").unwrap();
        }
        let lines = lines(file.path()).unwrap();
        assert!(lines.len() <= LINES_MAX);
        assert_eq!(lines.last().unwrap(), "[    0.000001] line 4999");
    }

    /// The kernel under this test: what it is told comes last, and nothing waits for more.
    #[test]
    fn what_a_real_kernel_was_told_is_read_back() {
        let log = Path::new("/dev/kmsg");
        let mine = format!("slotctl test {}: \u{1b}[31m end", std::process::id());
        // Others than root may not.
        let Ok(mut told) = OpenOptions::new().write(true).open(log) else {
            return;
        };
        told.write_all(format!("<7>{mine}\n").as_bytes()).unwrap();
        let lines = lines(log).unwrap();
        let found = lines.iter().rfind(|line| line.contains("slotctl test"));
        let found = found.unwrap_or_else(|| panic!("{lines:#?}"));
        assert!(found.ends_with("\\x1b[31m end"), "{found}");
    }
}
