//! The folder where everything is made and measured, and the commands run in it.

use super::Error;
use crate::machine::target;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What a command took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// From start to end.
    pub wall: Duration,
    /// User and system time of all its processes.
    pub cpu: Duration,
    /// The most memory that one of its processes held, in bytes.
    pub peak: u64,
    /// Bytes written to the device, where there is one.
    pub wrote: u64,
    /// Bytes read from it.
    pub read: u64,
}

/// Its folder, and the working directory of every command.
#[derive(Clone, Debug)]
pub struct Workdir {
    directory: PathBuf,
    smoke: bool,
}

impl Workdir {
    /// A folder of `target`, made if it is missing. In a `smoke` run everything is
    /// done once with next to nothing: that all can be measured is what it shows.
    pub fn open(folder: &str, smoke: bool) -> Result<Self, Error> {
        let directory = target().join(folder);
        fs::create_dir_all(&directory).map_err(Error::host(directory.display().to_string()))?;
        Ok(Self { directory, smoke })
    }

    /// Whether what is measured means nothing.
    #[must_use]
    pub fn is_smoke(&self) -> bool {
        self.smoke
    }

    /// Where `name` lies.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The absolute path of `name`, as a word.
    #[must_use]
    pub fn word(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        fs::write(self.path(name), text).map_err(Error::host(name))
    }

    /// Makes a folder with nothing in it.
    pub fn empty(&self, name: &str) -> Result<(), Error> {
        self.remove(name)?;
        fs::create_dir_all(self.path(name)).map_err(Error::host(name))
    }

    /// Removes a file or a folder, if it is there.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.path(name);
        let removed = match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => fs::remove_dir_all(&path),
            Ok(_) => fs::remove_file(&path),
            Err(_) => Ok(()),
        };
        removed.map_err(Error::host(name))
    }

    /// The length of a file in bytes.
    pub fn length(&self, name: &str) -> Result<u64, Error> {
        Ok(fs::metadata(self.path(name))
            .map_err(Error::host(name))?
            .len())
    }

    /// Runs a command; what it printed.
    pub fn run(&self, words: &[&str]) -> Result<String, Error> {
        let [program, arguments @ ..] = words else {
            return Ok(String::new());
        };
        let ran = Command::new(program)
            .args(arguments)
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .output()
            .map_err(Error::host(format!("running {program}")))?;
        if ran.status.success() {
            return Ok(String::from_utf8_lossy(&ran.stdout).into_owned());
        }
        let said = [ran.stdout, ran.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
        Err(Error::Command {
            command: words.join(" "),
            said: end(&said.concat()),
        })
    }

    /// Runs a command and measures it; what it took, and what it printed.
    pub fn measure(&self, words: &[&str]) -> Result<(Usage, String), Error> {
        let timed = ["time", "-q", "-o", "usage", "-f", "%U %S %M"];
        let words: Vec<&str> = timed.iter().chain(words).copied().collect();
        let began = Instant::now();
        let printed = self.run(&words)?;
        let wall = began.elapsed();
        let line = fs::read_to_string(self.path("usage")).map_err(Error::host("usage"))?;
        let usage = parse(&line, wall)
            .ok_or_else(|| Error::otherwise("GNU time", "three numbers", line.trim()))?;
        Ok((usage, printed))
    }

    /// Starts a service, which ends with the value that stands for it.
    pub fn start(&self, words: &[&str], log: &str) -> Result<Service, Error> {
        let failed = || Error::host(words.join(" "));
        let log = File::create(self.path(log)).map_err(failed())?;
        let also = log.try_clone().map_err(failed())?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .args(words.iter().map(OsStr::new))
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(also)
            .spawn()
            .map_err(failed())?;
        Ok(Service(child))
    }

    /// The folder.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// A process that is killed when it is dropped.
#[derive(Debug)]
pub struct Service(Child);

impl Service {
    /// CPU time so far, and the most memory it held.
    pub fn usage(&self) -> Result<(Duration, u64), Error> {
        let read = |name: &str| {
            let path = format!("/proc/{}/{name}", self.0.id());
            fs::read_to_string(&path).map_err(Error::host(path))
        };
        let (stat, status) = (read("stat")?, read("status")?);
        let missing = || Error::otherwise("the service", "its times and VmHWM", "something else");
        // The name before the last bracket may hold anything.
        let (_, fields) = stat.rsplit_once(')').ok_or_else(missing)?;
        // utime, stime, cutime and cstime, in the kernel's fixed 1/100 s.
        let ticks = fields.split_whitespace().skip(11).take(4);
        let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
        let peak = status.lines().find_map(|line| {
            let rest = line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?;
            rest.trim().parse::<u64>().ok()
        });
        let peak = peak.ok_or_else(missing)?.saturating_mul(1024);
        Ok((Duration::from_millis(ticks.saturating_mul(10)), peak))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks again and again until the answer is yes.
pub fn wait_until(what: &str, mut ready: impl FnMut() -> bool) -> Result<(), Error> {
    let began = Instant::now();
    while !ready() {
        if began.elapsed() > Duration::from_secs(10) {
            return Err(Error::otherwise(what, "an answer within 10 s", "none"));
        }
        std::thread::yield_now();
    }
    Ok(())
}

fn parse(line: &str, wall: Duration) -> Option<Usage> {
    let mut fields = line.split_whitespace();
    let mut seconds = || fields.next()?.parse::<f64>().ok();
    let cpu = Duration::try_from_secs_f64(seconds()? + seconds()?).ok()?;
    let peak = fields.next()?.parse::<u64>().ok()?.checked_mul(1024)?;
    Some(Usage {
        wall,
        cpu,
        peak,
        ..Usage::default()
    })
}

/// The last lines of what was said.
fn end(said: &str) -> String {
    let lines: Vec<&str> = said.lines().collect();
    let from = lines.len().saturating_sub(12);
    lines.get(from..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_measured_with_its_children() {
        let workdir = Workdir::open("bench", false).unwrap();
        let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        let words = ["sh", "-c", &format!("sh -c '{busy}'; echo done")];
        let (usage, printed) = workdir.measure(&words).unwrap();
        assert_eq!(printed, "done\n");
        assert!(usage.cpu >= Duration::from_millis(20), "{usage:?}");
        assert!(usage.peak > 500_000 && usage.wall >= usage.cpu / 2);
    }

    #[test]
    fn a_command_that_fails_says_what_it_said() {
        let workdir = Workdir::open("bench-fails", false).unwrap();
        let error = workdir.measure(&["sh", "-c", "echo $((6 * 7)) >&2; false"]);
        assert!(error.unwrap_err().to_string().contains("42"));
    }
}
