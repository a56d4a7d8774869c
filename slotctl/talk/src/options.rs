//! The options that each command of each program takes.

use std::ffi::OsString;
use std::path::PathBuf;

/// The options that each command takes; what is said of each is its help.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "clap", derive(clap::Args))]
#[cfg_attr(feature = "clap", command(next_help_heading = "Everywhere"))]
pub struct GlobalOptions {
    /// Block device or disk image file; by default the disk that this
    /// controller booted from
    #[cfg_attr(feature = "clap", arg(long, global = true, value_name = "D"))]
    pub disk: Option<PathBuf>,
    /// Print JSON
    #[cfg_attr(feature = "clap", arg(long, global = true))]
    pub json: bool,
    /// Configuration file [default: /etc/slotctl/slotctl.toml]
    #[cfg_attr(feature = "clap", arg(long, global = true, value_name = "FILE"))]
    pub config: Option<PathBuf>,
    /// Say nothing but errors
    #[cfg_attr(
        feature = "clap",
        arg(short, long, global = true, conflicts_with = "verbose")
    )]
    pub quiet: bool,
    /// Say more
    #[cfg_attr(feature = "clap", arg(short, long, global = true))]
    pub verbose: bool,
}

impl GlobalOptions {
    /// The same as arguments of a program.
    #[must_use]
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments = Vec::new();
        for (name, path) in [("--disk", &self.disk), ("--config", &self.config)] {
            if let Some(path) = path {
                arguments.extend([name.into(), path.clone().into_os_string()]);
            }
        }
        let switches = [
            ("--json", self.json),
            ("--quiet", self.quiet),
            ("--verbose", self.verbose),
        ];
        let set = switches.into_iter().filter(|(_, set)| *set);
        arguments.extend(set.map(|(name, _)| name.into()));
        arguments
    }
}
