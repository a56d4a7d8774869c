//! `/etc/slotctl/slotctl.toml`: what this controller is, how production is
//! watched, and where images come from.

#![forbid(unsafe_code)]

mod check;
mod file;
mod packaged;
#[cfg(test)]
mod tests;

pub mod tls;

pub use check::{Check, Importance, Page, Place, Source, Target};
pub use packaged::{PACKAGED, add_packaged};

use controller::code::Code;
use controller::error::{Error, Result};
use controller::mistake;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the configuration lies.
pub const PATH: &str = "/etc/slotctl/slotctl.toml";

/// The whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What images must be made for to be installed here.
    pub compatible: String,
    /// The watchdog and the rules of a trial.
    pub watch: Watch,
    /// Where images come from.
    pub source: Download,
    /// What production is asked, in the order of the file.
    pub checks: Vec<Check>,
    /// Keys that this version does not know, such as `watch.colour`: a warning.
    pub unknown_keys: Vec<String>,
}

/// The watchdog, and when a trial is good or lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The watchdog's device node.
    pub device: PathBuf,
    /// How long the watchdog waits for the next petting; whole seconds.
    pub timeout: Duration,
    /// How long a start on trial may take to be confirmed.
    pub deadline: Duration,
    /// How long every check must pass without a break before a confirm.
    pub stable_for: Duration,
    /// How long an orderly shutdown may take before the watchdog ends it.
    pub shutdown_max: Duration,
}

impl Default for Watch {
    fn default() -> Watch {
        Watch {
            device: PathBuf::from("/dev/watchdog"),
            timeout: Duration::from_secs(60),
            deadline: Duration::from_secs(5 * 60),
            stable_for: Duration::from_secs(60),
            shutdown_max: Duration::from_secs(30 * 60),
        }
    }
}

/// How images are fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Download {
    /// The authorities that the certificate of an `https://` server must be from,
    /// in PEM, instead of those of the system.
    pub ca: Option<PathBuf>,
}

/// Reads the configuration that a person named, which must be there, or else the
/// one of this controller; `None` where that is not there.
///
/// # Errors
/// As [`load`].
pub fn find(named: Option<&Path>) -> Result<Option<Config>> {
    let Some(path) = named else {
        return load(Path::new(PATH));
    };
    let missing = || {
        let found = format!("{} does not exist", path.display());
        Error::new(Code::NotFound, found).expected("--config names a file")
    };
    load(path)?.map(Some).ok_or_else(missing)
}

/// Reads the configuration; `None` where there is no such file.
///
/// # Errors
/// The operating system's; or a mistake in the file, with line and column.
pub fn load(path: &Path) -> Result<Option<Config>> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text, path).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(
            format_args!("reading {}", path.display()),
            &error,
        )),
    }
}

/// The configuration in `text`; `path` is for messages.
///
/// # Errors
/// A mistake in the file, with line and column.
pub fn parse(text: &str, path: &Path) -> Result<Config> {
    file::read(text, path).map_err(|mistake| mistake.into_error(text, path))
}
