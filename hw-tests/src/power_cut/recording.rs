//! The machine whose writes are replayed, and those that start from what a cut
//! left.

use super::judge::Started;
use super::report::Sample;
use super::{Error, WriteLog};
use crate::machine::{Builder, Bus, COMMAND, Cause, Machine, START, WebServer};
use crate::pipeline::Pipeline;
use std::path::{Path, PathBuf};

/// A recorded machine.
#[derive(Debug)]
pub struct Recording {
    before: PathBuf,
    bus: Bus,
    /// What was written to its disk.
    pub log: WriteLog,
}

impl Recording {
    /// A machine with version 1 in slot a installs version 2 into slot b, starts
    /// it on trial, confirms it, and is switched off: firmware, bootshim, kernel
    /// and slotctl write, and the log has all of it.
    pub fn record(pipeline: &Pipeline, name: &str, bus: Bus) -> Result<Recording, Error> {
        let before = pipeline.disk(&format!("{name}-before.img"), 512)?;
        let file = |suffix: &str| pipeline.directory().join(format!("{name}{suffix}"));
        let (disk, log) = (file(".img"), file(".log"));
        copy(&before, &disk)?;
        let server = WebServer::new(pipeline.directory())?;
        let mut machine = Machine::new(name)
            .logged_disk(&disk, &log)
            .bus(bus)
            .start()?;
        machine.expect("starting slot a, version 1.0, as good", START)?;
        let image = server.url_for_machine(&Pipeline::image(2));
        run(&mut machine, &format!("slotctl install {image}"))?;
        machine.tell("reboot")?;
        let cause = machine.next_start(START)?.cause;
        if cause != Cause::Reboot {
            return Err(machine
                .not_as_expected("a reboot", &format!("{cause:?}"))
                .into());
        }
        machine.expect("starting slot b, version 2.0, as trial", START)?;
        machine.expect("slotctl watch: confirmed", START)?;
        machine.tell("poweroff")?;
        machine.wait_until_off(START)?;
        let log = WriteLog::open(&before, &log)?;
        Ok(Recording { before, bus, log })
    }

    /// Starts a machine from the disk of `sample`, and says how it came up.
    pub fn start(&self, sample: &Sample, name: &str) -> Result<(), Error> {
        let disk = self.before.with_file_name(format!("{name}.img"));
        self.log.write_out(sample, &self.before, &disk)?;
        let machine = Machine::new(name).disk(&disk).bus(self.bus);
        comes_up(machine, &sample.expected).map(drop)
    }
}

/// Starts a machine, and waits until production runs in the slot that is expected.
pub fn comes_up(machine: Builder, expected: &Started) -> Result<Machine, Error> {
    let Started {
        slot,
        kind,
        version,
    } = expected;
    let mut machine = machine.start()?;
    machine.expect(
        &format!("starting slot {slot}, version {version}, as {kind}"),
        START,
    )?;
    let health = "wget -q -O - http://127.0.0.1:8080/health";
    run(&mut machine, &format!("until {health}; do sleep 1; done"))?;
    let status = machine.status()?;
    if status.get("running") == Some(&slot.to_string().into()) {
        return Ok(machine);
    }
    Err(machine
        .not_as_expected(&format!("slot {slot} running"), &status.to_string())
        .into())
}

fn run(machine: &mut Machine, command: &str) -> Result<String, Error> {
    let ran = machine.run_within(command, COMMAND * 7)?;
    if ran.status == 0 {
        return Ok(ran.stdout);
    }
    Err(machine
        .not_as_expected(&format!("{command} to succeed"), &ran.stderr)
        .into())
}

fn copy(from: &Path, to: &Path) -> Result<(), crate::machine::Error> {
    let failed = crate::machine::Error::host(to.display().to_string());
    std::fs::copy(from, to).map(drop).map_err(failed)
}
