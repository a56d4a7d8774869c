//! The image file, as it is written.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use super::BuildError;
use crate::new_file::{NewFile, ORDINARY};

/// An image that is being written. Dropped before [`Output::finish`], it
/// leaves nothing.
pub(crate) struct Output<'a> {
    path: &'a Path,
    file: NewFile,
}

impl<'a> Output<'a> {
    /// A new file that is to become `path`, to be written from `payload_offset` on.
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
        let file = NewFile::replace(path, ORDINARY)?;
        file.file()
            .seek(SeekFrom::Start(payload_offset))
            .map_err(BuildError::output(path))?;
        Ok(Self { path, file })
    }

    /// Where it will lie; also the place for what is needed meanwhile.
    pub(crate) fn directory(&self) -> &Path {
        self.file.directory()
    }

    /// Appends to the payload.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), BuildError> {
        let written = self.file.file().write_all(bytes);
        written.map_err(BuildError::output(self.path))
    }

    /// Writes the head, and gives the image its name once it is on disk.
    pub(crate) fn finish(self, head: &[u8]) -> Result<(), BuildError> {
        let mut file = self.file.file();
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.write_all(head))
            .map_err(BuildError::output(self.path))?;
        Ok(self.file.publish()?)
    }
}
