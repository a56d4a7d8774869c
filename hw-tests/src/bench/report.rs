//! What was measured, as a table, a picture, and JSON.

use super::chart::{self, Chart};
use super::contender::Series;
use super::host::Host;
use super::line::Line;
use super::{Error, Workdir};
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;

/// Everything that was measured.
#[derive(Debug)]
pub struct Report {
    host: Host,
    rounds: u32,
    lines: Vec<Line>,
    charts: Vec<Chart>,
    samples: Vec<Value>,
    kinds: Vec<(String, u64, u64)>,
    failed: usize,
    took: Duration,
}

impl Report {
    pub(super) fn new(host: Host, rounds: u32) -> Self {
        Self {
            host,
            rounds,
            lines: Vec::new(),
            charts: Vec::new(),
            samples: Vec::new(),
            kinds: Vec::new(),
            failed: 0,
            took: Duration::ZERO,
        }
    }

    pub(super) fn line(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// A row that could not be measured, and should have been.
    pub(super) fn failed(&mut self, row: &'static str, what: &str, error: &Error) {
        let said = error.to_string();
        let first = said.lines().next().unwrap_or_default();
        self.lines.push(Line::missing(row, what, first));
        self.failed = self.failed.saturating_add(1);
    }

    /// How many rows failed.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.failed
    }

    pub(super) fn chart(&mut self, chart: Chart) {
        self.charts.push(chart);
    }

    pub(super) fn samples(&mut self, row: &str, all: &[Series]) {
        for series in all {
            let rounds = series.rounds.iter().map(|usage| {
                json!({
                    "wall_s": usage.wall.as_secs_f64(),
                    "cpu_s": usage.cpu.as_secs_f64(),
                    "peak_bytes": usage.peak,
                    "written_bytes": usage.wrote,
                    "read_bytes": usage.read,
                })
            });
            let rounds: Vec<Value> = rounds.collect();
            self.samples
                .push(json!({ "row": row, "contender": series.name, "rounds": rounds }));
        }
    }

    /// Where the bytes of a delta go: kind, bytes of files that changed, bytes of
    /// their deltas.
    pub(super) fn kinds(&mut self, kinds: Vec<(String, u64, u64)>) {
        self.kinds = kinds;
    }

    pub(super) fn took(&mut self, took: Duration) {
        self.took = took;
    }

    /// How many targets were met, missed, and could not be measured.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |wanted: Option<bool>| {
            let lines = self.lines.iter().filter(|line| line.met() == wanted);
            lines.count()
        };
        let missing = self.lines.iter().filter(|line| line.is_missing()).count();
        (count(Some(true)), count(Some(false)), missing)
    }

    /// The table and all that has to be known about it.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = self.write_table(&mut out);
        out
    }

    fn write_table(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "Medians of {} rounds in turn, caches empty before each; measured on {}. Peers: {}. \
             Root, kernel and initrd together are what everybody installs. A ratio above 1 is in \
             our favour.\n",
            self.rounds,
            self.host.words(),
            self.host.tools()
        )?;
        writeln!(out, "| | what | slotctl | peer | ratio | target | | |")?;
        writeln!(out, "|---|---|---|---|---|---|---|---|")?;
        for line in &self.lines {
            writeln!(out, "{}", line.markdown())?;
        }
        if !self.kinds.is_empty() {
            writeln!(
                out,
                "\nWhere the bytes of the update are: for each file that the old system does not have, its delta against its predecessor, or packed where it has none (zstd at level 19).\n"
            )?;
            writeln!(out, "| kind | changed | delta |\n|---|---|---|")?;
            let mega = |bytes: u64| bytes as f64 / 1e6;
            for (kind, changed, delta) in &self.kinds {
                let (changed, delta) = (mega(*changed), mega(*delta));
                writeln!(out, "| {kind} | {changed:.1} MB | {delta:.1} MB |")?;
            }
        }
        writeln!(out, "\nSettings of the peers:\n\n{}", super::SETTINGS)?;
        let minutes = self.took.as_secs_f64() / 60.0;
        writeln!(out, "All of it took {minutes:.0} minutes.")
    }

    fn json(&self) -> Value {
        let lines: Vec<Value> = self.lines.iter().map(Line::json).collect();
        let kind = |(kind, changed, delta): &(String, u64, u64)| json!({ "kind": kind, "changed_bytes": changed, "delta_bytes": delta });
        let kinds: Vec<Value> = self.kinds.iter().map(kind).collect();
        json!({
            "schema": "slotctl.bench/1",
            "machine": self.host.json(),
            "rounds": self.rounds,
            "took_s": self.took.as_secs_f64(),
            "lines": lines,
            "kinds": kinds,
            "samples": self.samples,
        })
    }

    pub(super) fn write(&self, workdir: &Workdir) -> Result<(), Error> {
        workdir.write("bench.json", &format!("{:#}\n", self.json()))?;
        workdir.write("table.md", &self.table())?;
        if self.charts.is_empty() {
            return Ok(());
        }
        let title = "slotctl beside its peers: less is better";
        let picture = chart::svg(title, &self.host.words(), &self.charts);
        workdir.write("bench.svg", &picture)?;
        let words = ["rsvg-convert", "-o", "bench.png", "bench.svg"];
        workdir.run(&words).map(drop)
    }
}
