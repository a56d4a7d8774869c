//! Two locks on a disk: one for the whole of an install, one for each commit of
//! the boot record.
//!
//! They are locks of the open file description on two bytes that nobody else locks,
//! so that a killed command leaves nothing behind that blocks the
//! next, and a confirm never waits for an install.

use crate::code::Code;
use crate::error::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::time::{Duration, Instant};

/// Where the two bytes are: half of how far an offset reaches, 2^62 but on 32-bit
/// machines.
const PLACE: libc::off_t = (libc::off_t::MAX >> 1) + 1;

/// How long others may hold the lock on the record. `watch` pets in between.
const MOMENTS: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(5);

/// What is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Writing of slots; held for as long as an install takes.
    Install,
    /// Reading, checking and committing the record; held for moments.
    Record,
}

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _held: File,
}

impl Lock {
    /// Takes a lock of a disk. For that on the record it waits: others hold it
    /// for moments, and who holds it longer has been stopped in the middle.
    ///
    /// # Errors
    /// [`Exit::Busy`] when somebody else installs, or holds on; or the operating
    /// system's.
    pub fn take(disk: &Path, what: What) -> Result<Lock> {
        match what {
            What::Install => Lock::take_within(disk, what, Duration::ZERO),
            What::Record => Lock::take_within(disk, what, MOMENTS),
        }
    }

    fn take_within(disk: &Path, what: What, patience: Duration) -> Result<Lock> {
        let began = Instant::now();
        let failed = |error| Error::io(format_args!("opening {}", disk.display()), &error);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(disk)
            .map_err(failed)?;
        let range = libc::flock {
            l_type: i16::try_from(libc::F_WRLCK).unwrap_or_default(),
            l_whence: i16::try_from(libc::SEEK_SET).unwrap_or_default(),
            l_start: match what {
                What::Install => PLACE,
                What::Record => PLACE.saturating_add(1),
            },
            l_len: 1,
            l_pid: 0,
        };
        loop {
            match fcntl(&file, FcntlArg::F_OFD_SETLK(&range)) {
                Ok(_) => return Ok(Lock { _held: file }),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN | Errno::EACCES) if began.elapsed() < patience => {
                    std::thread::sleep(LOOK);
                }
                Err(Errno::EAGAIN | Errno::EACCES) => {
                    let found = format!("another slotctl is writing to {}", disk.display());
                    return Err(Error::new(Code::Busy, found)
                        .advice("try again when it has ended")
                        .changed("nothing was written"));
                }
                Err(errno) => {
                    let doing = format_args!("locking {}", disk.display()).to_string();
                    return Err(Error::io(doing, &std::io::Error::from(errno)));
                }
            }
        }
    }
}

/// Where virtual machines lock a disk for as long as they run: QEMU single bytes
/// from 100 on, others all of it. Ours lie far behind.
const LOCKED_BY_MACHINES: i64 = 1 << 20;

/// Refuses a disk that another program has locked, as a running virtual machine
/// does: two systems that write to one disk destroy it.
pub fn refuse_locked(disk: &Path) -> Result<()> {
    let failed = |error| Error::io(format_args!("opening {}", disk.display()), &error);
    let file = File::open(disk).map_err(failed)?;
    let mut range = libc::flock {
        l_type: i16::try_from(libc::F_WRLCK).unwrap_or_default(),
        l_whence: i16::try_from(libc::SEEK_SET).unwrap_or_default(),
        l_start: 0,
        l_len: LOCKED_BY_MACHINES,
        l_pid: 0,
    };
    // Where there are no locks nobody holds one.
    let asked = fcntl(&file, FcntlArg::F_OFD_GETLK(&mut range));
    if asked.is_err() || i32::from(range.l_type) == libc::F_UNLCK {
        return Ok(());
    }
    let found = format!("another program has {} in use", disk.display());
    Err(Error::new(Code::InUse, found)
        .expected("expected no virtual machine to run from it")
        .advice("shut it down first, or update it from within")
        .changed("nothing was written"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Exit;

    #[test]
    fn a_second_install_is_told_to_try_again_and_a_confirm_does_not_wait() {
        let disk = tempfile::NamedTempFile::new().unwrap();
        let held = Lock::take(disk.path(), What::Install).unwrap();
        assert_eq!(
            Lock::take(disk.path(), What::Install).unwrap_err().exit(),
            Exit::Busy
        );
        drop(Lock::take(disk.path(), What::Record).unwrap());
        drop(held);
        assert!(Lock::take(disk.path(), What::Install).is_ok());
    }

    #[test]
    fn a_record_that_somebody_holds_on_to_is_not_waited_for_without_end() {
        let disk = tempfile::NamedTempFile::new().unwrap();
        let _held = Lock::take(disk.path(), What::Record).unwrap();
        let refused = Lock::take_within(disk.path(), What::Record, 3 * LOOK);
        assert_eq!(refused.unwrap_err().exit(), Exit::Busy);
    }
}
