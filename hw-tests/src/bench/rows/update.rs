//! The update of a system by a year's fixes: how small it is, and how fast.

use super::Selection;
use crate::bench::block::Place;
use crate::bench::chart::Chart;
use crate::bench::contender::{Contender, interleaved};
use crate::bench::line::{Line, Target, Unit};
use crate::bench::ours::{self, Content, Ours};
use crate::bench::web::Web;
use crate::bench::{Error, Report, System, Workdir, delta as others, kinds};
use std::cell::RefCell;

const DELTA: &str = "delta.slotimg";
const DELTA_MEMORY: f64 = 128.0 * 1_048_576.0;
/// How long making a delta may take, in seconds.
const MAKING: f64 = 60.0;

pub(super) fn delta(
    workdir: &Workdir,
    selection: &Selection,
    report: &mut Report,
) -> Result<(), Error> {
    let all = [
        (
            "zstd --patch-from",
            others::patch_from(workdir)?,
            Target::Share(0.6),
        ),
        ("xdelta3", others::xdelta3(workdir)?, Target::Share(1.0)),
        ("casync", others::casync(workdir)?, Target::None),
    ];
    for (name, made, _) in &all {
        eprintln!(
            "bench:   {name}: {:.1} MB in {:.1} s, {} MiB of memory",
            made.bytes as f64 / 1e6,
            made.usage.wall.as_secs_f64(),
            made.usage.peak >> 20
        );
    }
    let adaptive = others::adaptive(workdir)?;
    let full = workdir.length(&System::New.image())?;
    workdir.remove(DELTA)?;
    let usage = ours::delta(workdir, DELTA)?;
    let ours = workdir.length(DELTA)? as f64;
    let mut chart = Chart::new("Size of the update", Unit::Bytes);
    chart.bar("slotctl delta", ours);
    let sizes = all
        .iter()
        .map(|(name, made, target)| (*name, made.bytes, *target));
    let rest = [
        ("RAUC adaptive", adaptive, Target::None),
        ("slotctl, in full", full, Target::None),
    ];
    for (name, size, target) in sizes.chain(rest) {
        let line = Line::new("g", "size of the delta", Unit::Bytes, ours, target);
        report.line(line.beside(name, size as f64));
        chart.bar(name, size as f64);
    }
    report.chart(chart);
    let (wall, target) = (usage.wall.as_secs_f64(), Target::AtMost(MAKING));
    let line = Line::new("i", "making the delta", Unit::Seconds, wall, target);
    report.line(line.note(format!("once; {} MiB of memory", usage.peak >> 20)));
    apply(workdir, selection, report)
}

/// Where the bytes of the update are, whoever makes it.
pub(super) fn kinds(workdir: &Workdir, report: &mut Report) -> Result<(), Error> {
    report.kinds(kinds::breakdown(workdir)?);
    Ok(())
}

/// The delta and the full image, each onto a controller that runs the old system.
fn apply(workdir: &Workdir, selection: &Selection, report: &mut Report) -> Result<(), Error> {
    let (image, old) = (System::New.image(), System::Old.image());
    let content = Content::of(workdir, System::New)?;
    let ours = Ours::new(workdir, Place::Memory, &image, content, Some(&old))?;
    let ours = RefCell::new(ours);
    let mut delta = Installing(&ours, DELTA, "delta");
    let mut full = Installing(&ours, &image, "in full");
    let all = interleaved(workdir, selection.rounds, &mut [&mut delta, &mut full])?;
    if let [delta, full] = all.as_slice() {
        let line = Line::new(
            "g",
            "install of the delta",
            Unit::Seconds,
            delta.wall(),
            Target::Share(1.0),
        );
        report.line(line.beside(full.name.clone(), full.wall()));
        let peak = delta.peak() as f64;
        let target = Target::AtMost(DELTA_MEMORY);
        report.line(Line::new("g", "memory of it", Unit::Memory, peak, target));
    }
    report.samples("g", &all);
    Ok(())
}

/// The same disk, another image.
struct Installing<'a>(&'a RefCell<Ours>, &'a str, &'static str);

impl Contender for Installing<'_> {
    fn name(&self) -> &str {
        self.2
    }

    fn prepare(&mut self) -> Result<(), Error> {
        let mut ours = self.0.borrow_mut();
        ours.set_source(self.1);
        ours.prepare()
    }

    fn run(&mut self) -> Result<crate::bench::Usage, Error> {
        self.0.borrow_mut().run()
    }

    fn check(&mut self) -> Result<(), Error> {
        self.0.borrow_mut().check()
    }
}

/// Over HTTP, without a delta, on a controller that runs the old system.
pub(super) fn fetched(workdir: &Workdir, report: &mut Report) -> Result<(), Error> {
    let (image, old) = (System::New.image(), System::Old.image());
    let content = Content::of(workdir, System::New)?;
    let web = Web::new(workdir)?;
    let url = web.url(&image);
    let mut ours = Ours::new(workdir, Place::Memory, &url, content, Some(&old))?;
    ours.prepare()?;
    let usage = ours.run()?;
    ours.check()?;
    let (fetched, requests) = web.served()?;
    let note = format!("{requests} requests, {:.1} s", usage.wall.as_secs_f64());
    if !workdir.path("casync/new.caibx").exists() {
        others::casync(workdir)?;
    }
    let usage = others::casync_extract(workdir, |name| web.url(name))?;
    let (chunks, requests) = web.served()?;
    let theirs = format!(
        "casync: {requests} requests, {:.1} s",
        usage.wall.as_secs_f64()
    );
    let full = workdir.length(&image)?;
    let adaptive = others::adaptive(workdir)?;
    let mut chart = Chart::new(
        "Fetched without a delta, old system in the other slot",
        Unit::Bytes,
    );
    chart.bar("slotctl", fetched as f64);
    for (name, bytes, target, note) in [
        ("casync", chunks, Target::Share(1.0), theirs),
        (
            "RAUC adaptive",
            adaptive,
            Target::None,
            "counted, see below".into(),
        ),
        (
            "the whole image",
            full,
            Target::None,
            format!("slotctl: {note}"),
        ),
    ] {
        let line = Line::new(
            "h",
            "fetched without a delta",
            Unit::Bytes,
            fetched as f64,
            target,
        );
        report.line(line.beside(name, bytes as f64).note(note));
        chart.bar(name, bytes as f64);
    }
    report.chart(chart);
    Ok(())
}
