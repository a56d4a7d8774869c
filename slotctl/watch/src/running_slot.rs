//! The slot that runs, as `watch` is concerned with it: found while the watchdog is
//! petted, and verified beside the loop that does so.

use crate::{Trial, Up};
use bootshim::state::Judge;
use controller::bootshim_update;
use controller::code::Code;
use controller::disk::{Disk, Search};
use controller::error::{Error, Result};
use controller::progress::Quiet;
use controller::running::{Proven, Running, RunningAs};
use controller::trust;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long `watch`, which has to pet, waits for disks to answer before it comes
/// round once more.
const MOMENT: Duration = Duration::from_millis(100);

/// What `watch` is concerned with: the running slot, as soon as its disk can be
/// opened. A system that was not started by bootshim has no trial.
#[derive(Debug)]
pub struct RunningSlot {
    named: Option<PathBuf>,
    search: Option<Search>,
    disk: Option<Disk>,
    /// A last resort is being verified, beside the loop that pets.
    proving: Option<JoinHandle<Result<Option<Proven>>>>,
}

impl RunningSlot {
    /// The disk that a person named, or the one this controller booted from.
    #[must_use]
    pub fn new(named: Option<PathBuf>) -> RunningSlot {
        RunningSlot {
            named,
            search: None,
            disk: None,
            proving: None,
        }
    }

    fn with<T>(&mut self, act: impl FnOnce(&Running<'_>) -> Result<T>) -> Result<Option<T>> {
        if self.disk.is_none() {
            match self.find() {
                Ok(disk) => self.disk = Some(disk),
                Err(error) if error.code == Code::NotBooted => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let disk = self.disk.as_ref();
        let running = disk.and_then(|disk| Some(Running::new(disk, disk.handover()?)));
        let running = running.map(|running| running.started_by(bootshim_update::started_by()));
        running.map(|running| act(&running)).transpose()
    }

    /// One disk that does not answer must not hold up the petting.
    fn find(&mut self) -> Result<Disk> {
        let search = match self.search.take() {
            Some(search) => search,
            None => Search::begin(self.named.as_deref())?,
        };
        let found = self.search.insert(search).look_for(MOMENT)?;
        let disk = found.ok_or_else(|| {
            let found = "the disks have not all answered yet";
            Error::new(Code::TooEarly, found)
        })?;
        self.search = None;
        Ok(disk)
    }

    /// Reading a whole slot takes longer than the watchdog waits: a thread of its own
    /// does, and is asked again later.
    fn confirm_last_resort(&mut self) -> Result<Up> {
        let proven = match self.proving.take() {
            Some(proving) if proving.is_finished() => proving.join(),
            Some(proving) => {
                self.proving = Some(proving);
                return Ok(Up::Later);
            }
            None => {
                let named = self.named.clone();
                self.proving = Some(std::thread::spawn(move || prove(named.as_deref())));
                return Ok(Up::Later);
            }
        };
        let broke_off = |_| Error::new(Code::Internal, "the verify broke off");
        let Some(proven) = proven.map_err(broke_off)?? else {
            return Ok(Up::Later);
        };
        self.with(|running| running.confirm_last_resort(&proven, Judge::Checks))?;
        Ok(Up::Confirmed)
    }
}

fn prove(named: Option<&Path>) -> Result<Option<Proven>> {
    let disk = Disk::open_or_booted(named)?;
    let Some(handover) = disk.handover() else {
        return Ok(None);
    };
    Running::new(&disk, handover).prove(|| trust::keys(&disk), &Quiet)
}

impl Trial for RunningSlot {
    fn is_on_trial(&mut self) -> Result<bool> {
        Ok(self.with(|running| running.is_on_trial())?.unwrap_or(false))
    }
    fn remark(&self) -> Option<String> {
        self.disk.as_ref()?.unasked()
    }
    fn confirm(&mut self) -> Result<()> {
        self.with(|running| running.confirm()).map(drop)
    }
    fn renew(&mut self) -> Result<bool> {
        Ok(self.with(|running| running.renew())?.unwrap_or(false))
    }
    fn give_up(&mut self, reason: &str) -> Result<()> {
        self.with(|running| running.give_up_start(reason)).map(drop)
    }
    fn came_up(&mut self, healthy: bool) -> Result<Up> {
        let runs = self.with(|running| running.running_as())?;
        match runs.unwrap_or(RunningAs::Otherwise) {
            RunningAs::Good => {
                let counts = self.with(|running| Ok(running.bootshim_counts()))?;
                if counts == Some(true) {
                    self.with(|running| running.came_up())?;
                }
                Ok(Up::Noted)
            }
            RunningAs::LastResort if !healthy => Ok(Up::Later),
            RunningAs::LastResort => self.confirm_last_resort(),
            RunningAs::Otherwise => Ok(Up::Noted),
        }
    }
    fn shut_down(&mut self) -> Result<()> {
        self.with(|running| running.shut_down()).map(drop)
    }
}
