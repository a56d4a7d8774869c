//! The message of the day: that production fell back, until a person has acknowledged it.
//!
//! It is a file in `/run/motd.d`, which Debian's `pam_motd` shows at each login, and not a
//! script in `/etc/update-motd.d`: a login must not wait for a disk that does not answer,
//! and after a restart nothing old is left there.

use controller::error::{Error, Result};
use images::new_file::{NewFile, ORDINARY};
use std::fs::DirBuilder;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Where it lies, below the root.
const FILE: &str = "run/motd.d/slotctl";

/// The message of one system.
#[derive(Clone, Debug)]
pub struct Motd {
    file: PathBuf,
}

impl Motd {
    /// With `/run` below this directory.
    #[must_use]
    pub fn at(root: &Path) -> Motd {
        Motd {
            file: root.join(FILE),
        }
    }

    /// Says at each login that this slot failed, for this reason.
    pub fn say(&self, slot: &str, reason: &str) -> Result<()> {
        let folder = self.file.parent().unwrap_or(&self.file);
        match DirBuilder::new().mode(0o755).create(folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(self.failed("making the folder of", &error));
            }
            _ => {}
        }
        let text = format!(
            "slotctl: production failed in slot {slot}: {reason}.\n  \
             slotctl status                 says why\n  \
             slotctl status --acknowledge   ends this message\n"
        );
        let file = NewFile::replace(&self.file, ORDINARY)?;
        let written = file.file().write_all(text.as_bytes());
        written.map_err(|error| self.failed("writing", &error))?;
        Ok(file.publish()?)
    }

    /// Says it no more.
    pub fn end(&self) -> Result<()> {
        match std::fs::remove_file(&self.file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(self.failed("removing", &error))
            }
            _ => Ok(()),
        }
    }

    fn failed(&self, doing: &str, error: &std::io::Error) -> Error {
        Error::io(format_args!("{doing} {}", self.file.display()), error)
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "in a test, that is a failure that is seen"
    )]

    use super::*;
    use std::fs;

    #[test]
    fn it_is_said_until_it_is_ended() {
        let root = tempfile::tempdir().unwrap();
        let motd = Motd::at(root.path());
        assert!(motd.say("b", "deadline passed").is_err(), "no /run");
        fs::create_dir(root.path().join("run")).unwrap();
        motd.end().unwrap();
        motd.say("b", "deadline passed").unwrap();
        motd.say("c", "tries used up").unwrap();
        let text = fs::read_to_string(root.path().join(FILE)).unwrap();
        assert!(text.starts_with("slotctl: production failed in slot c: tries used up.\n"));
        assert!(text.contains("slotctl status --acknowledge"), "{text}");
        motd.end().unwrap();
        motd.end().unwrap();
        assert_eq!(
            fs::read_dir(root.path().join("run/motd.d"))
                .unwrap()
                .count(),
            0
        );
    }
}
