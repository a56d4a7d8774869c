//! Who goes on petting while the system goes down.
//!
//! A shutdown in order takes longer than the watchdog waits where a database closes
//! its files or a service has to be killed. `watch` itself has to end when it is told
//! to, or whoever told it waits for it; so it leaves a process behind that has
//! nothing but the open watchdog, and the shutdown ends when the machine does. It has
//! a bound of its own: a shutdown that hangs is ended by the watchdog.
//!
//! systemd kills what is left at the end of a shutdown, except processes of root whose
//! first argument begins with `@`; see `dist/slotctl-watch.service`.

#![allow(unsafe_code)]

use super::device::Device;
use super::holder::holders;
use controller::duration::spell;
use controller::helper;
use nix::libc;
use nix::sys::prctl::set_name;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{ForkResult, Pid, chdir, fork, setsid};
use std::ffi::CStr;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// What such a process is called, so that the next `watch` knows it.
const NAME: &CStr = c"slotctl-keeper";

/// Leaves a process behind that pets for `limit`, then no more, and says so in the
/// kernel's log. SIGTERM ends it, with the watchdog armed.
pub(super) fn leave(device: Device, limit: Duration, log: Option<File>) -> nix::Result<()> {
    // Whatever needs memory is made before the fork.
    let last_words = format!(
        "<2>slotctl: the shutdown has not ended within {}: the watchdog ends it within {}\n",
        spell(limit),
        spell(device.timeout),
    );
    // SAFETY: in the child, where there are no other threads any more, nothing is
    // called but what is safe after a fork: plain system calls, and reading the clock.
    match unsafe { fork() }? {
        ForkResult::Parent { .. } => Ok(()),
        ForkResult::Child => keep(device, limit, log, last_words.as_bytes()),
    }
}

fn keep(mut device: Device, limit: Duration, log: Option<File>, last_words: &[u8]) -> ! {
    let began = Instant::now();
    let _ = set_name(NAME);
    let _ = setsid();
    // A directory that somebody wants to unmount must not be in use.
    let _ = chdir("/");
    close_others(&[
        Some(device.descriptor()),
        log.as_ref().map(|log| log.as_raw_fd()),
    ]);
    // Those that `watch` catches would go unheard.
    helper::signals_as_usual();
    let pause = device.timeout / 4;
    loop {
        let _ = device.pet();
        let left = limit.saturating_sub(began.elapsed());
        if left.is_zero() {
            break;
        }
        std::thread::sleep(pause.min(left));
    }
    if let Some(mut log) = log {
        let _ = log.write_all(last_words);
    }
    // The device stays open, so that nobody else pets on: systemd would, at the end.
    std::thread::sleep(3 * device.timeout);
    // SAFETY: ends the process, and runs nothing that was registered before the fork.
    unsafe { libc::_exit(0) }
}

/// Ends those who were left behind with this device: there was no shutdown after all,
/// and somebody is back who watches. Whether there were any.
pub(super) fn relieve(device: &Path) -> bool {
    let mut any = false;
    for keeper in holders(device, |name| name.as_bytes() == NAME.to_bytes()) {
        any |= kill(Pid::from_raw(keeper.process), Signal::SIGTERM).is_ok();
    }
    any
}

/// Closes all descriptors but these: pipes that others wait on, and disks.
fn close_others(kept: &[Option<i32>]) {
    let kept = || {
        kept.iter()
            .flatten()
            .filter_map(|fd| u32::try_from(*fd).ok())
    };
    let mut from = 0;
    while let Some(next) = kept().filter(|fd| *fd >= from).min() {
        helper::close_range(from, next.checked_sub(1));
        from = next.saturating_add(1);
    }
    helper::close_range(from, Some(u32::MAX));
}
