//! Where a machine's files lie while it runs, and its log after that.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::{Board, Error};

/// The directory of everything generated in this work tree.
#[must_use]
pub fn target() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).join("target")
}

#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
}

impl Directory {
    /// A new one for the machine `name`.
    pub(super) fn new(name: &str) -> Result<Self, Error> {
        let machines = target().join("machines");
        let failed = || Error::host(format!("a directory in {}", machines.display()));
        fs::create_dir_all(&machines).map_err(failed())?;
        let first = format!("{name}-{}", std::process::id());
        let mut path = machines.join(&first);
        for again in 2.. {
            match fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    path = machines.join(format!("{first}-{again}"));
                }
                made => {
                    made.map_err(failed())?;
                    break;
                }
            }
        }
        Ok(Self { path })
    }

    pub(super) fn create(&self, name: &str) -> Result<File, Error> {
        let path = self.path.join(name);
        File::create(&path).map_err(Error::host(path.display().to_string()))
    }

    /// A new file with this content, and where it lies.
    pub(super) fn file(&self, name: &str, content: &[u8]) -> Result<PathBuf, Error> {
        let path = self.path.join(name);
        fs::write(&path, content).map_err(Error::host(path.display().to_string()))?;
        Ok(path)
    }

    /// A copy of these settings of the firmware, or of the factory's, for this
    /// machine alone; nothing where the firmware keeps none.
    pub(super) fn firmware_variables(
        &self,
        board: Board,
        settings: Option<&Path>,
    ) -> Result<Option<PathBuf>, Error> {
        let Some((factory, package)) = board.variables() else {
            return Ok(None);
        };
        let path = self.variables();
        let from = settings.unwrap_or(factory);
        let what = format!("{} (package {package})", from.display());
        fs::copy(from, &path).map_err(Error::host(what))?;
        Ok(Some(path))
    }

    /// What QEMU itself complained about.
    pub(super) fn complaints(&self) -> String {
        fs::read_to_string(self.path.join("qemu.log")).unwrap_or_default()
    }

    fn variables(&self) -> PathBuf {
        self.path.join("variables.fd")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // The log stays; there is nobody to tell about the rest.
        let _ = fs::remove_file(self.variables());
    }
}
