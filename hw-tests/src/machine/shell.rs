//! The root shell on the machine's second serial port.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;

/// What the machine says when the shell reads commands.
pub(super) const READY: &str = "@ready";

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit status; 128 and the signal's number when a signal ended it.
    pub status: i32,
    /// What it wrote to standard output, without carriage returns.
    pub stdout: String,
    /// What it wrote to standard error, likewise.
    pub stderr: String,
}

#[derive(Debug)]
pub(super) struct Shell {
    stream: UnixStream,
    commands: u32,
}

impl Shell {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            commands: 0,
        }
    }

    /// Types `command`, and returns the number that its [`Answer`] carries.
    pub(super) fn send(&mut self, command: &str) -> io::Result<u32> {
        self.commands += 1;
        let number = self.commands;
        self.stream.write_all(typed(number, command).as_bytes())?;
        Ok(number)
    }
}

/// The line that runs `command` and frames what it says. A frame's mark begins
/// its line; where the terminal echoes the typed line, it does not.
fn typed(number: u32, command: &str) -> String {
    let quoted = command.replace('\'', r"'\''");
    let stderr = "/tmp/stderr";
    format!(
        "printf '\\n@out {number}\\n'; sh -c '{quoted}' </dev/null 2>{stderr}; status=$?; \
         printf '\\n@err {number}\\n'; cat {stderr}; printf '\\n@end {number} %s\\n' $status\n"
    )
}

/// The answer to one command, as it comes in.
#[derive(Debug)]
pub(super) struct Answer {
    number: u32,
    section: Section,
    stdout: Vec<String>,
    stderr: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
enum Section {
    Before,
    Stdout,
    Stderr,
}

impl Answer {
    pub(super) fn to(number: u32) -> Self {
        Self {
            number,
            section: Section::Before,
            stdout: Vec::new(),
            stderr: Vec::new(),
        }
    }

    /// The whole, once `line` ends it.
    pub(super) fn hear(&mut self, line: &str) -> Option<Output> {
        let number = self.number;
        if line == format!("@out {number}") {
            self.section = Section::Stdout;
        } else if line == format!("@err {number}") {
            self.section = Section::Stderr;
        } else if let Some(status) = line.strip_prefix(&format!("@end {number} ")) {
            let status = status.parse().ok()?;
            return Some(Output {
                status,
                stdout: text(&self.stdout),
                stderr: text(&self.stderr),
            });
        } else {
            match self.section {
                Section::Before => {}
                Section::Stdout => self.stdout.push(line.to_owned()),
                Section::Stderr => self.stderr.push(line.to_owned()),
            }
        }
        None
    }
}

/// What was written, of which the last line end is the frame's own.
fn text(lines: &[String]) -> String {
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(lines: &[&str]) -> Option<Output> {
        let mut answer = Answer::to(7);
        lines.iter().find_map(|line| answer.hear(line))
    }

    #[test]
    fn an_answer_keeps_the_two_outputs_and_the_status_apart() {
        let output = hear(&["@out 7", "a", "b", "", "@err 7", "oh", "", "@end 7 3"]).unwrap();
        let expected = Output {
            status: 3,
            stdout: "a\nb\n".into(),
            stderr: "oh\n".into(),
        };
        assert_eq!(output, expected);
    }

    #[test]
    fn a_last_line_without_an_end_stays_without_one() {
        let output = hear(&["@out 7", "a", "@err 7", "", "@end 7 0"]).unwrap();
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("a", ""));
    }

    #[test]
    fn an_echo_or_an_older_answer_is_not_taken_for_it() {
        let echo = format!("/ # {}", typed(7, "true"));
        assert_eq!(hear(&[echo.trim_end(), "@end 6 0"]), None);
    }

    #[test]
    fn a_quote_in_a_command_stays_a_quote() {
        assert!(typed(1, "echo 'x'").contains(r"sh -c 'echo '\''x'\'''"));
    }
}
