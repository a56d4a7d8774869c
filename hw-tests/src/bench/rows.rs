//! The rows of the table, and which of them are measured.

mod install;
mod kept;
mod memory;
mod other;
mod update;

use super::host::Host;
use super::{Error, Report, System, Workdir, ours, pair, peers};
use std::time::Instant;

/// The letters of all rows, and what each is.
pub const ROWS: [(&str, &str); 12] = [
    ("a", "installs onto a device in memory"),
    ("b", "installs onto a device on the disk"),
    ("c", "an install onto a device of 100 MB/s"),
    ("d", "memory of an install"),
    ("e", "CPU of an install (with a)"),
    ("f", "installing what is there already"),
    ("g", "size and use of a delta"),
    ("h", "what is fetched without a delta"),
    ("i", "building an image"),
    ("j", "slotctl status"),
    ("k", "bootshim's own time"),
    ("l", "where the bytes of the update are"),
];

/// Rows that need what the peers install.
const WITH_PEERS: [&str; 4] = ["a", "b", "e", "i"];

/// What is measured, and how often.
#[derive(Clone, Debug)]
pub struct Selection {
    rounds: u32,
    only: Option<String>,
    pub(super) smoke: bool,
}

impl Selection {
    /// All rows, five rounds; one with `quick`. `only` names the letters of the
    /// rows that are measured.
    #[must_use]
    pub fn new(quick: bool, only: Option<String>) -> Self {
        let rounds = if quick { 1 } else { 5 };
        Self {
            rounds,
            only,
            smoke: false,
        }
    }

    /// All rows, once, with next to nothing: whether all can be measured.
    #[must_use]
    pub fn smoke() -> Self {
        Self {
            rounds: 1,
            only: None,
            smoke: true,
        }
    }

    /// The folder of `target` in which it is done. What a smoke run makes and
    /// measures means nothing, and must not be taken for what does.
    #[must_use]
    pub fn folder(&self) -> &'static str {
        if self.smoke { "bench-smoke" } else { "bench" }
    }

    fn has(&self, row: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(row))
    }

    /// Rounds of what takes minutes.
    fn few(&self) -> u32 {
        self.rounds.min(3)
    }
}

pub(super) fn measure(workdir: &Workdir, selection: &Selection) -> Result<Report, Error> {
    let began = Instant::now();
    let mut report = Report::new(Host::look(workdir), selection.rounds);
    pair::make(workdir)?;
    ours::key(workdir)?;
    say("building the images of both systems");
    for system in [System::Old, System::New] {
        ours::build_system(workdir, system)?;
    }
    if WITH_PEERS.iter().any(|row| selection.has(row)) {
        say("packing what the peers install");
        peers::make(workdir)?;
    }
    for (row, words) in ROWS {
        if !selection.has(row) {
            continue;
        }
        say(&format!("{row}: {words}"));
        // What one row cannot do is no reason to lose the others.
        if let Err(error) = one(workdir, selection, row, &mut report) {
            eprintln!("bench: row {row} FAILED: {error}");
            report.failed(row, words, &error);
        }
    }
    report.took(began.elapsed());
    Ok(report)
}

fn one(
    workdir: &Workdir,
    selection: &Selection,
    row: &str,
    report: &mut Report,
) -> Result<(), Error> {
    match row {
        "a" => install::in_memory(workdir, selection, report),
        "b" => install::on_disk(workdir, selection, report),
        "c" => install::slow(workdir, selection, report),
        "d" => memory::measure(workdir, report),
        "f" => kept::measure(workdir, report),
        "g" => update::delta(workdir, selection, report),
        "h" => update::fetched(workdir, report),
        "i" => other::building(workdir, selection, report),
        "j" => other::status(workdir, report),
        "k" => {
            other::boot(workdir, report);
            Ok(())
        }
        "l" => update::kinds(workdir, report),
        // e is measured with a.
        _ => Ok(()),
    }
}

fn say(what: &str) {
    eprintln!("bench: {what}");
}
