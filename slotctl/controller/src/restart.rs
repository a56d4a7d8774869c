//! An orderly restart of this machine, after a command that was asked for one.

use crate::code::Code;
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::inhibitor;
use std::path::Path;
use std::process::Command;

/// Whether a restart follows a change, as a command was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Restart {
    wanted: bool,
}

impl Restart {
    /// Asked for before anything is done to `disk`.
    ///
    /// # Errors
    /// Refused for a disk that this machine does not run from: it would restart
    /// this one, and nothing of what was done would start.
    pub fn asked(disk: &Disk, wanted: bool) -> Result<Restart> {
        if wanted && disk.handover().is_none() {
            let found = format!(
                "--reboot would restart this machine, which does not run from {}",
                disk.path().display()
            );
            return Err(Error::new(Code::NotRunning, found)
                .advice("leave --reboot out")
                .changed("nothing was written"));
        }
        Ok(Restart { wanted })
    }

    /// Whether it is due: production is never stopped for nothing.
    pub fn is_due(self, changed: bool) -> bool {
        self.wanted && changed
    }

    /// Restarts where it is due, and says in words that follow what was done where
    /// it is not although it was asked for, or where nobody says if it may be.
    ///
    /// # Errors
    /// A program holds it up, or it cannot be begun.
    pub fn after(self, changed: bool) -> Result<String> {
        if !self.is_due(changed) {
            return Ok(match self.wanted {
                true => "; nothing was changed, so nothing is restarted".to_owned(),
                false => String::new(),
            });
        }
        let remark = match has_systemd() {
            true => not_held_up()?,
            false => String::new(),
        };
        orderly()?;
        Ok(remark)
    }
}

/// Where nobody can be asked, it was asked for all the same: that is said.
fn not_held_up() -> Result<String> {
    let holders = match inhibitor::holders() {
        Ok(holders) if holders.is_empty() => return Ok(String::new()),
        Ok(holders) => holders.join(", "),
        Err(why) => {
            return Ok(format!(
                "; nobody says whether a program holds up the restart: {why}"
            ));
        }
    };
    let found = format!("an inhibitor lock holds up the restart: {holders}");
    let advice = "`systemctl reboot` once it is gone, `systemctl reboot -i` in spite of it";
    Err(Error::new(Code::NoRestart, found).advice(advice))
}

fn has_systemd() -> bool {
    Path::new("/run/systemd/system").exists()
}

/// Restarts in order: services are stopped and filesystems are unmounted. Whoever may
/// hold it up was asked before, or must not: a start that is given up ends.
pub fn orderly() -> Result<()> {
    let (program, args): (_, &[&str]) = if has_systemd() {
        ("systemctl", &["reboot", "-i"])
    } else {
        ("reboot", &[])
    };
    let ended = Command::new(program).args(args).status();
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            let found = format!("`{program}` ended with {status}");
            Err(Error::new(Code::NoRestart, found).advice("restart it by hand"))
        }
        Err(error) => Err(Error::io(format_args!("running `{program}`"), &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_change_that_a_restart_was_asked_for_restarts() {
        let due = |wanted, changed| Restart { wanted }.is_due(changed);
        assert!(due(true, true));
        assert!(!due(true, false) && !due(false, true) && !due(false, false));
        let words = Restart { wanted: true }.after(false).unwrap();
        assert!(words.contains("nothing is restarted"));
        assert_eq!(Restart { wanted: false }.after(true).unwrap(), "");
    }
}
