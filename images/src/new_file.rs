//! A file that is there whole or not at all: until it is whole it has no name, so
//! that nothing of it is left however its maker ends.
//!
//! Some filesystems know no files without a name, or no hard links to give them
//! one (FAT, some of FUSE). There it lies under a name of its own beside its place
//! until it is whole, and [`end_without_leftovers`] removes it.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::vec::Vec;

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::libc::O_TMPFILE;
use nix::unistd::linkat;
use tempfile::{Builder, NamedTempFile, TempPath};

/// What the mode of an ordinary new file is made of; the umask takes its share.
pub const ORDINARY: u32 = 0o666;
/// The mode of a file for nobody but its owner.
pub const SECRET: u32 = 0o600;

/// Why a file was not made. What was there before is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum NewFileError {
    /// The name is taken, and what has it is not to be replaced.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// A directory, a device or a pipe has the name.
    #[error("{} is there and no regular file", .0.display())]
    NoFile(PathBuf),
    /// The name is that of a link to nothing.
    #[error("{} is a link to a file that is not there", .0.display())]
    LinkToNothing(PathBuf),
    /// It cannot be written.
    #[error("writing {}: {source}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A file that does not yet have its name. Dropped without getting it, it is gone.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    /// Its name until it is whole, where it has to have one.
    named: Option<TempPath>,
    /// What a person calls it.
    asked: PathBuf,
    /// Where it will lie: what `asked` is a link to.
    target: PathBuf,
    directory: File,
    replaces: bool,
    mode: u32,
}

impl NewFile {
    /// An empty file that is to become `target`, which must not be there.
    ///
    /// # Errors
    /// [`NewFileError::Exists`], also for a link to nothing; the operating system's.
    pub fn create(target: &Path, mode: u32) -> Result<Self, NewFileError> {
        refuse_existing(target)?;
        Self::beside(target, target.into(), false, mode)
    }

    /// An empty file that is to become `target`, in place of one that is there. A
    /// link stays one, and what it leads to is replaced.
    ///
    /// # Errors
    /// [`NewFileError::NoFile`], [`NewFileError::LinkToNothing`]; the operating
    /// system's.
    pub fn replace(target: &Path, mode: u32) -> Result<Self, NewFileError> {
        let there = match target.symlink_metadata() {
            Err(_) => target.into(),
            Ok(_) => match target.canonicalize() {
                Ok(there) => there,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(NewFileError::LinkToNothing(target.into()));
                }
                Err(source) => return Err(failed(target)(source)),
            },
        };
        // As root, a new file would take the place of a device node as well.
        if there.metadata().is_ok_and(|there| !there.is_file()) {
            return Err(NewFileError::NoFile(target.into()));
        }
        Self::beside(target, there, true, mode)
    }

    fn beside(
        asked: &Path,
        target: PathBuf,
        replaces: bool,
        mode: u32,
    ) -> Result<Self, NewFileError> {
        let open = || {
            let folder = directory(&target);
            let directory = File::open(folder)?;
            match unnamed(folder, mode) {
                Ok(file) => Ok((directory, file, None)),
                Err(_) => named(folder, mode).map(|(file, path)| (directory, file, Some(path))),
            }
        };
        let (directory, file, named) = open().map_err(failed(asked))?;
        Ok(Self {
            file,
            named,
            asked: asked.into(),
            target,
            directory,
            replaces,
            mode,
        })
    }

    /// The open file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Where it will lie; also the place for what is needed meanwhile.
    #[must_use]
    pub fn directory(&self) -> &Path {
        directory(&self.target)
    }

    /// Makes it durable and gives it its name.
    ///
    /// # Errors
    /// [`NewFileError::Exists`] when somebody else took the name of a file that
    /// replaces nothing; the operating system's.
    pub fn publish(mut self) -> Result<(), NewFileError> {
        let asked = self.asked.clone();
        match self.name_it() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(NewFileError::Exists(asked))
            }
            done => done.map_err(failed(&asked)),
        }
    }

    fn name_it(&mut self) -> io::Result<()> {
        self.file.sync_all()?;
        if self.named.is_none() && !self.replaces {
            match link(&self.file, &self.target) {
                Ok(()) => return self.sync_directory(),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
                // No hard links here.
                Err(_) => {}
            }
        }
        let name = match self.named.take() {
            Some(name) => name,
            None => self.name_for_now()?,
        };
        let renamed = if self.replaces {
            std::fs::rename(&name, &self.target)
        } else {
            rename_to_free(name, &self.target)
        };
        renamed?;
        self.sync_directory()
    }

    /// A file that is to replace another must have a name first; so must one that
    /// can get none but by a copy.
    fn name_for_now(&mut self) -> io::Result<TempPath> {
        let folder = directory(&self.target);
        if let Ok(name) = registered(folder, |path| link(&self.file, path)) {
            return Ok(name.into_temp_path());
        }
        let (mut copy, name) = named(folder, self.mode)?;
        self.copy_to(&mut copy)?;
        Ok(name)
    }

    fn copy_to(&mut self, copy: &mut File) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        io::copy(&mut self.file, copy)?;
        copy.sync_all()
    }

    fn sync_directory(&self) -> io::Result<()> {
        match self.directory.sync_all() {
            // Not every filesystem has directories that can be flushed by themselves.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            synced => synced,
        }
    }
}

