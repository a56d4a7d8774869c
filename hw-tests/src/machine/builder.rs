//! A machine before it is switched on.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};
use serde_json::json;

use super::directory::Directory;
use super::process::{Process, mortal};
use super::qemu::Backend;
use super::qmp::{Qmp, forwarded_port};
use super::shell::Shell;
use super::timeline::{Position, Speaker, Timeline};
use super::{
    Board, Bus, COMMAND, CountedDisk, Error, Machine, PRODUCTION_PORT, Tpm, VolatileDisk, Watchdog,
    qemu, reader,
};

/// How long a machine may live, unless it is told otherwise.
const LIFE: Duration = Duration::from_secs(1200);

/// What a machine shall be.
#[derive(Debug, Clone)]
pub struct Builder {
    name: String,
    board: Board,
    watchdog: Watchdog,
    disk: Option<Backend>,
    twin: Option<PathBuf>,
    bus: Bus,
    sector_size: u32,
    memory: Option<u32>,
    settings: Option<PathBuf>,
    tpm: Option<Arc<OwnedFd>>,
    life: Duration,
    slowness: u32,
}

impl Builder {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            board: Board::Pc,
            watchdog: Watchdog::I6300esb,
            disk: None,
            twin: None,
            bus: Bus::Virtio,
            sector_size: 512,
            memory: None,
            settings: None,
            tpm: None,
            life: LIFE,
            slowness: 1,
        }
    }

    /// The disk image that it starts from, and writes to.
    #[must_use]
    pub fn disk(mut self, image: impl AsRef<Path>) -> Self {
        self.disk = Some(Backend::Image(image.as_ref().to_path_buf()));
        self
    }

    /// As [`Self::disk`], whose sector at this byte cannot be read.
    #[must_use]
    pub fn disk_with_bad_sector(mut self, image: impl AsRef<Path>, at: u64) -> Self {
        let image = image.as_ref().to_path_buf();
        self.disk = Some(Backend::Failing { image, at });
        self
    }

    /// As [`Self::disk`], and it stands still after so many bytes were read, as one
    /// does that is about to die; until [`Machine::disk_goes_on`].
    #[must_use]
    pub fn stalling_disk(mut self, image: impl AsRef<Path>, after: u64) -> Self {
        let image = image.as_ref().to_path_buf();
        self.disk = Some(Backend::Stalling { image, after });
        self
    }

    /// As [`Self::disk`], with a log of all writes and flushes in the file `log`,
    /// which is whole once the system has switched the machine off.
    #[must_use]
    pub fn logged_disk(mut self, image: impl AsRef<Path>, log: impl AsRef<Path>) -> Self {
        let (image, log) = (image.as_ref().to_path_buf(), log.as_ref().to_path_buf());
        self.disk = Some(Backend::Logged { image, log });
        self
    }

    /// A disk that forgets what was not flushed when its power is cut.
    #[must_use]
    pub fn volatile_disk(mut self, disk: &VolatileDisk) -> Self {
        self.disk = Some(Backend::Served(disk.line()));
        self
    }

    /// A disk that counts what is read from it.
    #[must_use]
    pub fn counted_disk(mut self, disk: &CountedDisk) -> Self {
        self.disk = Some(Backend::Served(disk.line()));
        self
    }

    /// A second disk, on a virtio slot before that of the first; it does not start
    /// from it.
    #[must_use]
    pub fn twin(mut self, image: impl AsRef<Path>) -> Self {
        self.twin = Some(image.as_ref().to_path_buf());
        self
    }

    /// What board it is; a PC unless said.
    #[must_use]
    pub fn board(mut self, board: Board) -> Self {
        self.board = board;
        self
    }

    /// Which watchdog a PC has; an i6300esb unless said. Other boards have none.
    #[must_use]
    pub fn watchdog(mut self, watchdog: Watchdog) -> Self {
        self.watchdog = watchdog;
        self
    }

    /// How the disk is attached; virtio unless said.
    #[must_use]
    pub fn bus(mut self, bus: Bus) -> Self {
        self.bus = bus;
        self
    }

    /// Bytes in a sector of the disk, 512 (unless said) or 4096.
    #[must_use]
    pub fn sector_size(mut self, bytes: u32) -> Self {
        self.sector_size = bytes;
        self
    }

    /// Its MiB of memory; 256 in a PC unless said.
    #[must_use]
    pub fn memory(mut self, mebibytes: u32) -> Self {
        self.memory = Some(mebibytes);
        self
    }

    /// The settings its firmware begins with, the factory's unless said; the file
    /// is not written to.
    #[must_use]
    pub fn firmware_settings(mut self, settings: impl AsRef<Path>) -> Self {
        self.settings = Some(settings.as_ref().to_path_buf());
        self
    }

    /// It has this TPM; without, it has none.
    #[must_use]
    pub fn tpm(mut self, tpm: &Tpm) -> Self {
        self.tpm = Some(tpm.line());
        self
    }

    /// How long all waits for it may take together; 20 minutes unless said.
    #[must_use]
    pub fn life(mut self, life: Duration) -> Self {
        self.life = life;
        self
    }

    /// Its system is so many times as slow as the demo OS: limits grow by that.
    #[must_use]
    pub fn slowness(mut self, times: u32) -> Self {
        self.slowness = times;
        self
    }

    /// Switches it on.
    ///
    /// # Errors
    /// [`Error::Host`] when QEMU, firmware or disk are missing, and
    /// [`Error::Ended`] with what QEMU says when it does not accept them.
    pub fn start(self) -> Result<Machine, Error> {
        let directory = Directory::new(&self.name)?;
        let timeline = Arc::new(Timeline::new(directory.create("log")?));
        let lines = || UnixStream::pair().map_err(Error::host("lines to QEMU"));
        let ((console, console_end), (shell, shell_end), (qmp, qmp_end)) =
            (lines()?, lines()?, lines()?);
        let process = self.spawn(&directory, [console_end, shell_end, qmp_end])?;
        let copy = |stream: &UnixStream| stream.try_clone().map_err(Error::host("lines to QEMU"));
        let (shell_writer, qmp_writer) = (copy(&shell)?, copy(&qmp)?);
        reader::spawn(console, shell, qmp, Arc::clone(&timeline))
            .map_err(Error::host("a thread to read from QEMU"))?;
        let mut machine = Machine {
            name: self.name,
            directory,
            timeline,
            qmp: Qmp::new(qmp_writer),
            shell: Shell::new(shell_writer),
            production: 0,
            started: Position::default(),
            heard: Position::default(),
            deadline: Instant::now() + self.life * self.slowness,
            slowness: self.slowness,
            _process: process,
        };
        machine.timeline.add(Speaker::Test, "switched on".into());
        machine.meet_qemu()?;
        Ok(machine)
    }

    fn spawn(&self, directory: &Directory, ends: [UnixStream; 3]) -> Result<Process, Error> {
        let variables = directory.firmware_variables(self.board, self.settings.as_deref())?;
        let arguments = qemu::arguments(
            self.board,
            (self.disk.as_ref(), self.twin.as_deref()),
            self.bus,
            self.sector_size,
            variables.as_deref(),
            PRODUCTION_PORT,
        );
        let watchdog = match self.board {
            Board::Pc => self.watchdog.arguments(directory)?,
            Board::Uboot | Board::Aavmf => Vec::new(),
        };
        let mut lines: Vec<OwnedFd> = ends.map(OwnedFd::from).into();
        if let Some(Backend::Logged { log, .. }) = &self.disk {
            // QEMU creates no file that it writes to.
            File::create(log).map_err(Error::host(log.display().to_string()))?;
        }
        let mut numbers = vec![qemu::CONSOLE_FD, qemu::SHELL_FD, qemu::QMP_FD];
        if let Some(Backend::Served(line)) = &self.disk {
            let line = line.try_clone();
            lines.push(line.map_err(Error::host("the line to the disk"))?);
            numbers.push(qemu::DISK_FD);
        }
        if let Some(line) = &self.tpm {
            let line = line.try_clone();
            lines.push(line.map_err(Error::host("the line to the TPM"))?);
            numbers.push(qemu::TPM_FD);
        }
        let mappings = lines
            .into_iter()
            .zip(numbers)
            .map(|(parent_fd, child_fd)| FdMapping {
                parent_fd,
                child_fd,
            });
        let mut command = mortal(self.board.program());
        command
            .args(arguments)
            .args(watchdog)
            // The last one counts.
            .args(
                self.memory
                    .iter()
                    .flat_map(|m| ["-m".into(), m.to_string()]),
            )
            .args(self.tpm.iter().flat_map(|_| qemu::tpm()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(directory.create("qemu.log")?)
            .fd_mappings(mappings.collect())
            .map_err(|error| Error::host("lines to QEMU")(std::io::Error::other(error)))?;
        Process::start(command).map_err(Error::host("setpriv (package util-linux)"))
    }
}

impl Machine {
    /// Agrees on the protocol with QEMU, and learns where production can be
    /// reached.
    fn meet_qemu(&mut self) -> Result<(), Error> {
        self.qemu("qmp_capabilities", &json!({}), COMMAND)?;
        let info = json!({ "command-line": "info usernet" });
        let answer = self.qemu("human-monitor-command", &info, COMMAND)?;
        let port = answer.as_str().and_then(forwarded_port);
        let none = || Error::otherwise("QEMU's info usernet", "a forwarded port", &answer);
        self.production = port.ok_or_else(none)?;
        Ok(())
    }
}
