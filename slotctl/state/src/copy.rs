//! A tree copied with all that belongs to it: owners, modes, times, extended attributes.
//! Hard links become files of their own; a socket means nothing without its program.

use nix::sys::stat::{Mode, SFlag, mknod};
use std::fs::{self, File, FileTimes, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, lchown, symlink};
use std::path::Path;

/// Room of an entry beside its content.
const ENTRY: u64 = 4096;

/// Copies what lies at `from` to `to`, where nothing is yet. `before` is asked before each
/// change.
pub(crate) fn tree(
    from: &Path,
    to: &Path,
    before: &dyn Fn(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let about = fs::symlink_metadata(from)?;
    let kind = about.file_type();
    if kind.is_socket() {
        return Ok(());
    }
    before(to)?;
    if kind.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
        return lchown(to, Some(about.uid()), Some(about.gid()));
    }
    if kind.is_dir() {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            tree(&entry.path(), &to.join(entry.file_name()), before)?;
        }
    } else if kind.is_file() {
        fs::copy(from, to)?;
    } else {
        let kind = SFlag::from_bits_truncate(about.mode() & SFlag::S_IFMT.bits());
        mknod(to, kind, Mode::empty(), about.rdev())?;
    }
    attributes(from, to, &about)
}

/// The owner before the mode, of which a change of the owner takes bits away; the times
/// last, since everything else changes them.
fn attributes(from: &Path, to: &Path, about: &Metadata) -> io::Result<()> {
    lchown(to, Some(about.uid()), Some(about.gid()))?;
    fs::set_permissions(to, about.permissions())?;
    let kind = about.file_type();
    if kind.is_dir() || kind.is_file() {
        if let Err(error) = extended(from, to)
            // A file system without them, as memory in place of the partition.
            && error.kind() != io::ErrorKind::Unsupported
        {
            return Err(error);
        }
        let times = FileTimes::new()
            .set_accessed(about.accessed()?)
            .set_modified(about.modified()?);
        File::open(to)?.set_times(times)?;
    }
    Ok(())
}

fn extended(from: &Path, to: &Path) -> io::Result<()> {
    for name in xattr::list(from)? {
        if let Some(value) = xattr::get(from, &name)? {
            xattr::set(to, &name, &value)?;
        }
    }
    Ok(())
}

/// The bytes that a copy needs, rounded up; nothing where nothing is there.
pub(crate) fn size(path: &Path) -> io::Result<u64> {
    let about = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        about => about?,
    };
    let mut size = about.len().next_multiple_of(ENTRY).saturating_add(ENTRY);
    if about.is_dir() {
        for entry in fs::read_dir(path)? {
            size = size.saturating_add(self::size(&entry?.path())?);
        }
    }
    Ok(size)
}
