//! The file of a root filesystem, which somebody may have made by hand.

use super::scratch::Scratch;
use images::rootfs::{Found, Root, open};
use std::path::Path;

/// How deep a root is looked into, how much of each folder, and of how long files.
const DEPTH: usize = 4;
const ENTRIES: usize = 16;
const LONGEST: u64 = 1 << 20;

/// Any file gives an answer, whatever in it is asked for; and a file that can be read is as
/// long as was said before.
pub fn root(data: &[u8]) {
    Scratch::with(|scratch| {
        if let Ok(Some(root)) = open(&scratch.file("root", data)) {
            walk(&*root, Path::new("/"), DEPTH);
        }
    });
}

fn walk(root: &dyn Root, folder: &Path, depth: usize) {
    let names = root.names(folder).unwrap_or_default();
    for name in names.iter().take(ENTRIES) {
        let path = folder.join(name);
        match root.find(&path) {
            Ok(Some(Found::Folder)) if depth > 0 => walk(root, &path, depth - 1),
            Ok(Some(Found::File(length))) if length <= LONGEST => {
                if let Ok(bytes) = root.read(&path) {
                    assert_eq!(bytes.len() as u64, length, "{}", path.display());
                }
            }
            _ => {}
        }
    }
}
