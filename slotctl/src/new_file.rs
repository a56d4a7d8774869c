//! A file that is there whole or not at all: it is written under another name
//! beside its place, made durable, and renamed.

use crate::error::{Error, Exit, Result};
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// A file that does not yet have its name. Dropped without getting it, it is
/// removed.
#[derive(Debug)]
pub struct NewFile {
    file: NamedTempFile,
    target: PathBuf,
}

impl NewFile {
    /// An empty file that is to become `target`, in the same directory.
    ///
    /// # Errors
    /// The operating system's.
    pub fn beside(target: &Path) -> Result<NewFile> {
        // Asked first for the sake of its error, which names no temporary file.
        File::open(directory(target)).map_err(|error| failed(target, &error))?;
        let file = Builder::new()
            .prefix(".slotctl-")
            .suffix(".part")
            // What any new file has; the umask takes its share.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(directory(target))
            .map_err(|error| failed(target, &error))?;
        Ok(NewFile {
            file,
            target: target.into(),
        })
    }

    /// Where it lies until it gets its name.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The open file.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Gives it its name; a file that has it already is replaced in one step.
    ///
    /// # Errors
    /// [`Exit::Usage`] when a device or a folder has the name; the operating
    /// system's.
    pub fn replace(self) -> Result<()> {
        let target = self.target;
        if target.metadata().is_ok_and(|there| !there.is_file()) {
            let found = format!("{} is there and no regular file", target.display());
            return Err(Error::new(Exit::Usage, "not-a-file", found)
                .advice("choose another name")
                .changed("nothing was written"));
        }
        let rename = || {
            self.file.as_file().sync_all()?;
            self.file.persist(&target)?;
            sync_directory(&target)
        };
        rename().map_err(|error| failed(&target, &error))
    }

    /// Gives it its name, unless a file has it already.
    ///
    /// # Errors
    /// [`Exit::Refused`] when there is such a file; the operating system's.
    pub fn publish(self) -> Result<()> {
        let target = self.target;
        let rename = || {
            self.file.as_file().sync_all()?;
            self.file.persist_noclobber(&target)?;
            sync_directory(&target)
        };
        rename().map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => exists(&target),
            _ => failed(&target, &error),
        })
    }
}

/// Refuses a place that is taken, before any work is done for it.
///
/// # Errors
/// [`Exit::Refused`].
pub fn refuse_existing(target: &Path) -> Result<()> {
    match target.symlink_metadata() {
        Ok(_) => Err(exists(target)),
        Err(_) => Ok(()),
    }
}

fn exists(target: &Path) -> Error {
    Error::new(
        Exit::Refused,
        "exists",
        format!("{} exists already", target.display()),
    )
    .advice("remove it first, or choose another name")
    .changed("nothing was written")
}

fn failed(target: &Path, error: &io::Error) -> Error {
    let doing = format_args!("writing {}", target.display());
    match error.raw_os_error() {
        Some(_) => Error::io(doing, error),
        // It has the name of the temporary file in it, of which nobody knows.
        None => Error::io(doing, &error.kind().into()),
    }
}

fn directory(target: &Path) -> &Path {
    target
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn sync_directory(target: &Path) -> io::Result<()> {
    File::open(directory(target))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    fn written(target: &Path) -> NewFile {
        let mut file = NewFile::beside(target).unwrap();
        file.file().write_all(b"new").unwrap();
        file
    }

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("disk.img");
        drop(written(&target));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        written(&target).publish().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_device_and_a_folder_are_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let device = directory.path().join("device");
        std::os::unix::fs::symlink("/dev/null", &device).unwrap();
        let folder = directory.path().join("folder");
        fs::create_dir(&folder).unwrap();
        for target in [device, folder] {
            let error = written(&target).replace().unwrap_err();
            assert_eq!((error.exit, error.code), (Exit::Usage, "not-a-file"));
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_is_there_is_replaced_only_where_that_was_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("x");
        fs::write(&target, "old").unwrap();
        assert_eq!(refuse_existing(&target).unwrap_err().exit, Exit::Refused);
        assert_eq!(written(&target).publish().unwrap_err().code, "exists");
        assert_eq!(fs::read(&target).unwrap(), b"old");
        written(&target).replace().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_error_names_the_file_that_was_asked_for() {
        let error = NewFile::beside(Path::new("no/such/place")).unwrap_err();
        assert_eq!(error.exit, Exit::Usage);
        assert!(
            error.found.starts_with("writing no/such/place: "),
            "{error}"
        );
        assert!(!error.found.contains(".part"), "{error}");
    }
}
