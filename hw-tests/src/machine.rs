//! A real machine under QEMU: firmware, disk, hardware watchdog, network, a
//! console and a command channel.
//!
//! ```no_run
//! use hw_tests::machine::{Bus, Cause, Machine, START};
//! # fn main() -> Result<(), hw_tests::machine::Error> {
//! let mut plc = Machine::new("plc").disk("plc.img").bus(Bus::Nvme).start()?;
//! plc.expect("demo: version 1", START)?;
//! assert_eq!(plc.status()?["running"], "a");
//! plc.tell("reboot")?;
//! plc.restarts(Cause::Reboot);
//! # Ok(())
//! # }
//! ```
//!
//! What a machine leaves lies under `target/machines/NAME-PID`: above all `log`,
//! with all that was seen on all its lines, in order and with times.

mod answers;
mod board;
mod builder;
mod counted;
mod directory;
mod error;
mod nbdkit;
mod process;
mod qemu;
mod qmp;
mod reader;
mod screen;
mod shell;
mod starts;
mod timeline;
mod tpm;
mod volatile;
mod watchdog;
mod web;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub use answers::Answers;
pub use board::Board;
pub use builder::Builder;
pub use counted::CountedDisk;
pub use directory::target;
pub use error::Error;
pub use qemu::Bus;
pub use shell::Output;
pub use starts::{Cause, Start, count};
pub use timeline::{Line, Position, Speaker};
pub use tpm::Tpm;
pub use volatile::{Moment, Point, VolatileDisk};
pub use watchdog::Watchdog;
pub(crate) use watchdog::wdat;
pub use web::WebServer;

use crate::ready::Ready;
use directory::Directory;
use process::Process;
use qmp::{Event, Qmp};
use shell::Shell;
use timeline::{Missed, Timeline};

/// Ten times what a start of the demo OS takes from firmware to production.
pub const START: Duration = Duration::from_secs(150);

/// Ten times what a command takes that does little.
pub const COMMAND: Duration = Duration::from_secs(30);

/// The port of production's web service in the machine.
const PRODUCTION_PORT: u16 = 8080;

/// A machine that is switched on. Dropping it ends it.
#[derive(Debug)]
pub struct Machine {
    name: String,
    directory: Directory,
    timeline: Arc<Timeline>,
    qmp: Qmp,
    shell: Shell,
    production: u16,
    started: Position,
    heard: Position,
    deadline: Instant,
    slowness: u32,
    _process: Process,
}

