//! The product's promise, told by a real machine: an update that goes well, one
//! whose production does not start, and one that hangs.

#![expect(
    clippy::indexing_slicing,
    reason = "of JSON: what is not there is null"
)]

use crate::machine::{COMMAND, Cause, Error, Line, Machine, START, WebServer, target};
use crate::pipeline::{Os, Pipeline};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Ten times what an install in the emulated machine takes.
const INSTALL: Duration = Duration::from_secs(200);
/// Ten times from the first petting to a confirm, or to the deadline.
const TRIAL: Duration = Duration::from_secs(400);
/// A technician's screen, but for the line of the next command.
const SCREEN_COLUMNS: usize = 80;
const SCREEN_ROWS: usize = 24;
/// What PostgreSQL 15 says in version 3.
const OF_POSTGRESQL: &str =
    "FATAL:  could not access file \"plant_historian\": No such file or directory";
/// What Linux says in version 4, whose process 1 ends.
const OF_LINUX: &str = "Kernel panic - not syncing: Attempted to kill init!";

/// One thing that was seen to happen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Since the story began.
    pub at: Duration,
    /// What.
    pub what: String,
}

/// A story that is being told.
pub struct Story<'a> {
    machine: Machine,
    server: WebServer,
    begun: Instant,
    seen: Vec<Seen>,
    os: Os,
    tell: &'a mut dyn FnMut(&Seen),
}

