//! nbdkit before a disk image, with a log of all that the machine asks of it.

use super::process::{Process, mortal};
use super::{Error, target};
use bootshim::medium::Extent;
use command_fds::{CommandFdExt, FdMapping};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;

/// The descriptor at which nbdkit finds where its log goes.
const LOG_FD: i32 = 10;

/// Serves `image` at the line that is given back, writing its log to `log`; with
/// `options` behind the filter for that.
pub(super) fn serve(
    image: &Path,
    options: &[&str],
    log: OwnedFd,
) -> Result<(OwnedFd, Process), Error> {
    let failed = || Error::host("lines to nbdkit");
    let (line, served) = UnixStream::pair().map_err(failed())?;
    let input = served.try_clone().map_err(failed())?;
    let machines = target().join("machines");
    std::fs::create_dir_all(&machines).map_err(failed())?;
    let complaints = File::options()
        .create(true)
        .append(true)
        .open(machines.join("nbdkit.log"));
    let (filters, parameters): (Vec<&str>, Vec<&str>) =
        options.iter().partition(|option| option.starts_with("--"));
    let mut command = mortal("nbdkit");
    command
        .args(["--single", "--filter=log"])
        .args(filters)
        .arg("file")
        .arg(image)
        .args(parameters)
        .arg(format!("logfile=/dev/fd/{LOG_FD}"))
        .env("TMPDIR", target())
        .stdin(Stdio::from(OwnedFd::from(input)))
        .stdout(Stdio::from(OwnedFd::from(served)))
        .stderr(complaints.map_err(Error::host("the log of nbdkit"))?)
        .fd_mappings(vec![FdMapping {
            parent_fd: log,
            child_fd: LOG_FD,
        }])
        .map_err(|error| failed()(std::io::Error::other(error)))?;
    let process = Process::start(command).map_err(Error::host("setpriv (package util-linux)"))?;
    Ok((line.into(), process))
}

/// What a line of the log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action<'a> {
    /// A read was begun.
    Read(Extent),
    /// A write was begun.
    Write(Extent),
    /// The flush of this number was begun.
    Flush(&'a str),
    /// It is done.
    Flushed(&'a str),
}

impl Action<'_> {
    /// Nothing where the line tells of something else.
    pub(super) fn parse(line: &str) -> Option<Action<'_>> {
        let mut words = line
            .split(' ')
            .skip_while(|word| !word.starts_with("connection="));
        let action = words.nth(1)?;
        let field = |name| words.clone().find_map(|word| word.strip_prefix(name));
        let number = |name| u64::from_str_radix(field(name)?.strip_prefix("0x")?, 16).ok();
        let extent = || {
            let (start, len) = (number("offset=")?, number("count=")?);
            Some(Extent { start, len })
        };
        match action {
            "Read" => extent().map(Action::Read),
            "Write" => extent().map(Action::Write),
            "Flush" => field("id=").map(Action::Flush),
            "...Flush" => field("id=").map(Action::Flushed),
            _ => None,
        }
    }
}