impl Machine {
    /// A machine to be described; `name` names its directory and its errors.
    #[must_use]
    #[expect(
        clippy::new_ret_no_self,
        reason = "a machine exists once it is switched on"
    )]
    pub fn new(name: &str) -> Builder {
        Builder::new(name)
    }

    /// Waits until the console says `text`, after everything heard so far.
    ///
    /// # Errors
    /// [`Error::NotSeen`] after `limit`, [`Error::Ended`] when QEMU ends; both
    /// with the end of the log.
    pub fn expect(&mut self, text: &str, limit: Duration) -> Result<Line, Error> {
        self.expect_on(&[Speaker::Console], text, limit)
    }

    /// As [`Self::expect`], within [`START`]: a test that does not see it fails here.
    #[track_caller]
    #[expect(clippy::unwrap_used, reason = "for tests")]
    pub fn says(&mut self, text: &str) -> Line {
        self.expect(text, START).unwrap()
    }

    /// The next start comes within [`START`], for this reason: a test that sees
    /// another fails here.
    #[track_caller]
    #[expect(clippy::unwrap_used, reason = "for tests")]
    pub fn restarts(&mut self, cause: Cause) {
        assert_eq!(self.next_start(START).unwrap().cause, cause);
    }

    /// As [`Self::expect`], for what firmware draws: on one serial port or the other.
    /// It drops the rest of a line where the port is not ready for a moment.
    pub fn expect_drawn(&mut self, text: &str, limit: Duration) -> Result<Line, Error> {
        self.expect_on(&[Speaker::Console, Speaker::Shell], text, limit)
    }

    fn expect_on(&mut self, ports: &[Speaker], text: &str, limit: Duration) -> Result<Line, Error> {
        let expected = format!("{text:?} on the console");
        let (after, line) = self.wait(self.heard, limit, &expected, |line| {
            let said = ports.contains(&line.speaker) && line.text.contains(text);
            said.then(|| line.clone())
        })?;
        self.heard = after;
        Ok(line)
    }

    /// Waits until bootshim is done and says how long that took.
    pub fn ready(&mut self, limit: Duration) -> Result<Ready, Error> {
        let line = self.expect(Ready::BEGINS, limit)?;
        Ready::parse(&line.text)
            .ok_or_else(|| self.not_as_expected("where the time of the start went", &line.text))
    }

    /// Where its log is now: for [`Self::lines_since`].
    #[must_use]
    pub fn position(&self) -> Position {
        self.timeline.now()
    }

    /// What the console said from `position` on.
    #[must_use]
    pub fn lines_since(&self, position: Position) -> Vec<Line> {
        self.timeline.lines(position, Speaker::Console)
    }

    /// Waits for the next start: the pass through the firmware that follows the
    /// one returned last, or the first. What is expected next is looked for
    /// after it.
    pub fn next_start(&mut self, limit: Duration) -> Result<Start, Error> {
        let mut finder = starts::Finder::default();
        let (after, start) = self.wait(self.started, limit, "restart", |line| finder.see(line))?;
        self.started = after;
        self.heard = self.heard.max(after);
        Ok(start)
    }

    /// All starts so far, the first of them by [`Cause::PowerOn`].
    #[must_use]
    pub fn starts(&self) -> Vec<Start> {
        let mut finder = starts::Finder::default();
        let first = Start {
            at: Duration::ZERO,
            cause: Cause::PowerOn,
        };
        let lines = self.timeline.lines(Position::default(), Speaker::Qemu);
        std::iter::once(first)
            .chain(lines.iter().filter_map(|line| finder.see(line)))
            .collect()
    }

    /// Runs `command` in the root shell of the system that runs now, or comes up.
    ///
    /// # Errors
    /// As [`Self::expect`]. A command that fails is no error: see
    /// [`Output::status`].
    pub fn run(&mut self, command: &str) -> Result<Output, Error> {
        self.run_within(command, COMMAND)
    }

    /// As [`Self::run`], for a command that may take up to `limit`.
    pub fn run_within(&mut self, command: &str, limit: Duration) -> Result<Output, Error> {
        let (from, number) = self.type_in(command)?;
        let mut answer = shell::Answer::to(number);
        let expected = format!("end of {command:?}");
        let (_, output) = self.wait(from, limit, &expected, |line| {
            if line.speaker == Speaker::Shell {
                answer.hear(&line.text)
            } else {
                None
            }
        })?;
        Ok(output)
    }

    /// What the controller says of itself.
    pub fn status(&mut self) -> Result<Value, Error> {
        let said = self.run("slotctl status --json")?.stdout;
        serde_json::from_str(&said).map_err(|_| self.not_as_expected("one object in JSON", &said))
    }

    /// As [`Self::run`], and does not wait for an answer: for a command that
    /// ends the system.
    pub fn tell(&mut self, command: &str) -> Result<(), Error> {
        self.type_in(command).map(drop)
    }

    /// Asks production, from outside, for `path` (with a leading slash): the
    /// HTTP status and the body.
    ///
    /// # Errors
    /// [`Error::Http`] when it does not answer within [`COMMAND`].
    pub fn get(&self, path: &str) -> Result<(u16, String), Error> {
        web::get(&self.url(path))
    }

    /// Asks production from now on, from outside, whether it answers.
    pub fn answers(&self) -> Result<Answers, Error> {
        let failed = Error::host("a thread to ask production");
        Answers::of(&self.url("/"), self.timeline.since()).map_err(failed)
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.production)
    }

    /// Presses the reset button.
    pub fn press_reset(&mut self) -> Result<(), Error> {
        self.qemu("system_reset", &json!({}), COMMAND).map(drop)
    }

    /// The disk that stands still ([`Builder::stalling_disk`]) answers from now on.
    pub fn disk_goes_on(&mut self) -> Result<(), Error> {
        let unbounded = json!({
            "device": "disk",
            "bps": 0, "bps_rd": 0, "bps_wr": 0, "iops": 0, "iops_rd": 0, "iops_wr": 0,
        });
        self.qemu("block_set_io_throttle", &unbounded, COMMAND)
            .map(drop)
    }

    /// The second disk answers with 16 bytes a second from here on.
    pub fn twin_dies(&mut self) -> Result<(), Error> {
        let bound = json!({
            "device": "twin",
            "bps": 0, "bps_rd": 16, "bps_wr": 0, "iops": 0, "iops_rd": 0, "iops_wr": 0,
        });
        self.qemu("block_set_io_throttle", &bound, COMMAND)
            .map(drop)
    }

    /// The error of a scenario that has seen something else than it should.
    #[must_use]
    pub fn not_as_expected(&self, expected: &str, found: &str) -> Error {
        Error::Otherwise {
            machine: self.name.clone(),
            expected: expected.to_owned(),
            found: found.to_owned(),
            log: self.timeline.tail(),
        }
    }

    /// Waits until the system has switched the machine off.
    ///
    /// # Errors
    /// [`Error::NotSeen`] after `limit`, [`Error::Ended`] when QEMU ended in
    /// another way.
    pub fn wait_until_off(self, limit: Duration) -> Result<(), Error> {
        self.wait(self.started, limit, "shutdown", |line| {
            Event::of(line).filter(|e| e.name == "SHUTDOWN" && e.reason == "guest-shutdown")
        })
        .map(drop)
    }

    /// Waits for a root shell after the last start there was, and types.
    fn type_in(&mut self, command: &str) -> Result<(Position, u32), Error> {
        let last = self
            .timeline
            .after_last(|line| Event::of(line).is_some_and(|e| e.name == "RESET"));
        // Behind the prompt of one that was reset, where the firmware writes nothing
        // to this port.
        let (ready, ()) = self.wait(last, START, "root shell", |line| {
            (line.speaker == Speaker::Shell && line.text.ends_with(shell::READY)).then_some(())
        })?;
        self.timeline.add(Speaker::Test, command.to_owned());
        let number = self
            .shell
            .send(command)
            .map_err(Error::host("typing into the root shell"))?;
        Ok((ready, number))
    }

    fn qemu(&mut self, command: &str, arguments: &Value, limit: Duration) -> Result<Value, Error> {
        let from = self.timeline.now();
        self.timeline.add(Speaker::Test, command.to_owned());
        // A line that QEMU has closed is told by the wait, with the reason.
        let id = self.qmp.send(command, arguments).unwrap_or_default();
        let expected = format!("answer of QEMU to {command}");
        let (_, answer) = self.wait(from, limit, &expected, |line| qmp::answer(line, id))?;
        answer.map_err(|said| Error::Command {
            command: format!("QEMU's {command}"),
            said,
        })
    }

    /// As much time as this is for the demo OS.
    pub(crate) fn limit(&self, of_demo: Duration) -> Duration {
        of_demo * self.slowness
    }

    fn wait<T>(
        &self,
        from: Position,
        limit: Duration,
        expected: &str,
        find: impl FnMut(&Line) -> Option<T>,
    ) -> Result<(Position, T), Error> {
        let before = Instant::now();
        let deadline = self.deadline.min(before + self.limit(limit));
        self.timeline.wait(from, deadline, find).map_err(|missed| {
            let (machine, expected) = (self.name.clone(), expected.to_owned());
            match missed {
                Missed::Late => {
                    let (waited, log) = (before.elapsed(), self.timeline.tail());
                    Error::NotSeen {
                        machine,
                        expected,
                        waited,
                        log,
                    }
                }
                Missed::Ended => {
                    let log = self.timeline.tail() + &self.directory.complaints();
                    Error::Ended {
                        machine,
                        expected,
                        log,
                    }
                }
            }
        })
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Without a port QEMU was never met, and nothing started.
        if self.production != 0 {
            starts::add(&self.name, self.starts().len());
        }
    }
}
