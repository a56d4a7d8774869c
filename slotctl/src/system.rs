//! The system that this runs on.

use crate::error::{Error, Exit, Result};
use std::path::Path;
use std::process::Command;

/// Restarts in order: services are stopped and filesystems are unmounted.
///
/// # Errors
/// When the command for it fails.
pub fn restart() -> Result<()> {
    let systemd = Path::new("/run/systemd/system").exists();
    let (program, args): (_, &[&str]) = if systemd {
        ("systemctl", &["reboot"])
    } else {
        ("reboot", &[])
    };
    let ended = Command::new(program).args(args).status();
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            let found = format!("`{program}` ended with {status}");
            Err(Error::new(Exit::Unexpected, "no-restart", found).advice("restart it by hand"))
        }
        Err(error) => Err(Error::io(format_args!("running `{program}`"), &error)),
    }
}
