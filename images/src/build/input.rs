//! One file that goes into an image.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::vec::Vec;

use super::{BuildError, Warning, erofs, initrd};
use crate::manifest::Kind;

/// An input, opened.
pub(super) struct Input {
    pub(super) kind: Kind,
    pub(super) path: PathBuf,
    pub(super) file: File,
    /// In bytes, as it goes into the slot.
    pub(super) length: u64,
    /// How long the file is, where it was compressed and is stored unpacked.
    pub(super) compressed: Option<u64>,
    /// What is probably a mistake in it.
    pub(super) warning: Option<Warning>,
    /// Where pieces end besides, in whole blocks from its start.
    pub(super) borders: Vec<u64>,
}

impl Input {
    /// Opens a file. A compressed initrd is unpacked, into a file without a name
    /// beside the image `out`.
    pub(super) fn open(kind: Kind, path: &Path, out: &Path) -> Result<Self, BuildError> {
        let failed = BuildError::input;
        let file = File::open(path).map_err(failed(path))?;
        let metadata = file.metadata().map_err(failed(path))?;
        if !metadata.is_file() {
            return Err(BuildError::NotAFile(path.into()));
        }
        if metadata.len() == 0 {
            return Err(BuildError::Empty(path.into()));
        }
        let mut input = Self {
            kind,
            path: path.into(),
            file,
            length: metadata.len(),
            compressed: None,
            warning: None,
            borders: Vec::new(),
        };
        match kind {
            Kind::Initrd => input.unpack(out)?,
            Kind::Rootfs => input.borders = erofs::borders(&input.file, input.length),
            _ => {}
        }
        Ok(input)
    }

    fn unpack(&mut self, out: &Path) -> Result<(), BuildError> {
        let seen = initrd::read(&self.path, &self.file, out)?;
        self.warning = seen.warning;
        if let Some((file, length)) = seen.unpacked {
            self.compressed = Some(self.length);
            self.length = length;
            self.file = file;
        }
        Ok(())
    }
}
