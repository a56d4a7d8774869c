//! The watchdog's device node.

#![allow(unsafe_code)]

use controller::duration::spell;
use nix::errno::Errno;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

/// `linux/watchdog.h`.
mod ioctl {
    nix::ioctl_read!(
        /// WDIOC_SETOPTIONS; it is declared as one that reads, and is given flags.
        set_options,
        b'W',
        4,
        i32
    );
    nix::ioctl_read!(
        /// WDIOC_GETTIMEOUT
        get_timeout,
        b'W',
        7,
        i32
    );
    nix::ioctl_readwrite!(
        /// WDIOC_SETTIMEOUT
        set_timeout,
        b'W',
        6,
        i32
    );
}

/// WDIOS_DISABLECARD: the driver is to stop it, and says whether it did.
const DISABLE: i32 = 1;
/// Written before the device is closed, this disarms it, if the driver lets it.
const MAGIC_CLOSE: &[u8] = b"V";

/// What is known of a watchdog that was to be disarmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disarmed {
    /// It is: the driver says so.
    Yes,
    /// It stays armed: its driver or the chip lets nobody stop it (`nowayout`, or
    /// bootshim has locked it).
    No,
    /// Its driver does not say.
    Asked,
}

/// An open watchdog: armed. Dropping it leaves it so.
#[derive(Debug)]
pub(super) struct Device {
    file: File,
    /// How long it waits for the next petting.
    pub(super) timeout: Duration,
    /// What a person should know of how it was opened.
    pub(super) remark: Option<String>,
}

impl Device {
    /// Opens, and thereby arms, the watchdog. A driver that does not take
    /// `timeout` keeps its own.
    pub(super) fn open(path: &Path, timeout: Duration) -> std::io::Result<Device> {
        let file = OpenOptions::new().write(true).open(path)?;
        let mut device = Device {
            file,
            timeout,
            remark: None,
        };
        let taken = device.set_timeout(timeout);
        device.remark = own_period(path, timeout, taken, device.timeout);
        Ok(device)
    }

    /// Gives it another period.
    pub(super) fn pet(&mut self) -> std::io::Result<()> {
        self.file.write_all(b".")
    }

    /// Closes it for good, disarmed where that can be. What the magic character does
    /// shows only after the close, in the kernel's log: so the driver is asked first.
    pub(super) fn disarm(mut self) -> std::io::Result<Disarmed> {
        let mut flags = DISABLE;
        // SAFETY: the descriptor is open, and the call reads one `int`, which `flags`
        // is.
        let answer = unsafe { ioctl::set_options(self.file.as_raw_fd(), &raw mut flags) };
        let known = disarmed(answer);
        if known == Disarmed::Asked {
            self.file.write_all(MAGIC_CLOSE)?;
        }
        Ok(known)
    }

    /// The number of its descriptor.
    pub(super) fn descriptor(&self) -> i32 {
        self.file.as_raw_fd()
    }

    /// The driver may round, or know a longest: what it says afterwards counts.
    fn set_timeout(&mut self, wanted: Duration) -> Result<(), Errno> {
        let mut seconds = i32::try_from(wanted.as_secs()).map_err(|_| Errno::EINVAL)?;
        // SAFETY: the descriptor is open, and the call reads and writes one
        // `int`, which `seconds` is.
        let taken = unsafe { ioctl::set_timeout(self.file.as_raw_fd(), &raw mut seconds) };
        self.timeout = self.real_timeout().unwrap_or(wanted);
        taken.map(drop)
    }

    fn real_timeout(&self) -> Option<Duration> {
        let mut seconds = 0i32;
        // SAFETY: the descriptor is open, and the call writes one `int`, which
        // `seconds` is.
        unsafe { ioctl::get_timeout(self.file.as_raw_fd(), &raw mut seconds) }.ok()?;
        let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0)?;
        Some(Duration::from_secs(seconds))
    }
}

/// What a person should know of a watchdog that waits otherwise than it was told to.
fn own_period(
    path: &Path,
    wanted: Duration,
    taken: Result<(), Errno>,
    timeout: Duration,
) -> Option<String> {
    let why = match taken {
        Err(error) => format!(": {}", error.desc()),
        Ok(()) if timeout != wanted => String::new(),
        Ok(()) => return None,
    };
    Some(format!(
        "watchdog {} does not take a timeout of {}{why}; going on with {}",
        path.display(),
        spell(wanted),
        spell(timeout),
    ))
}

/// What a driver's answer means. A chip that is locked makes some of them answer
/// with a number above zero.
fn disarmed(answer: nix::Result<i32>) -> Disarmed {
    match answer {
        Ok(0) => Disarmed::Yes,
        Ok(_) | Err(Errno::EBUSY) => Disarmed::No,
        Err(_) => Disarmed::Asked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> tempfile::NamedTempFile {
        tempfile::NamedTempFile::new().unwrap()
    }

    fn open(path: &Path) -> Device {
        Device::open(path, Duration::from_secs(60)).unwrap()
    }

    #[test]
    fn every_petting_is_one_write_that_does_not_disarm() {
        let file = file();
        let mut device = open(file.path());
        device.pet().unwrap();
        device.pet().unwrap();
        drop(device);
        assert_eq!(std::fs::read(file.path()).unwrap(), b"..");
    }

    #[test]
    fn the_magic_character_is_written_only_to_disarm() {
        let file = file();
        let mut device = open(file.path());
        device.pet().unwrap();
        assert_eq!(device.disarm().unwrap(), Disarmed::Asked);
        assert_eq!(std::fs::read(file.path()).unwrap(), b".V");
    }

    #[test]
    fn only_a_driver_that_says_so_has_disarmed_its_watchdog() {
        assert_eq!(disarmed(Ok(0)), Disarmed::Yes);
        // `nowayout`, and an i6300esb that bootshim has locked.
        assert_eq!(disarmed(Err(Errno::EBUSY)), Disarmed::No);
        assert_eq!(disarmed(Ok(2)), Disarmed::No);
        for unsaid in [Errno::ENOTTY, Errno::EOPNOTSUPP, Errno::EINVAL] {
            assert_eq!(disarmed(Err(unsaid)), Disarmed::Asked);
        }
    }

    #[test]
    fn a_device_that_does_not_take_the_timeout_is_used_with_a_remark() {
        let file = file();
        let device = open(file.path());
        assert_eq!(device.timeout, Duration::from_secs(60));
        let remark = device.remark.unwrap();
        assert!(
            remark.contains("does not take a timeout of 1min"),
            "{remark}"
        );
    }

    #[test]
    fn a_driver_that_takes_another_timeout_without_a_word_is_said_too() {
        let path = Path::new("/dev/watchdog");
        let s = Duration::from_secs;
        assert_eq!(own_period(path, s(60), Ok(()), s(60)), None);
        assert_eq!(
            own_period(path, s(60), Ok(()), s(17)).unwrap(),
            "watchdog /dev/watchdog does not take a timeout of 1min; going on with 17s"
        );
        assert_eq!(
            own_period(path, s(60), Err(Errno::EINVAL), s(17)).unwrap(),
            "watchdog /dev/watchdog does not take a timeout of 1min: Invalid argument; going on with 17s"
        );
    }

    #[test]
    fn a_missing_device_is_an_error_and_is_not_created() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("watchdog");
        assert!(Device::open(&path, Duration::from_secs(60)).is_err());
        assert!(!path.exists());
    }
}