impl<'a> Story<'a> {
    /// Switches on a machine with version 1 in slot a, beside a web server that
    /// has all versions.
    pub fn begin(pipeline: &Pipeline, tell: &'a mut dyn FnMut(&Seen)) -> Result<Story<'a>, Error> {
        let begun = Instant::now();
        let disk = pipeline.disk("factory.img", 512)?;
        let server = WebServer::new(pipeline.directory())?;
        let machine = pipeline.machine("story").disk(disk).start()?;
        let mut story = Story {
            machine,
            server,
            begun,
            seen: Vec::new(),
            os: pipeline.os(),
            tell,
        };
        story.saw("the factory's disk has version 1.0 in slot a; the machine is switched on");
        if pipeline.owner().is_some() {
            let line = story.expect("Secure Boot:", START)?;
            let on = line.text.trim() == "Secure Boot: on";
            story.check(on, "Secure Boot on", &line.text)?;
            story.saw("the firmware has started bootshim because db signed it; Secure Boot is on");
        }
        story.comes_up_in("a", "1.0")?;
        Ok(story)
    }

    /// All of it, one update after the other; on Debian production's data is kept, and
    /// each failed system has its say.
    pub fn whole(&mut self) -> Result<(), Error> {
        match self.os {
            Os::Demo => {
                self.good_update()?;
                self.production_does_not_start(3)?;
                self.system_hangs()
            }
            Os::Debian => {
                self.production_writes()?;
                self.good_update()?;
                self.production_does_not_start(3)?;
                self.postgresql_has_its_say()?;
                self.a_person_acknowledges()?;
                self.system_panics()?;
                self.rows_are_kept()
            }
        }
    }

    /// Version 2 goes into slot b, is tried, and is confirmed.
    pub fn good_update(&mut self) -> Result<(), Error> {
        self.install(2, "b", 3)?;
        self.restart()?;
        self.starts("b", "trial")?;
        self.expect("slotctl watch: confirmed", TRIAL)?;
        self.saw("slot b has been healthy for long enough: confirmed");
        self.runs("b", "2.0", "good")?;
        let (status, page) = self.machine.get("/")?;
        self.check(
            status == 200 && page.contains("version 2"),
            "production serves version 2",
            &page,
        )?;
        self.saw("production answers from outside, and it is version 2");
        Ok(())
    }

    /// Version 3 goes into slot c; its production does not start; after `tries`
    /// the machine is back in slot b by itself.
    pub fn production_does_not_start(&mut self, tries: u32) -> Result<(), Error> {
        self.install(3, "c", tries)?;
        self.restart()?;
        for number in 1..=tries {
            self.starts("c", "trial")?;
            self.expect("slotctl watch: this start is given up", TRIAL)?;
            self.saw(&format!(
                "try {number} of {tries}: the health check fails until the deadline; restart"
            ));
            self.next_start(Cause::Reboot)?;
        }
        self.starts("b", "good")?;
        self.saw("the tries are used up: back in slot b by itself");
        self.runs("b", "2.0", "good")?;
        let failure = self.machine.status()?["last_failure"].clone();
        let named = failure["slot"] == "c"
            && failure["note"]
                .to_string()
                .contains(self.os.failing_check());
        self.check(
            named,
            "status names slot c and the check that failed",
            &failure.to_string(),
        )?;
        self.saw(&format!(
            "`slotctl status` there says: {}",
            failure["note"].as_str().unwrap_or("")
        ));
        Ok(())
    }

    /// Version 4 of the demo OS goes into slot c and hangs; the watchdog resets the
    /// machine, and it is back in slot b.
    pub fn system_hangs(&mut self) -> Result<(), Error> {
        self.system_dies("version 4 hangs")?;
        let failure = self.machine.status()?["last_failure"].clone();
        let said = failure["slot"] == "c" && failure["note"].to_string().contains("never said why");
        self.check(
            said,
            "status says that slot c gave no reason",
            &failure.to_string(),
        )
    }

    /// Version 4 of Debian goes into slot c, and its kernel panics before anything
    /// watches it; back in slot b it is known what that said.
    pub fn system_panics(&mut self) -> Result<(), Error> {
        self.system_dies("Kernel panic")?;
        self.one_screen_says(OF_LINUX, "status-after-panic.txt")?;
        self.log_says(&["left by its kernel, Panic#1", OF_LINUX, "Call Trace:"])
    }

    fn system_dies(&mut self, last_words: &str) -> Result<(), Error> {
        self.install(4, "c", 1)?;
        self.restart()?;
        self.starts("c", "trial")?;
        let line = self.expect(last_words, START)?;
        self.saw(&format!("before anything watches it: {}", line.text.trim()));
        self.next_start(Cause::Watchdog)?;
        self.saw("the watchdog has reset the machine");
        self.starts("b", "good")?;
        self.saw("back in slot b by itself");
        self.runs("b", "2.0", "good")
    }

    /// What PostgreSQL itself said in version 3 is known in version 2.
    pub fn postgresql_has_its_say(&mut self) -> Result<(), Error> {
        self.one_screen_says(OF_POSTGRESQL, "status-after-bad-update.txt")?;
        self.log_says(&[
            "given up by slotctl watch",
            "postgresql@15-main.service, failed:",
            OF_POSTGRESQL,
            "database system is shut down",
            "checks:",
            "kernel and console:",
            "Linux version",
        ])
    }

    /// Each login says that production failed, until a person has acknowledged it.
    pub fn a_person_acknowledges(&mut self) -> Result<(), Error> {
        let words = "slotctl: production failed in slot c";
        let motd = "until [ -e /run/motd.d/slotctl ]; do sleep 1; done";
        self.machine.run_within(motd, START)?;
        let greeting = self.login()?;
        self.check(greeting.contains(words), words, &greeting)?;
        self.saw(&format!("each login says: {words}"));
        let done = self.machine.run("slotctl status --acknowledge")?;
        self.check(
            done.stdout.starts_with("acknowledged: slot c"),
            "acknowledged: slot c",
            &format!("{}{}", done.stdout, done.stderr),
        )?;
        let greeting = self.login()?;
        self.check(!greeting.contains(words), "no such words", &greeting)?;
        self.saw("a person has acknowledged it: it is not said any more");
        Ok(())
    }

    /// What a login says.
    fn login(&mut self) -> Result<String, Error> {
        let words = "echo exit | script -qec 'login -f root' /dev/null";
        Ok(self.machine.run_within(words, COMMAND)?.stdout)
    }

    /// `slotctl status` says it on one screen, which stays under `target/demo`.
    fn one_screen_says(&mut self, words: &str, name: &str) -> Result<(), Error> {
        let screen = self.machine.run("slotctl status")?.stdout;
        let rows = |line: &str| line.chars().count().div_ceil(SCREEN_COLUMNS).max(1);
        let fits = screen.lines().map(rows).sum::<usize>() <= SCREEN_ROWS;
        self.check(
            fits && screen.contains(words),
            &format!("{words:?} on one screen"),
            &screen,
        )?;
        let file = target().join("demo").join(name);
        std::fs::write(&file, &screen).map_err(Error::host(file.display().to_string()))?;
        self.saw(&format!("`slotctl status` says on one screen: {words}"));
        Ok(())
    }

    /// The black box of the last failure has all of this.
    fn log_says(&mut self, expected: &[&str]) -> Result<(), Error> {
        let log = self.machine.run("slotctl log --failure 1")?.stdout;
        for words in expected {
            self.check(
                log.contains(words),
                &format!("{words:?} in the black box"),
                &log,
            )?;
        }
        let lines = log.lines().count();
        self.saw(&format!(
            "`slotctl log --failure 1` has all of it, {lines} lines"
        ));
        Ok(())
    }

    /// Production writes a thousand rows into its database.
    pub fn production_writes(&mut self) -> Result<(), Error> {
        let rows = "create table part as select generate_series(1, 1000) as number";
        self.ask_database(rows, "SELECT 1000")?;
        self.saw("production has written 1,000 rows into PostgreSQL");
        Ok(())
    }

    /// The rows are there, whichever slot runs.
    pub fn rows_are_kept(&mut self) -> Result<(), Error> {
        self.ask_database("select count(*), sum(number) from part", "1000|500500")?;
        self.saw("the 1,000 rows are there");
        Ok(())
    }

    fn ask_database(&mut self, words: &str, expected: &str) -> Result<(), Error> {
        let command = format!("runuser -u postgres -- psql -At -c '{words}'");
        let ran = self.machine.run(&command)?;
        let right = ran.status == 0 && ran.stdout.trim() == expected;
        let said = format!("{}{}", ran.stdout, ran.stderr);
        self.check(right, &format!("{expected} of PostgreSQL"), &said)
    }

    /// Everything that was seen, in order, and what the controller says at the
    /// end.
    pub fn end(mut self) -> Result<(Vec<Seen>, String), Error> {
        let table = self.machine.run("slotctl status")?.stdout;
        Ok((self.seen, table))
    }

    fn install(&mut self, version: u32, slot: &str, tries: u32) -> Result<(), Error> {
        let address = self.server.url_for_machine(&Pipeline::image(version));
        let command = format!("slotctl install --json --tries {tries} {address}");
        let ran = self.machine.run_within(&command, INSTALL)?;
        let last: Value = last_object(&ran.stdout);
        let installed = ran.status == 0 && last["slot"] == slot && last["state"] == "trying";
        self.check(
            installed,
            &format!("version {version} installed in slot {slot}"),
            &ran.stdout,
        )?;
        self.saw(&format!(
            "version {version}.0 installed over HTTP into slot {slot}, {} MiB written and read back",
            last["written"].as_u64().unwrap_or(0) >> 20
        ));
        Ok(())
    }

    fn restart(&mut self) -> Result<(), Error> {
        self.machine.tell("reboot")?;
        self.next_start(Cause::Reboot)
    }

    fn next_start(&mut self, cause: Cause) -> Result<(), Error> {
        let start = self.machine.next_start(TRIAL)?;
        self.check(
            start.cause == cause,
            &format!("{cause:?}"),
            &format!("{:?}", start.cause),
        )
    }

    /// bootshim says that it starts this slot, as that.
    fn starts(&mut self, slot: &str, kind: &str) -> Result<(), Error> {
        let line = self.machine.expect("starting slot", START)?;
        let right = line.text.contains(&format!("starting slot {slot},"))
            && line.text.contains(&format!("as {kind}"));
        self.check(right, &format!("slot {slot} started as {kind}"), &line.text)?;
        self.saw(line.text.trim());
        Ok(())
    }

    fn comes_up_in(&mut self, slot: &str, version: &str) -> Result<(), Error> {
        self.starts(slot, "good")?;
        self.runs(slot, version, "good")?;
        self.saw(&format!("version {version} runs from slot {slot}"));
        Ok(())
    }

    /// The controller itself says which slot runs, and in which state.
    fn runs(&mut self, slot: &str, version: &str, state: &str) -> Result<(), Error> {
        let status = self.machine.status()?;
        let slots = status["slots"].as_array().cloned().unwrap_or_default();
        let here = slots
            .iter()
            .find(|s| s["name"] == slot)
            .cloned()
            .unwrap_or_default();
        let right =
            status["running"] == slot && here["version"] == version && here["state"] == state;
        self.check(
            right,
            &format!("{version} running from slot {slot}, {state}"),
            &status.to_string(),
        )
    }

    fn expect(&mut self, text: &str, limit: Duration) -> Result<Line, Error> {
        self.machine.expect(text, limit)
    }

    fn check(&self, right: bool, expected: &str, found: &str) -> Result<(), Error> {
        if right {
            Ok(())
        } else {
            Err(self.machine.not_as_expected(expected, found))
        }
    }

    fn saw(&mut self, what: &str) {
        let seen = Seen {
            at: self.begun.elapsed(),
            what: what.to_owned(),
        };
        (self.tell)(&seen);
        self.seen.push(seen);
    }
}

/// The last JSON object that a command printed, or null.
fn last_object(text: &str) -> Value {
    let last = text
        .lines()
        .rfind(|line| line.starts_with('{'))
        .unwrap_or("null");
    serde_json::from_str(last).unwrap_or(Value::Null)
}
