//! What is there already is not written again.

use crate::bench::block::{self, Place};
use crate::bench::contender::Contender;
use crate::bench::line::{Line, Target, Unit};
use crate::bench::ours::{Content, Ours};
use crate::bench::{Error, Report, System, Workdir};

/// One piece of this many is changed.
const EVERY: u64 = 100;
/// The longest piece.
const PIECE: u64 = 1 << 20;

pub(super) fn measure(workdir: &Workdir, report: &mut Report) -> Result<(), Error> {
    let expected = Content::of(workdir, System::New)?;
    let content = expected.length();
    let mut ours = Ours::new(workdir, Place::Memory, &System::New.image(), expected, None)?;
    ours.prepare()?;
    ours.run()?;
    let mut line = |what: &str, ours: &Ours, target: Target, note: &str| {
        let written = ours.number("written")?;
        let line = Line::new("f", what, Unit::Bytes, written as f64, target);
        let line = line.beside("all of it", content as f64);
        report.line(if note.is_empty() {
            line
        } else {
            line.note(note)
        });
        Ok::<_, Error>(())
    };

    let usage = ours.run()?;
    let note = format!("{:.2} s", usage.wall.as_secs_f64());
    line(
        "written by a second install",
        &ours,
        Target::AtMost(0.0),
        &note,
    )?;

    ours.forget()?;
    let usage = ours.run()?;
    let note = format!(
        "{:.2} s; the record does not know of it",
        usage.wall.as_secs_f64()
    );
    line(
        "written where all is there",
        &ours,
        Target::AtMost(0.0),
        &note,
    )?;

    ours.forget()?;
    let mut changed = 0u64;
    for piece in (0..content / PIECE).step_by(usize::try_from(EVERY).unwrap_or(1)) {
        block::write(&ours.target(), piece * PIECE + PIECE / 2, &[0x5A; 4096])?;
        changed += PIECE;
    }
    ours.run()?;
    ours.check()?;
    // A piece may be shorter than the longest, never longer.
    let note = format!("one piece of {EVERY} differs");
    line(
        "written where 1 % differs",
        &ours,
        Target::AtMost(changed as f64),
        &note,
    )
}
