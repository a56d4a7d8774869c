//! `make bench`: installing and updating, measured beside RAUC, SWUpdate, casync,
//! xdelta3, `zstd --patch-from` and `dd`, on the same bytes.
//!
//! What the peers are given is the best that was found for them: [`SETTINGS`].
//!
//! All contenders take turns, five rounds each, on devices that were filled with
//! other bytes before, with empty caches; medians count.

mod block;
mod chart;
mod contender;
mod delta;
mod host;
mod kinds;
mod line;
mod ours;
mod pair;
mod peers;
mod report;
mod rows;
mod web;
mod workdir;

pub use report::Report;
pub use rows::{ROWS, Selection};

use crate::machine::Error;
use block::Limit;
use pair::System;
use workdir::{Usage, Workdir};

/// What the peers are given, and how what cannot run here is counted.
pub const SETTINGS: &str = "\
- **RAUC**: bundle format `plain` (no verity layer to read through), squashfs with zstd in blocks \
of 1 MiB, which installs faster than its default of 128 KiB; one raw slot; the service runs before \
the clock starts, `bootloader=noop`. CPU and memory are those of its service and its client.
- **SWUpdate**: raw handler, `installed-directly` (no copy on the way), zstd, signed by CMS. It \
neither flushes nor reads back; closing the device writes it out.
- **zstd | dd, dd**: direct I/O in blocks of 1 MiB, then a direct read of all that was written. It \
checks nothing.
- **casync**: blob index, its default chunks of 64 KiB on average, zstd; index and new chunks count.
- **zstd --patch-from**: `--long=31 -12`, each of root, kernel and initrd against its predecessor. \
Each delta, and each of xdelta3, is applied once and compared.
- **xdelta3**: `-9`, its window as large as it goes (2 GiB), part by part as well. It unpacks \
a gzip by itself and packs it again at the end: that makes the initrd a third of what others need, \
and works where the gzip of the target machine gives the same bytes, as it does here.
- **RAUC adaptive** (`block-hash-index`): it needs NBD in the kernel to run. Counted instead is what \
it fetches at the very least: blocks of 4 KiB that the old system has nowhere, packed as one gzip \
stream, and its index of 32 bytes for each block.
";

/// Measures what `selection` names, and writes the report to `target/bench`, or to
/// `target/bench-smoke`.
pub fn bench(selection: &Selection) -> Result<Report, Error> {
    let workdir = Workdir::open(selection.folder(), selection.smoke)?;
    let report = rows::measure(&workdir, selection)?;
    report.write(&workdir)?;
    Ok(report)
}
