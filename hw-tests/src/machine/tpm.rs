//! A TPM 2.0: swtpm, at a line of its own to QEMU.

use super::process::{Process, mortal};
use super::{Error, target};
use command_fds::{CommandFdExt, FdMapping};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::Arc;
use tempfile::TempDir;

/// The descriptor at which swtpm finds its line.
const LINE_FD: i32 = 10;

/// The TPM of one machine, new; dropping it ends it.
#[derive(Debug)]
pub struct Tpm {
    line: Arc<OwnedFd>,
    _process: Process,
    _state: TempDir,
}

impl Tpm {
    /// Starts one.
    pub fn new() -> Result<Tpm, Error> {
        let failed = || Error::host("a TPM");
        let state = TempDir::new().map_err(failed())?;
        let (line, served) = UnixStream::pair().map_err(failed())?;
        let machines = target().join("machines");
        std::fs::create_dir_all(&machines).map_err(failed())?;
        let complaints = File::options()
            .create(true)
            .append(true)
            .open(machines.join("swtpm.log"));
        let complaints = complaints.map_err(Error::host("the log of swtpm"))?;
        let mut command = mortal("swtpm");
        command
            .args(["socket", "--tpm2", "--tpmstate"])
            .arg(format!("dir={}", state.path().display()))
            .arg("--ctrl")
            .arg(format!("type=unixio,clientfd={LINE_FD}"))
            .stdin(Stdio::null())
            .stdout(complaints.try_clone().map_err(failed())?)
            .stderr(complaints)
            .fd_mappings(vec![FdMapping {
                parent_fd: served.into(),
                child_fd: LINE_FD,
            }])
            .map_err(|error| failed()(std::io::Error::other(error)))?;
        let process = Process::start(command).map_err(Error::host("setpriv (package util-linux)"));
        Ok(Tpm {
            line: Arc::new(line.into()),
            _process: process?,
            _state: state,
        })
    }

    pub(super) fn line(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.line)
    }
}
