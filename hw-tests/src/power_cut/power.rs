//! A machine whose disk loses power, and with it what was not flushed.

use super::Error;
use super::judge::{Judge, Started};
use super::rebuilt::{Before, Content, Rebuilt};
use crate::machine::{Error as MachineError, Moment, Point, START, VolatileDisk, WebServer};
use crate::pipeline::Pipeline;
use bootshim::medium::{BLOCK, Extent};
use bootshim::record::SlotId;
use controller::disk::Disk;
use fastrand::Rng;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// During what the power is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum During {
    /// bootshim arms a trial.
    Boot,
    /// An image is written into a slot.
    Install,
    /// A slot that is ready becomes the trial.
    Flip,
    /// The trial becomes good.
    Confirm,
    /// The bootshim that the trial brought takes the place of the one before.
    Renewal,
}

/// One cut that was made.
#[derive(Debug)]
pub struct Cut {
    /// The disk that it left.
    pub disk: PathBuf,
    /// What starts from it.
    pub started: Started,
    /// When the power was cut.
    pub moment: Moment,
    /// Where on the disk the write began at which it was.
    pub last_write: u64,
    words: String,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Started { slot, kind, .. } = &self.started;
        write!(f, "{}: slot {slot} starts, as {kind}", self.words)
    }
}

/// Cuts the power of a machine `during`, at a moment that `seed` chooses, and
/// judges what is left of its disk.
///
/// # Errors
/// [`MachineError::Otherwise`] with the broken promise; what was not seen.
pub fn cut(pipeline: &Pipeline, during: During, seed: u64) -> Result<Cut, Error> {
    let name = format!("cut-{during:?}-{seed}").to_lowercase();
    let disk = pipeline.disk(&format!("{name}.img"), 512)?;
    prepare(pipeline, &disk, during)?;
    let opened = Disk::open(&disk).map_err(Error::Disk)?;
    let (before, _) = opened.read_record().map_err(Error::Disk)?;
    let moment = choose(&opened, during, seed);
    let words = format!("power cut during {during:?}, seed {seed}, {moment:?}");
    let volatile = VolatileDisk::new(&disk, moment)?;
    let server = WebServer::new(pipeline.directory())?;
    let mut machine = pipeline.machine(&name).volatile_disk(&volatile).start()?;
    match during {
        During::Boot | During::Confirm | During::Renewal => {}
        During::Install => {
            let image = server.url_for_machine(&Pipeline::image(2));
            machine.tell(&format!("slotctl install {image}"))?;
        }
        During::Flip => machine.tell("slotctl activate b")?,
    }
    let Some(last_write) = volatile.wait_for_cut(START) else {
        return Err(machine.not_as_expected(&words, "no such moment").into());
    };
    drop(machine);
    let left = Rebuilt::new(
        Arc::new(Before::open(&disk)?),
        Vec::new(),
        Content::default(),
    );
    let started = Judge::default()
        .judge(&left, before.sequence)
        .map_err(|why| MachineError::otherwise(&words, "a slot that starts", why))?;
    Ok(Cut {
        disk,
        started,
        moment,
        last_write,
        words,
    })
}

/// What was done before the machine is switched on.
fn prepare(pipeline: &Pipeline, disk: &Path, during: During) -> Result<(), Error> {
    let image = if during == During::Renewal {
        let name = disk.with_extension("").display().to_string();
        pipeline.build_renewing(&name)?;
        format!("{name}.slotimg")
    } else {
        Pipeline::image(2)
    };
    let words: &[&str] = match during {
        During::Boot | During::Confirm | During::Renewal => &["install", &image],
        During::Flip => &["install", "--no-activate", &image],
        During::Install => return Ok(()),
    };
    pipeline.slotctl_on(disk, words)?;
    Ok(())
}

/// A moment by chance. A commit writes two blocks of the record; bootshim's is
/// the first in a start on trial. A renewal is cut from its end backwards, which is
/// where it changes what firmware starts.
fn choose(disk: &Disk, during: During, seed: u64) -> Moment {
    let mut rng = Rng::with_seed(seed);
    let points = [Point::Write, Point::Flush, Point::Flushed];
    let point = rng.choice(points).unwrap_or(Point::Write);
    let record = disk.layout().record.extent;
    let nth_block = |range, nth: u64| (range, nth.saturating_mul(BLOCK));
    let (point, (range, bytes)) = match during {
        During::Boot | During::Flip => (point, nth_block(record, rng.u64(1..=2))),
        During::Confirm => (point, nth_block(record, rng.u64(3..=4))),
        During::Install => (point, (slot_b(disk), rng.u64(1..CONTENT))),
        During::Renewal => {
            let nth = seed.saturating_sub(1);
            let point = match nth % 3 {
                0 => Point::Flushed,
                1 => Point::Flush,
                _ => Point::Write,
            };
            (point, nth_block(esp(disk), RENEWAL.saturating_sub(nth / 3)))
        }
    };
    Moment {
        range,
        bytes,
        point,
    }
}

/// Less than what an image of the demo OS has.
const CONTENT: u64 = 32 << 20;

/// How many blocks of the ESP are written, the last of them to swap the two places. Of
/// the programs only one block differs.
const RENEWAL: u64 = 5;

fn esp(disk: &Disk) -> Extent {
    let esp = disk.layout().esp.as_ref();
    esp.map_or(Extent { start: 0, len: 0 }, |esp| esp.extent)
}

fn slot_b(disk: &Disk) -> Extent {
    let slot = SlotId::new(1).and_then(|slot| disk.layout().slot(slot));
    slot.map_or(Extent { start: 0, len: 0 }, |slot| slot.extent)
}
