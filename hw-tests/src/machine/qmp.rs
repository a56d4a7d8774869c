//! QEMU's machine protocol: commands to it, events and answers from it.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use super::timeline::{Line, Speaker};

/// Something that QEMU reports by itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) name: String,
    /// Why, where the event says it (`RESET`, `SHUTDOWN`), else empty.
    pub(super) reason: String,
}

impl Event {
    /// The event in `line`, if it is one.
    pub(super) fn of(line: &Line) -> Option<Self> {
        let value = message(line)?;
        let name = value.get("event")?.as_str()?.to_owned();
        let reason = value
            .pointer("/data/reason")
            .and_then(Value::as_str)
            .unwrap_or_default();
        Some(Self {
            name,
            reason: reason.to_owned(),
        })
    }
}

fn message(line: &Line) -> Option<Value> {
    if line.speaker != Speaker::Qemu {
        return None;
    }
    serde_json::from_str(&line.text).ok()
}

#[derive(Debug)]
pub(super) struct Qmp {
    stream: UnixStream,
    commands: u64,
}

impl Qmp {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            commands: 0,
        }
    }

    /// Sends `command`, and returns the number that its [`answer`] carries.
    pub(super) fn send(&mut self, command: &str, arguments: &Value) -> io::Result<u64> {
        self.commands += 1;
        let id = self.commands;
        let line = json!({ "execute": command, "arguments": arguments, "id": id });
        writeln!(self.stream, "{line}")?;
        Ok(id)
    }
}

/// What QEMU answers to command `id`, if `line` is that: what it returns, else
/// what it says instead.
pub(super) fn answer(line: &Line, id: u64) -> Option<Result<Value, String>> {
    let mut answer = message(line).filter(|answer| answer["id"] == id)?;
    match answer.get_mut("return") {
        Some(value) => Some(Ok(value.take())),
        None => Some(Err(answer.to_string())),
    }
}

/// The port of the host that leads to the machine, from `info usernet`.
pub(super) fn forwarded_port(info: &str) -> Option<u16> {
    let line = info.lines().find(|line| line.contains("HOST_FORWARD"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn qemu(text: &str) -> Line {
        Line {
            at: Duration::ZERO,
            speaker: Speaker::Qemu,
            text: text.into(),
        }
    }

    #[test]
    fn a_reset_says_who_asked_for_it() {
        let line = qemu(r#"{"event": "RESET", "data": {"guest": true, "reason": "guest-reset"}}"#);
        let event = Event::of(&line).unwrap();
        assert_eq!(
            (event.name.as_str(), event.reason.as_str()),
            ("RESET", "guest-reset")
        );
    }

    #[test]
    fn an_answer_or_a_console_line_is_no_event() {
        assert_eq!(Event::of(&qemu(r#"{"return": {}, "id": 1}"#)), None);
        let mut console = qemu(r#"{"event": "RESET"}"#);
        console.speaker = Speaker::Console;
        assert_eq!(Event::of(&console), None);
    }

    #[test]
    fn an_answer_belongs_to_its_command() {
        let line = qemu(r#"{"return": "yes", "id": 3}"#);
        assert_eq!(answer(&line, 3), Some(Ok("yes".into())));
        assert_eq!(answer(&line, 4), None);
        assert!(
            answer(&qemu(r#"{"error": {}, "id": 3}"#), 3)
                .unwrap()
                .is_err()
        );
    }

    #[test]
    fn the_forwarded_port_is_the_one_on_the_host() {
        let info = "Hub -1 (net):\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\n  TCP[HOST_FORWARD]  13       127.0.0.1 45687       10.0.2.15  8080     0     0\n";
        assert_eq!(forwarded_port(info), Some(45687));
        assert_eq!(forwarded_port("nothing"), None);
    }
}
