//! The watchdog's device node.

#![allow(unsafe_code)]

use crate::duration::spell;
use nix::errno::Errno;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

/// `linux/watchdog.h`: the two calls that every driver with a settable period
/// answers.
mod ioctl {
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

/// Written before the device is closed, this disarms it (unless its driver was
/// told that there is no way out).
const MAGIC_CLOSE: &[u8] = b"V";

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
        if let Err(error) = device.set_timeout(timeout) {
            device.timeout = device.real_timeout().unwrap_or(timeout);
            device.remark = Some(format!(
                "watchdog {} does not take a timeout of {}: {}; going on with {}",
                path.display(),
                spell(timeout),
                error.desc(),
                spell(device.timeout),
            ));
        }
        Ok(device)
    }

    /// Gives it another period.
    pub(super) fn pet(&mut self) -> std::io::Result<()> {
        self.file.write_all(b".")
    }

    /// Closes it for good: nobody watches any more.
    pub(super) fn disarm(mut self) -> std::io::Result<()> {
        self.file.write_all(MAGIC_CLOSE)
    }

    /// The driver may round: what it says afterwards counts.
    fn set_timeout(&mut self, wanted: Duration) -> Result<(), Errno> {
        let mut seconds = i32::try_from(wanted.as_secs()).map_err(|_| Errno::EINVAL)?;
        // SAFETY: the descriptor is open, and the call reads and writes one
        // `int`, which `seconds` is.
        unsafe { ioctl::set_timeout(self.file.as_raw_fd(), &raw mut seconds) }?;
        self.timeout = self.real_timeout().unwrap_or(wanted);
        Ok(())
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
        device.disarm().unwrap();
        assert_eq!(std::fs::read(file.path()).unwrap(), b".V");
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
    fn a_missing_device_is_an_error_and_is_not_created() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("watchdog");
        assert!(Device::open(&path, Duration::from_secs(60)).is_err());
        assert!(!path.exists());
    }
}
