//! The memory of an install does not grow with the image.

use crate::bench::block::Place;
use crate::bench::contender::Contender;
use crate::bench::line::{Line, Target, Unit};
use crate::bench::ours::{self, Content, Ours};
use crate::bench::{Error, Report, System, Workdir};
use std::fs::File;
use std::io::{BufWriter, Write};

/// The two sizes in MiB.
const SIZES: [u64; 2] = [256, 8192];
/// The same where what is measured means nothing.
const SMALL: [u64; 2] = [1, 8];
const LIMIT: f64 = 64.0 * 1_048_576.0;
/// A line of the content: half of it is chance.
const CHANCE: usize = 32;

pub(super) fn measure(workdir: &Workdir, report: &mut Report) -> Result<(), Error> {
    for size in if workdir.is_smoke() { SMALL } else { SIZES } {
        let peak = one(workdir, size)?;
        let what = format!("memory of installing {size} MiB");
        let line = Line::new("d", what, Unit::Memory, peak as f64, Target::AtMost(LIMIT));
        report.line(line.note("once"));
    }
    Ok(())
}

fn one(workdir: &Workdir, size: u64) -> Result<u64, Error> {
    let [root, image] = ["size.root", "size.slotimg"];
    content(workdir, root, size)?;
    let [_, kernel, initrd] = System::New.parts();
    ours::build(workdir, &[root.into(), kernel, initrd], "1", image)?;
    workdir.remove(root)?;
    // With room for the tree, kernel and initrd.
    let content = Content::of_length((size + size / 64 + 192) << 20);
    let mut ours = Ours::new(workdir, Place::Disk, image, content, None)?;
    let usage = ours.run()?;
    eprintln!(
        "bench:   {size} MiB: {} KiB of memory, {:.1} s",
        usage.peak >> 10,
        usage.wall.as_secs_f64()
    );
    workdir.remove(image)?;
    Ok(usage.peak)
}

/// A file that no two pieces of are alike and that packs to half.
fn content(workdir: &Workdir, name: &str, size: u64) -> Result<(), Error> {
    let failed = || Error::host(name);
    let file = File::create(workdir.path(name)).map_err(failed())?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let mut chance = fastrand::Rng::with_seed(size);
    let mut block = vec![0; 1 << 20];
    for _ in 0..size {
        for line in block.chunks_mut(2 * CHANCE) {
            if let Some(half) = line.get_mut(..CHANCE) {
                chance.fill(half);
            }
        }
        out.write_all(&block).map_err(failed())?;
    }
    out.flush().map_err(failed())
}
