//! All that a program begins, whatever it does to its process group and session: it
//! is found, and ended.
//!
//! Who loses his parent comes to this process, which is their subreaper. Where there
//! are control groups, a group of its own takes in also those that begin others
//! faster than they can be found.

use nix::errno::Errno;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

/// How often it is looked after those that cannot be found.
const LOOK: Duration = Duration::from_millis(20);

/// A program and its descendants. There is one in a process.
#[derive(Debug)]
pub(super) struct Family {
    group: Option<PathBuf>,
}

impl Family {
    /// The family of the program that `spawn` starts. Every child of this process
    /// belongs to it.
    pub(super) fn of(
        spawn: impl FnOnce() -> std::io::Result<Child>,
    ) -> std::io::Result<(Child, Family)> {
        set_child_subreaper(true)?;
        // The child is in it from its first moment on, this process only until then.
        let group = Group::join();
        let child = spawn();
        let group = group.and_then(Group::leave);
        let family = Family { group };
        match child {
            Ok(child) => Ok((child, family)),
            Err(error) => {
                family.end()?;
                Err(error)
            }
        }
    }

    /// Ends all of it, and waits until it is gone.
    pub(super) fn end(self) -> Result<(), Errno> {
        if let Some(group) = &self.group {
            // Before Linux 5.14 there is no such file: the rest does it.
            let _ = write(&group.join("cgroup.kill"), "1");
        }
        end_children()?;
        if let Some(group) = &self.group {
            // A group in which the program has made others stays, empty.
            let _ = fs::remove_dir(group);
        }
        Ok(())
    }
}

/// Ends the children of this process, and theirs when they have come to it.
fn end_children() -> Result<(), Errno> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => {}
            Ok(_) | Err(Errno::EINTR) => continue,
            Err(Errno::ECHILD) => return Ok(()),
            Err(errno) => return Err(errno),
        }
        let children = children();
        for child in &children {
            // It may have ended, or belong to somebody else: then it is waited for.
            let _ = kill(*child, Signal::SIGKILL);
        }
        if children.is_empty() {
            std::thread::sleep(LOOK);
            continue;
        }
        match waitpid(None, None) {
            Ok(_) | Err(Errno::EINTR | Errno::ECHILD) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// The children of this process (proc(5), `/proc/PID/stat`).
fn children() -> Vec<Pid> {
    let parent = std::process::id().to_string();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let children = processes.filter_map(|entry| {
        let child = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read(entry.path().join("stat")).ok()?;
        let stat = String::from_utf8_lossy(&stat);
        // Behind the name, which may hold anything: the state, and the parent.
        let (_, rest) = stat.rsplit_once(')')?;
        let of = rest.split(' ').nth(2)?;
        (of == parent).then(|| Pid::from_raw(child))
    });
    children.collect()
}

/// A control group of version 2, below the one this process is in.
struct Group {
    above: PathBuf,
    own: PathBuf,
}

impl Group {
    /// Makes it and joins it; `None` where that cannot be done.
    fn join() -> Option<Group> {
        let above = current()?;
        let own = above.join(format!("slotctl-check-{}", std::process::id()));
        fs::create_dir(&own).ok()?;
        let group = Group { above, own };
        if enter(&group.own).is_err() {
            // It is empty.
            let _ = fs::remove_dir(&group.own);
            return None;
        }
        Some(group)
    }

    /// Goes back, and leaves those behind that were begun meanwhile. Who cannot go
    /// back must not end all that is in it.
    fn leave(self) -> Option<PathBuf> {
        match enter(&self.above) {
            Ok(()) => Some(self.own),
            Err(_) => None,
        }
    }
}

/// Puts this process into a group.
fn enter(group: &Path) -> std::io::Result<()> {
    write(&group.join("cgroup.procs"), "0")
}

/// Into a file that the kernel has made: elsewhere there are no control groups.
fn write(file: &Path, word: &str) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).open(file)?;
    file.write_all(word.as_bytes())
}

/// The folder of the group that this process is in (cgroups(7)).
fn current() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let (root, place) = mounts.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let mut words = mount.split(' ').skip(3);
        let place = (words.next()?, words.next()?);
        kind.starts_with("cgroup2 ").then_some(place)
    })?;
    let below = Path::new(group).strip_prefix(root).ok()?;
    Some(Path::new(place).join(below))
}
