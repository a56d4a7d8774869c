//! Block devices that are files: loop devices, filled, counted and slowed down.

use super::{Error, Workdir};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What the devices lie on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Files in memory.
    Memory,
    /// Files on the disk, past its cache.
    Disk,
}

impl Place {
    /// What it is called in the table.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Memory => "in memory",
            Self::Disk => "on the disk",
        }
    }

    fn file(self, workdir: &Workdir, name: &str) -> PathBuf {
        match self {
            Self::Memory => Path::new("/dev/shm/slotctl-bench").join(name),
            Self::Disk => workdir.path("devices").join(name),
        }
    }
}

/// A file of a [`Place`], which is removed when it is dropped.
#[derive(Debug)]
pub struct Backing {
    path: PathBuf,
    place: Place,
}

impl Backing {
    /// A place for a file that is not made yet.
    pub fn new(workdir: &Workdir, place: Place, name: &str) -> Result<Self, Error> {
        let path = place.file(workdir, name);
        let failed = || Error::host(path.display().to_string());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed())?;
        }
        if path.exists() {
            fs::remove_file(&path).map_err(failed())?;
        }
        Ok(Self { path, place })
    }

    /// Its path, as a word.
    #[must_use]
    pub fn word(&self) -> String {
        self.path.display().to_string()
    }

    /// Makes it, `length` bytes of nothing.
    pub fn create(&self, length: u64) -> Result<(), Error> {
        File::create(&self.path)
            .and_then(|file| file.set_len(length))
            .map_err(Error::host(self.word()))
    }
}

impl Drop for Backing {
    fn drop(&mut self) {
        // There is nobody to tell.
        let _ = fs::remove_file(&self.path);
    }
}

/// A loop device with its partitions, which is detached when it is dropped.
#[derive(Debug)]
pub struct Loop {
    workdir: Workdir,
    node: String,
    _backing: Backing,
}

impl Loop {
    /// Attaches a file. Where it lies on the disk, the page cache of the file is
    /// passed by, so that a write to the device is one to the disk.
    ///
    /// # Errors
    /// Without root or without loop devices.
    pub fn attach(workdir: &Workdir, backing: Backing) -> Result<Self, Error> {
        let direct = match backing.place {
            Place::Memory => "--direct-io=off",
            Place::Disk => "--direct-io=on",
        };
        let said = workdir.run(&["losetup", direct, "--find", "--show", &backing.word()])?;
        let device = Self {
            workdir: workdir.clone(),
            node: said.trim().into(),
            _backing: backing,
        };
        Ok(device)
    }

    /// Has the kernel know its partitions, also one that does not read GPTs.
    pub fn with_partitions(self) -> Result<Self, Error> {
        self.workdir.run(&["partx", "--update", &self.node])?;
        Ok(self)
    }

    /// The device.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The device of a partition, counted from 1.
    #[must_use]
    pub fn partition(&self, number: u32) -> String {
        format!("{}p{number}", self.node)
    }

    /// Bytes written to it and read from it so far.
    pub fn counters(&self) -> Result<(u64, u64), Error> {
        let stat = self.read("stat")?;
        let field = |number: usize| {
            let sectors = stat.split_whitespace().nth(number)?.parse::<u64>().ok()?;
            sectors.checked_mul(512)
        };
        field(6)
            .zip(field(2))
            .ok_or_else(|| Error::otherwise(&self.node, "counters", stat.trim()))
    }

    /// Its numbers, as `7:0`.
    fn numbers(&self) -> Result<String, Error> {
        Ok(self.read("dev")?.trim().to_owned())
    }

    fn read(&self, name: &str) -> Result<String, Error> {
        let short = self.node.trim_start_matches("/dev/");
        let path = format!("/sys/block/{short}/{name}");
        fs::read_to_string(&path).map_err(Error::host(path))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // A device without partitions has none to forget.
        let _ = self.workdir.run(&["partx", "--delete", &self.node]);
        let _ = self.workdir.run(&["losetup", "--detach", &self.node]);
    }
}

/// Fills the first `length` bytes of a device with what no image holds: so that
/// all its memory is there, and nothing of the last round.
pub fn scrub(node: &str, length: u64) -> Result<(), Error> {
    let failed = || Error::host(format!("filling {node}"));
    let mut device = writable(node)?;
    let block = vec![0xA5; 1 << 20];
    let mut left = length;
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
        let bytes = block.get(..part).unwrap_or(&block);
        device.write_all(bytes).map_err(failed())?;
        left = left.saturating_sub(bytes.len() as u64);
    }
    device.sync_all().map_err(failed())
}

/// Writes `bytes` at `offset` of a device, durably.
pub fn write(node: &str, offset: u64, bytes: &[u8]) -> Result<(), Error> {
    let mut device = writable(node)?;
    device
        .seek(SeekFrom::Start(offset))
        .and_then(|_| device.write_all(bytes))
        .and_then(|()| device.sync_all())
        .map_err(Error::host(format!("writing {node}")))
}

/// All of a small device.
pub fn read(node: &str) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    File::open(node)
        .and_then(|mut device| device.read_to_end(&mut bytes))
        .map_err(Error::host(format!("reading {node}")))?;
    Ok(bytes)
}

fn writable(node: &str) -> Result<File, Error> {
    OpenOptions::new()
        .write(true)
        .open(node)
        .map_err(Error::host(node))
}

/// Forgets what was read before, so that every round begins the same.
///
/// # Errors
/// Without root.
pub fn drop_caches(workdir: &Workdir) -> Result<(), Error> {
    workdir.run(&["sync"])?;
    let path = "/proc/sys/vm/drop_caches";
    fs::write(path, "3").map_err(Error::host(path))
}

/// A control group in which a device is as slow as it is told to be.
#[derive(Debug)]
pub struct Limit {
    group: PathBuf,
}

impl Limit {
    /// Limits reads and writes of `device` to `rate` bytes per second each.
    pub fn new(device: &Loop, rate: u64) -> Result<Self, Error> {
        let name = format!("slotctl-bench-{}", std::process::id());
        let numbers = device.numbers()?;
        let old = Path::new("/sys/fs/cgroup/blkio");
        let (root, settings) = if old.is_dir() {
            let line = format!("{numbers} {rate}");
            let names = [
                "blkio.throttle.read_bps_device",
                "blkio.throttle.write_bps_device",
            ];
            (old, names.map(|name| (name, line.clone())).to_vec())
        } else {
            let root = Path::new("/sys/fs/cgroup");
            let control = root.join("cgroup.subtree_control");
            fs::write(&control, "+io").map_err(Error::host(control.display().to_string()))?;
            let line = format!("{numbers} rbps={rate} wbps={rate}");
            (root, vec![("io.max", line)])
        };
        let group = root.join(name);
        fs::create_dir(&group).map_err(Error::host(group.display().to_string()))?;
        let limit = Self { group };
        for (name, line) in settings {
            let path = limit.group.join(name);
            fs::write(&path, line).map_err(Error::host(path.display().to_string()))?;
        }
        Ok(limit)
    }

    /// `words` under the limit: a shell that enters the group and becomes them.
    #[must_use]
    pub fn around(&self, words: &[&str]) -> Vec<String> {
        let enter = format!(
            "echo $$ > {}/cgroup.procs && exec \"$@\"",
            self.group.display()
        );
        let before = ["sh", "-c", &enter, "sh"].map(str::to_owned);
        let after = words.iter().map(|word| (*word).to_owned());
        before.into_iter().chain(after).collect()
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        // An empty group costs nothing if it stays.
        let _ = fs::remove_dir(&self.group);
    }
}
