//! Building, `status`, and what bootshim takes of a start.

use super::Selection;
use crate::bench::block::{Backing, Place};
use crate::bench::chart::Chart;
use crate::bench::contender::{Plain, interleaved, median};
use crate::bench::line::{Line, Target, Unit};
use crate::bench::{Error, Report, System, Workdir, ours, peers};
use serde_json::Value;
use std::fs;
use std::time::Instant;

/// How often `status` is asked.
const ASKED: u32 = 50;
/// What the scenario of a start leaves for this table.
const BOOT: &str = "boot.json";

pub(super) fn building(
    workdir: &Workdir,
    selection: &Selection,
    report: &mut Report,
) -> Result<(), Error> {
    let mut slotctl = Plain::new("slotctl", || ours::build_system(workdir, System::New));
    let mut fast = Plain::new("RAUC (zstd)", || peers::build(workdir, true));
    let mut default = Plain::new("RAUC (default)", || peers::build(workdir, false));
    let all = interleaved(
        workdir,
        selection.few(),
        &mut [&mut slotctl, &mut fast, &mut default],
    )?;
    workdir.remove("peers/built.raucb")?;
    if let [ours, fast, default] = all.as_slice() {
        let mut chart = Chart::new("Building an image", Unit::Seconds);
        chart.bar(ours.name.clone(), ours.wall());
        for (peer, target) in [(fast, Target::None), (default, Target::Times(20.0))] {
            let line = Line::new("i", "building an image", Unit::Seconds, ours.wall(), target);
            let line = line.beside(peer.name.clone(), peer.wall());
            report.line(line.note(format!("rounds: {}", peer.rounds.len())));
            chart.bar(peer.name.clone(), peer.wall());
        }
        report.chart(chart);
    }
    report.samples("i", &all);
    Ok(())
}

pub(super) fn status(workdir: &Workdir, report: &mut Report) -> Result<(), Error> {
    let backing = Backing::new(workdir, Place::Disk, "status.disk")?;
    let image = System::Old.image();
    let content = ours::Content::of(workdir, System::New)?.length();
    ours::create_disk(workdir, &backing.word(), content, Some(&image))?;
    let (program, disk) = (ours::program(workdir), backing.word());
    let mut times = Vec::new();
    for _ in 0..ASKED {
        let began = Instant::now();
        workdir.run(&[&program, "status", "--disk", &disk])?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let target = Target::AtMost(10.0);
    let line = Line::new(
        "j",
        "slotctl status",
        Unit::Milliseconds,
        median(times),
        target,
    );
    report.line(line.note(format!("{ASKED} times")));
    Ok(())
}

/// Measured by the machine's own scenario, which leaves a file.
pub(super) fn boot(workdir: &Workdir, report: &mut Report) {
    let what = "bootshim's own time";
    let text = fs::read_to_string(workdir.path(BOOT)).unwrap_or_default();
    let found: Value = serde_json::from_str(&text).unwrap_or_default();
    let number = |name: &str| found.get(name).and_then(Value::as_f64);
    let Some(own) = number("own_ms") else {
        report.line(Line::missing("k", what, "no machine in this run"));
        return;
    };
    let rest = |name: &str| number(name).map_or("?".into(), |ms| format!("{ms:.0}"));
    let note = format!(
        "emulated; beside it {} ms of reading and hashing, {} ms of LoadImage",
        rest("read_hash_ms"),
        rest("load_image_ms")
    );
    let line = Line::new("k", what, Unit::Milliseconds, own, Target::AtMost(50.0));
    report.line(line.note(note));
}