/// Refuses a place that is taken, before any work is done for it.
///
/// # Errors
/// [`NewFileError::Exists`].
pub fn refuse_existing(target: &Path) -> Result<(), NewFileError> {
    match target.symlink_metadata() {
        Ok(_) => Err(NewFileError::Exists(target.into())),
        Err(_) => Ok(()),
    }
}

/// The names under which files that are not whole lie at this moment.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes every file that is not whole and has a name, and has `end` end the
/// process before another one can be made. For whoever is told of a signal.
pub fn end_without_leftovers(end: impl FnOnce()) {
    let mut names = unfinished();
    for name in names.drain(..) {
        // One that is whole by now has another name.
        let _ = std::fs::remove_file(name);
    }
    end();
}

/// What `make` makes under a name that nothing has, in `folder`. The name is known
/// to [`end_without_leftovers`] from the moment on at which it is there.
fn registered<T>(
    folder: &Path,
    mut make: impl FnMut(&Path) -> io::Result<T>,
) -> io::Result<NamedTempFile<T>> {
    Builder::new()
        .prefix(".slotctl-")
        .suffix(".part")
        .make_in(folder, |path| {
            let mut names = unfinished();
            let made = make(path)?;
            // A name is not used twice, and there are few: none is taken out again.
            names.push(path.into());
            Ok(made)
        })
        .map_err(without_name)
}

fn named(folder: &Path, mode: u32) -> io::Result<(File, TempPath)> {
    let made = registered(folder, |path| {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        options.mode(mode).open(path)
    });
    Ok(made?.into_parts())
}

fn unnamed(folder: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(mode);
    options.custom_flags(O_TMPFILE).open(folder)
}

/// Gives an open file a name that nothing has.
fn link(file: &File, name: &Path) -> io::Result<()> {
    let linked = linkat(file, "", AT_FDCWD, name, AtFlags::AT_EMPTY_PATH);
    // Only root may do that; for others there is the way by /proc.
    let linked = linked.or_else(|_| {
        let own = PathBuf::from(std::format!("/proc/self/fd/{}", file.as_raw_fd()));
        linkat(AT_FDCWD, &own, AT_FDCWD, name, AtFlags::AT_SYMLINK_FOLLOW)
    });
    linked.map_err(io::Error::from)
}

/// Renames to a name that nothing has, also where a filesystem cannot do that in
/// one step.
fn rename_to_free(name: TempPath, target: &Path) -> io::Result<()> {
    let Err(refused) = name.persist_noclobber(target) else {
        return Ok(());
    };
    if refused.error.kind() == io::ErrorKind::AlreadyExists {
        return Err(refused.error);
    }
    // What is replaced then is our own empty file.
    File::create_new(target)?;
    std::fs::rename(&refused.path, target).inspect_err(|_| {
        let _ = std::fs::remove_file(target);
    })
}

/// Where a file lies: what is needed beside it while it is made goes there too,
/// since there is room for what it holds.
pub(crate) fn directory(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> NewFileError {
    let path = path.into();
    move |source| NewFileError::Write { path, source }
}

/// An error without the name of the temporary file, of which nobody knows.
fn without_name(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(_) => error,
        None => error.kind().into(),
    }
}

#[cfg(test)]
mod tests;
