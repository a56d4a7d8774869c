//! The image file: under a name of its own until it is whole.

use std::fs::{File, Permissions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::NamedTempFile;

use super::BuildError;

/// An image that is being written. Dropped before [`Output::finish`], it
/// leaves nothing.
pub(crate) struct Output<'a> {
    path: &'a Path,
    directory: &'a Path,
    file: NamedTempFile,
}

impl<'a> Output<'a> {
    /// A new file beside `path`, to be written from `payload_offset` on.
    pub(crate) fn create(
        path: &'a Path,
        inputs: &[&Path],
        payload_offset: u64,
    ) -> Result<Self, BuildError> {
        let there = path.canonicalize().ok();
        let same = |input: &Path| there.is_some() && input.canonicalize().ok() == there;
        if inputs.iter().any(|input| same(input)) {
            return Err(BuildError::OutputIsInput(path.into()));
        }
        // As root, a new file would take the place of a device node as well.
        if path.metadata().is_ok_and(|there| !there.is_file()) {
            return Err(BuildError::OutputIsNoFile(path.into()));
        }
        let directory = directory(path);
        let create = || {
            let mut file = tempfile::Builder::new()
                .prefix(".slotimg-")
                .permissions(Permissions::from_mode(0o666))
                .tempfile_in(directory)?;
            file.seek(SeekFrom::Start(payload_offset))?;
            Ok(file)
        };
        let file = create()
            .map_err(without_temporary_name)
            .map_err(BuildError::output(path))?;
        Ok(Self {
            path,
            directory,
            file,
        })
    }

    /// Where it will lie; also the place for what is needed meanwhile.
    pub(crate) fn directory(&self) -> &'a Path {
        self.directory
    }

    /// Appends to the payload.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), BuildError> {
        let written = self.file.write_all(bytes);
        written.map_err(BuildError::output(self.path))
    }

    /// Writes the head, and gives the image its name once it is on disk.
    pub(crate) fn finish(mut self, head: &[u8]) -> Result<(), BuildError> {
        let mut write = || {
            self.file.seek(SeekFrom::Start(0))?;
            self.file.write_all(head)?;
            self.file.as_file().sync_all()
        };
        write().map_err(BuildError::output(self.path))?;
        let named = self.file.persist(self.path);
        named
            .map_err(|error| error.error)
            .and_then(|_| File::open(self.directory)?.sync_all())
            .map_err(BuildError::output(self.path))
    }
}

/// Where a file lies: what is needed beside it while it is made goes there too,
/// since there is room for what it holds.
pub(super) fn directory(path: &Path) -> &Path {
    let parent = path.parent().unwrap_or(path);
    if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    }
}

/// An error without the name of the temporary file, of which nobody knows.
fn without_temporary_name(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(_) => error,
        None => error.kind().into(),
    }
}
