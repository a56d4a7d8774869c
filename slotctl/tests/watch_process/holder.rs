//! A watchdog that somebody else has: a terminal that lets nobody else open it, unless
//! he may do everything.

use super::questions::toml;
use super::{Controller, Test, Tested, WATCH, is_root, named, prepare};
use nix::libc::{TIOCEXCL, TIOCNXCL};
use nix::pty::{OpenptyResult, openpty};
use nix::unistd::ttyname;
use std::fs;
use std::os::fd::AsRawFd;
use std::process::Command;

pub fn tests() -> Vec<Test> {
    let mut tests = named![who_has_the_watchdog_is_named_and_it_is_used_once_it_is_free];
    // Needs root.
    let systemd = Test::test(
        "systemd_is_named_with_the_line_by_which_it_has_the_watchdog",
        systemd,
    );
    tests.push(systemd.with_ignored_flag(true));
    tests
}

mod ioctl {
    nix::ioctl_none_bad!(exclusive, super::TIOCEXCL);
    nix::ioctl_none_bad!(shared, super::TIOCNXCL);
}

/// Ends with both of its sides.
struct Watchdog(OpenptyResult);

impl Watchdog {
    fn new() -> Watchdog {
        let pair = openpty(None, None).unwrap();
        // SAFETY: the descriptor is open, and the call takes nothing else.
        unsafe { ioctl::exclusive(pair.slave.as_raw_fd()) }.unwrap();
        Watchdog(pair)
    }

    fn path(&self) -> String {
        ttyname(&self.0.slave).unwrap().display().to_string()
    }

    fn is_free(&self) {
        // SAFETY: the descriptor is open, and the call takes nothing else.
        unsafe { ioctl::shared(self.0.slave.as_raw_fd()) }.unwrap();
    }

    /// Rules with it, and no checks.
    fn toml(&self) -> String {
        toml("2h", &[]).replace("DIR/watchdog", &self.path())
    }
}

/// The right to open such a terminal all the same.
const WITHOUT_IT: [&str; 2] = ["--bounding-set", "-sys_admin"];

fn who_has_the_watchdog_is_named_and_it_is_used_once_it_is_free() -> Tested {
    let (own, watchdog) = (tempfile::tempdir()?, Watchdog::new());
    prepare(own.path(), &watchdog.toml(), false);
    let mut plc = if is_root() {
        Controller::launch_by(
            Command::new("/usr/bin/setpriv").args(WITHOUT_IT),
            own.path(),
        )
    } else {
        Controller::launch(own.path())
    };
    let (path, name) = (watchdog.path(), fs::read_to_string("/proc/self/comm")?);
    plc.expect(&format!(
        "watchdog {path} is in use by {} (process {}): in this start that program alone decides",
        name.trim_end(),
        std::process::id()
    ));
    watchdog.is_free();
    plc.expect(&format!("watchdog {path} is there now"));
    Ok(())
}

/// In a system whose process 1 has the watchdog open, and the name of systemd.
const SYSTEM: &str = "
    exec 9<>$WATCHDOG
    PATH=/usr/sbin:/usr/bin:/sbin:/bin
    mount -t tmpfs none /etc/systemd
    mkdir /etc/systemd/system.conf.d
    printf '[Manager]\\nRuntimeWatchdogSec=30\\n' >/etc/systemd/system.conf.d/board.conf
    setpriv --bounding-set -sys_admin \"$0\" \"$1\" \"$2\" 9>&-
    exit
";

fn systemd() -> Tested {
    let (own, watchdog) = (tempfile::tempdir()?, Watchdog::new());
    prepare(own.path(), &watchdog.toml(), false);
    let systemd = own.path().join("systemd");
    fs::copy("/bin/sh", &systemd)?;
    let mut command = Command::new("/usr/bin/unshare");
    command
        .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .arg(&systemd)
        .args(["-c", SYSTEM])
        .arg(std::env::current_exe()?)
        .args([WATCH.as_ref(), own.path().as_os_str()])
        .env("WATCHDOG", watchdog.path());
    let mut plc = Controller::spawn(&mut command, own.path());
    plc.expect(&format!(
        "watchdog {} is in use by systemd (RuntimeWatchdogSec=30 in /etc/systemd/system.conf.d/board.conf): ",
        watchdog.path()
    ));
    Ok(())
}
