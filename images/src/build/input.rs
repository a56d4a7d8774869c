//! One file that goes into an image.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::vec::Vec;

use flate2::read::MultiGzDecoder;

use super::BuildError;
use super::erofs;
use crate::manifest::Kind;
use crate::new_file;

/// An input, opened.
pub(super) struct Input {
    pub(super) kind: Kind,
    pub(super) path: PathBuf,
    pub(super) file: File,
    /// In bytes, as it goes into the slot.
    pub(super) length: u64,
    /// How long the file is, where it was compressed and is stored unpacked.
    pub(super) compressed: Option<u64>,
    /// Where pieces end besides, in whole blocks from its start.
    pub(super) borders: Vec<u64>,
}

impl Input {
    /// Opens a file. A compressed initrd is unpacked, into a file without a name
    /// beside the image `out`: chunks are compressed
    /// anyway, a delta then sees into it, most of it is also in the root
    /// filesystem, and the kernel is spared the work.
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
        let path = self.path.clone();
        let failed = || BuildError::input(&path);
        let early = early_archives(&self.file).map_err(failed())?;
        let Some(compression) = compression(&self.file, early).map_err(failed())? else {
            return Ok(());
        };
        let spool = tempfile::tempfile_in(new_file::directory(out));
        let mut unpacked = spool.map_err(BuildError::output(out))?;
        let length = copy_unpacked(&self.file, early, compression, &mut unpacked);
        let length = length.map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => BuildError::output(out)(error),
            _ => failed()(error),
        })?;
        let Some(length) = length else {
            return Ok(());
        };
        self.compressed = Some(self.length);
        self.length = length;
        self.file = unpacked;
        Ok(())
    }
}

/// How an initrd is compressed, where it can be unpacked here.
#[derive(Clone, Copy)]
enum Compression {
    Gzip,
    Zstd,
}

fn compression(file: &File, at: u64) -> io::Result<Option<Compression>> {
    let mut magic = [0; 4];
    match file.read_exact_at(&mut magic, at) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    Ok(match magic {
        [0x1f, 0x8b, ..] => Some(Compression::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd] => Some(Compression::Zstd),
        _ => None,
    })
}

/// Copies what is not compressed and unpacks what is behind it; how long that is.
/// `None` where it does not unpack to its end, and `file` is at its start again:
/// it goes in as it is, and the kernel may know what to make of it.
fn copy_unpacked(
    mut file: &File,
    early: u64,
    compression: Compression,
    to: &mut File,
) -> io::Result<Option<u64>> {
    file.seek(SeekFrom::Start(0))?;
    io::copy(&mut file.take(early), to)?;
    let unpacked = match compression {
        Compression::Gzip => io::copy(&mut MultiGzDecoder::new(file), to).map(|_| ()),
        Compression::Zstd => zstd::stream::copy_decode(file, &mut *to),
    };
    let whole = match unpacked {
        Ok(()) => Some(to.stream_position()?),
        Err(error) if is_about_the_bytes(&error) => None,
        Err(error) => return Err(error),
    };
    file.seek(SeekFrom::Start(0))?;
    to.seek(SeekFrom::Start(0))?;
    Ok(whole.filter(|length| *length > early))
}

/// Whether the bytes are to blame, not the disk that they come from or go to.
fn is_about_the_bytes(error: &io::Error) -> bool {
    error.raw_os_error().is_none()
}

/// How long the uncompressed archives at the start are (microcode), with the
/// zeros behind them: cpio in the format newc (Linux,
/// `Documentation/driver-api/early-userspace/buffer-format.rst`).
fn early_archives(file: &File) -> io::Result<u64> {
    const ENTRY: usize = 110;
    let length = file.metadata()?.len();
    let mut at = 0_u64;
    loop {
        let mut entry = [0; ENTRY];
        if file.read_exact_at(&mut entry, at).is_err() || !entry.starts_with(b"07070") {
            return Ok(at.min(length));
        }
        let field = |from: usize| {
            let digits = entry.get(from..from + 8).unwrap_or_default();
            let digits = std::str::from_utf8(digits).ok();
            digits.and_then(|digits| u64::from_str_radix(digits, 16).ok())
        };
        let (Some(size), Some(name)) = (field(54), field(94)) else {
            return Ok(0);
        };
        let mut last = [0; 10];
        let named = file.read_exact_at(&mut last, at + ENTRY as u64).is_ok();
        at = (at + ENTRY as u64 + name).next_multiple_of(4) + size;
        at = at.next_multiple_of(4);
        if named && last == *b"TRAILER!!!" {
            at = behind_zeros(file, at)?;
        }
        if at >= length {
            return Ok(length);
        }
    }
}

fn behind_zeros(file: &File, mut at: u64) -> io::Result<u64> {
    let mut word = [0; 4];
    while file.read_exact_at(&mut word, at).is_ok() && word == [0; 4] {
        at += 4;
    }
    Ok(at)
}
