//! What lies in a root filesystem: below a folder, or in the file that an image is built
//! of, which nobody has to mount for that.

#[cfg(feature = "build")]
pub(crate) mod erofs;
#[cfg(feature = "build")]
mod ext4;
#[cfg(feature = "build")]
mod file;
#[cfg(feature = "build")]
mod squashfs;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::vec::Vec;

#[cfg(feature = "build")]
pub use file::open;

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A folder.
    Folder,
    /// A file, of so many bytes.
    File(u64),
    /// A link that leads there.
    Link(PathBuf),
    /// A device, a socket, a pipe.
    Other,
}

/// A root filesystem to look into. Paths are absolute, and where they end a link is not
/// followed.
pub trait Root {
    /// What is there; `None` where nothing is.
    ///
    /// # Errors
    /// It cannot be read.
    fn find(&self, path: &Path) -> io::Result<Option<Found>>;

    /// The names in a folder.
    ///
    /// # Errors
    /// It cannot be read, or is no folder.
    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>>;

    /// The bytes of a file. How many there are, [`Root::find`] has said before.
    ///
    /// # Errors
    /// It cannot be read, or is no file.
    fn read(&self, file: &Path) -> io::Result<Vec<u8>>;
}

/// A root filesystem below a folder.
#[derive(Debug)]
pub struct Folder<'a>(pub &'a Path);

impl Folder<'_> {
    fn below(&self, path: &Path) -> PathBuf {
        self.0.join(path.strip_prefix("/").unwrap_or(path))
    }
}

impl Root for Folder<'_> {
    fn find(&self, path: &Path) -> io::Result<Option<Found>> {
        let path = self.below(path);
        let metadata = match std::fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let kind = metadata.file_type();
        Ok(Some(if kind.is_dir() {
            Found::Folder
        } else if kind.is_file() {
            Found::File(metadata.len())
        } else if kind.is_symlink() {
            Found::Link(std::fs::read_link(path)?)
        } else {
            Found::Other
        }))
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let entries = std::fs::read_dir(self.below(folder))?;
        entries.map(|entry| Ok(entry?.file_name())).collect()
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(self.below(file))
    }
}
