//! A file in memory that has a path, for what reads files.

use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// A directory of this thread's own.
pub(super) struct Scratch(TempDir);

thread_local! {
    static SCRATCH: Scratch = Scratch(
        tempfile::Builder::new().tempdir_in(memory()).unwrap()
    );
}

/// Where files are not written to a disk, if there is such a place.
fn memory() -> PathBuf {
    let shared = PathBuf::from("/dev/shm");
    if shared.is_dir() {
        shared
    } else {
        std::env::temp_dir()
    }
}

impl Scratch {
    /// Lends the directory of this thread.
    pub(super) fn with<T>(job: impl FnOnce(&Scratch) -> T) -> T {
        SCRATCH.with(job)
    }

    /// The path of a file with these bytes.
    pub(super) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A path at which no file lies.
    pub(super) fn free(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        let _ = fs::remove_file(&path);
        path
    }
}
