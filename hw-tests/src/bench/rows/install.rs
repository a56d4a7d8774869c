//! Installs of the whole system: time and CPU.

use super::Selection;
use crate::bench::block::Place;
use crate::bench::chart::Chart;
use crate::bench::contender::{Series, interleaved};
use crate::bench::line::{Line, Target, Unit};
use crate::bench::ours::{Content, Ours};
use crate::bench::peers::{Rauc, Writer};
use crate::bench::{Error, Report, System, Workdir};

/// The limit of the slow device, in bytes per second.
const SLOW: u64 = 100_000_000;

pub(super) fn in_memory(
    workdir: &Workdir,
    selection: &Selection,
    report: &mut Report,
) -> Result<(), Error> {
    let all = measure(workdir, selection, Place::Memory)?;
    let targets = [Target::Times(4.0), Target::Times(3.0), Target::Share(1.0)];
    times(report, "a", Place::Memory, &all, targets);
    if let ([ours, peers @ ..], Some(rauc)) = (all.as_slice(), all.get(1)) {
        let line = Line::new(
            "e",
            "CPU of an install",
            Unit::Seconds,
            ours.cpu(),
            Target::Share(1.0),
        );
        report.line(line.beside(rauc.name.clone(), rauc.cpu()));
        for (title, unit, of) in [
            (
                "CPU of an install",
                Unit::Seconds,
                Series::cpu as fn(&Series) -> f64,
            ),
            ("Memory of an install", Unit::Memory, peak),
        ] {
            let mut chart = Chart::new(title, unit);
            chart.bar(ours.name.clone(), of(ours));
            for peer in peers {
                chart.bar(peer.name.clone(), of(peer));
            }
            report.chart(chart);
        }
    }
    report.samples("a", &all);
    Ok(())
}

pub(super) fn on_disk(
    workdir: &Workdir,
    selection: &Selection,
    report: &mut Report,
) -> Result<(), Error> {
    let all = measure(workdir, selection, Place::Disk)?;
    times(report, "b", Place::Disk, &all, [Target::Share(1.0); 3]);
    report.samples("b", &all);
    Ok(())
}

/// Ours, then RAUC, SWUpdate and the shell.
fn measure(workdir: &Workdir, selection: &Selection, place: Place) -> Result<Vec<Series>, Error> {
    let content = Content::of(workdir, System::New)?;
    let mut ours = Ours::new(workdir, place, &System::New.image(), content, None)?;
    let mut rauc = Rauc::new(workdir, place)?;
    let mut swupdate = Writer::swupdate(workdir, place)?;
    let mut shell = Writer::zstd_dd(workdir, place)?;
    interleaved(
        workdir,
        selection.rounds,
        &mut [&mut ours, &mut rauc, &mut swupdate, &mut shell],
    )
}

fn times(
    report: &mut Report,
    row: &'static str,
    place: Place,
    all: &[Series],
    targets: [Target; 3],
) {
    let [ours, peers @ ..] = all else { return };
    let what = format!("install, device {}", place.words());
    let mut chart = Chart::new(format!("Install, device {}", place.words()), Unit::Seconds);
    chart.bar(ours.name.clone(), ours.wall());
    for (peer, target) in peers.iter().zip(targets) {
        let line = Line::new(row, &what, Unit::Seconds, ours.wall(), target);
        report.line(line.beside(peer.name.clone(), peer.wall()));
        chart.bar(peer.name.clone(), peer.wall());
    }
    report.chart(chart);
}

fn peak(series: &Series) -> f64 {
    series.peak() as f64
}

/// An install onto a device that is slower than anything else is as fast as the
/// device.
pub(super) fn slow(
    workdir: &Workdir,
    selection: &Selection,
    report: &mut Report,
) -> Result<(), Error> {
    let content = Content::of(workdir, System::New)?;
    let mut ours = Ours::new(workdir, Place::Memory, &System::New.image(), content, None)?;
    let what = "install onto a device of 100 MB/s";
    if let Err(error) = ours.limit(SLOW) {
        report.line(Line::missing("c", what, error.to_string()));
        return Ok(());
    }
    let all = interleaved(workdir, selection.few(), &mut [&mut ours])?;
    if let [ours] = all.as_slice() {
        let least = ours.median(|usage| (usage.wrote + usage.read) as f64 / SLOW as f64);
        let line = Line::new("c", what, Unit::Seconds, ours.wall(), Target::Share(1.1));
        let line = line.beside("written and read at 100 MB/s", least);
        let note = format!("limited by a control group; rounds: {}", ours.rounds.len());
        report.line(line.note(note));
    }
    report.samples("c", &all);
    Ok(())
}
