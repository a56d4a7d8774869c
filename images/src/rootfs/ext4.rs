//! An ext4, by the crate `ext4-view`.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::vec::Vec;

use ext4_view::{Ext4, Ext4Error};

use super::{Found, Root};

impl Root for Ext4 {
    fn find(&self, path: &Path) -> io::Result<Option<Found>> {
        let metadata = match self.symlink_metadata(path) {
            Err(Ext4Error::NotFound | Ext4Error::NotADirectory) => return Ok(None),
            found => found?,
        };
        let kind = metadata.file_type();
        Ok(Some(if kind.is_dir() {
            Found::Folder
        } else if kind.is_regular_file() {
            Found::File(metadata.len())
        } else if kind.is_symlink() {
            Found::Link(self.read_link(path)?.into())
        } else {
            Found::Other
        }))
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in self.read_dir(folder)? {
            let name = OsString::from_vec(entry?.file_name().as_ref().to_vec());
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        Ok(Ext4::read(self, file)?)
    }
}
