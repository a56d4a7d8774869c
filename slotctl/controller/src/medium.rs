//! Files and block devices as a [`Medium`]: aligned direct I/O where the target
//! takes it, and reads that come from the device, not from the page cache.

use crate::error::{Error, Result};
use bootshim::medium::{Access, BLOCK, Cause, Fault, Medium, check_range};
use nix::fcntl::{FcntlArg, OFlag, PosixFadviseAdvice, fcntl, posix_fadvise};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Alignment of buffers, offsets and lengths for direct I/O: enough for every
/// sector size.
const ALIGN: usize = 4096;
/// Size of the bounce buffer for callers whose buffers are not aligned.
const BOUNCE: usize = 1 << 20;

/// How a medium is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// For reading.
    Read,
    /// For reading and writing.
    Write,
    /// For reading and writing a block device that nobody else uses; one that
    /// is mounted is refused by the kernel.
    WriteExclusive,
}

/// A file or a block device.
#[derive(Debug)]
pub struct FileMedium {
    file: File,
    direct: bool,
    len: u64,
}

impl FileMedium {
    /// Opens a file or a block device.
    pub fn open(path: &Path, mode: Mode) -> Result<FileMedium> {
        let failed = |error| Error::io(format_args!("opening {}", path.display()), &error);
        let mut options = OpenOptions::new();
        options.read(true).write(mode != Mode::Read);
        let exclusive = if mode == Mode::WriteExclusive {
            libc_flags::O_EXCL
        } else {
            0
        };
        // Some filesystems refuse direct I/O; there, what was flushed is dropped
        // from the cache before it is read back.
        let (file, direct) = match options
            .custom_flags(libc_flags::O_DIRECT | exclusive)
            .open(path)
        {
            Ok(file) => (file, true),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => (
                options.custom_flags(exclusive).open(path).map_err(failed)?,
                false,
            ),
            Err(error) => return Err(failed(error)),
        };
        let len = length(&file).map_err(failed)?;
        Ok(FileMedium { file, direct, len })
    }

    /// The medium in an open file.
    pub fn over(file: File) -> std::io::Result<FileMedium> {
        let flags = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL)?);
        let direct = fcntl(&file, FcntlArg::F_SETFL(flags | OFlag::O_DIRECT)).is_ok();
        let len = length(&file)?;
        Ok(FileMedium { file, direct, len })
    }

    /// The open file, for locks.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Reads an aligned range into an aligned buffer; how many bytes came. Only
    /// at the end of the medium are there fewer than asked for.
    fn read_aligned(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let at = offset.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
            match self.file.read_at(rest, at) {
                Ok(0) => break,
                // A short read that leaves the alignment was the end.
                Ok(n) if self.direct && !n.is_multiple_of(ALIGN) => {
                    return Ok(filled.saturating_add(n));
                }
                Ok(n) => filled = filled.saturating_add(n),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn read_bounced(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
        let mut bounce = Aligned::new(buf.len().saturating_add(2 * ALIGN).min(BOUNCE));
        let mut at = offset;
        let mut rest = buf;
        while !rest.is_empty() {
            let start = at - at % BLOCK;
            let skip = usize::try_from(at % BLOCK).unwrap_or(0);
            let want = skip
                .saturating_add(rest.len())
                .next_multiple_of(ALIGN)
                .min(bounce.len());
            let room = bounce.get(want);
            let got = self.read_aligned(start, room)?;
            let found = room.get(skip..got).unwrap_or_default();
            let take = found.len().min(rest.len());
            let (here, later) = rest.split_at_mut_checked(take).unwrap_or_default();
            if here.is_empty() {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            here.copy_from_slice(found.get(..take).unwrap_or_default());
            at = at.saturating_add(u64::try_from(take).unwrap_or(u64::MAX));
            rest = later;
        }
        Ok(())
    }
}

impl Medium for FileMedium {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Fault> {
        check_range(Access::Read, offset, buf.len(), self.len)?;
        let length = buf.len();
        if !self.direct {
            self.forget(offset, length);
        }
        let aligned = offset.is_multiple_of(BLOCK) && is_aligned(buf);
        let answer = if !self.direct || aligned {
            self.read_aligned(offset, buf).and_then(|n| {
                if n < length {
                    Err(std::io::ErrorKind::UnexpectedEof.into())
                } else {
                    Ok(())
                }
            })
        } else {
            self.read_bounced(offset, buf)
        };
        answer.map_err(|error| fault(Access::Read, offset, length, &error))
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Fault> {
        check_range(Access::Write, offset, data.len(), self.len)?;
        let answer = if !self.direct || is_aligned(data) {
            self.file.write_all_at(data, offset)
        } else {
            let mut bounce = Aligned::new(data.len().min(BOUNCE));
            let mut at = offset;
            data.chunks(bounce.len().max(1)).try_for_each(|part| {
                let room = bounce.get(part.len());
                room.copy_from_slice(part);
                self.file.write_all_at(room, at)?;
                at = at.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
                Ok(())
            })
        };
        answer.map_err(|error| fault(Access::Write, offset, data.len(), &error))
    }

    fn flush(&self) -> Result<(), Fault> {
        self.file
            .sync_data()
            .map_err(|error| fault(Access::Flush, 0, 0, &error))
    }
}

impl FileMedium {
    /// Drops a range from the page cache; only what was flushed goes.
    fn forget(&self, offset: u64, length: usize) {
        let (Ok(offset), Ok(length)) = (offset.try_into(), length.try_into()) else {
            return;
        };
        // Advice: where it is not taken, the range is read from the cache.
        let _ = posix_fadvise(
            &self.file,
            offset,
            length,
            PosixFadviseAdvice::POSIX_FADV_DONTNEED,
        );
    }
}

fn fault(access: Access, offset: u64, length: usize, error: &std::io::Error) -> Fault {
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    let cause = match error.raw_os_error() {
        Some(errno) => Cause::Device(errno),
        None => Cause::OutOfRange,
    };
    Fault {
        access,
        offset,
        length,
        cause,
    }
}

fn length(file: &File) -> std::io::Result<u64> {
    use std::io::{Seek, SeekFrom};
    let mut file = file;
    file.seek(SeekFrom::End(0))
}

fn is_aligned(buf: &[u8]) -> bool {
    buf.as_ptr().addr().is_multiple_of(ALIGN) && buf.len().is_multiple_of(ALIGN)
}

/// Flags of `open` that the standard library has no words for.
mod libc_flags {
    use super::OFlag;
    pub(super) const O_DIRECT: i32 = OFlag::O_DIRECT.bits();
    pub(super) const O_EXCL: i32 = OFlag::O_EXCL.bits();
}

/// A buffer that begins at a multiple of 4 KiB, as direct I/O wants it.
#[derive(Debug)]
pub struct Aligned {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// A buffer of `len` bytes, rounded up to whole blocks, all zero.
    pub fn new(len: usize) -> Aligned {
        let len = len.next_multiple_of(ALIGN);
        let bytes = vec![0; len.saturating_add(ALIGN)];
        let start = bytes.as_ptr().addr().next_multiple_of(ALIGN) - bytes.as_ptr().addr();
        Aligned { bytes, start, len }
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no room at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its first `len` bytes, or all where it is shorter.
    pub fn get(&mut self, len: usize) -> &mut [u8] {
        let end = self.start.saturating_add(len.min(self.len));
        self.bytes.get_mut(self.start..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(len: usize) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new_in(".").unwrap();
        let bytes: Vec<u8> = (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect();
        file.write_all(&bytes).unwrap();
        file
    }

    #[test]
    fn any_range_is_read_as_it_lies_there_whatever_its_alignment() {
        let file = file((3 << 20) + 512);
        let medium = FileMedium::open(file.path(), Mode::Read).unwrap();
        for (offset, len) in [
            (0, 512),
            (511, 2),
            (4095, 4098),
            (1, 2 << 20),
            (3 << 20, 512),
        ] {
            let mut buf = vec![0; len];
            medium.read_at(offset, &mut buf).unwrap();
            let at = usize::try_from(offset).unwrap();
            assert!(
                buf.iter()
                    .zip(at..)
                    .all(|(byte, i)| usize::from(*byte) == i % 251)
            );
        }
        assert_eq!(
            medium.read_at(3 << 20, &mut [0; 513]).unwrap_err().cause,
            Cause::OutOfRange
        );
    }

    #[test]
    fn what_was_written_comes_back_from_aligned_and_other_buffers() {
        let file = file(1 << 20);
        let medium = FileMedium::open(file.path(), Mode::Write).unwrap();
        let data = vec![7u8; 8192 + 1];
        let odd = medium.write_at(512, &[0; 4096]).unwrap_err();
        assert_eq!(odd.cause, Cause::Unaligned);
        medium.write_at(4096, &data[1..]).unwrap();
        medium.flush().unwrap();
        let mut back = Aligned::new(8192);
        medium.read_at(4096, back.get(8192)).unwrap();
        assert!(back.get(8192).iter().all(|byte| *byte == 7));
    }

    #[test]
    fn an_error_of_a_flush_is_an_error() {
        let null = FileMedium::open(Path::new("/dev/null"), Mode::Write).unwrap();
        assert_eq!(null.flush().unwrap_err().access, Access::Flush);
    }

    /// A loop device over a file.
    struct Loop {
        below: tempfile::NamedTempFile,
        node: String,
    }

    impl Loop {
        fn new() -> Loop {
            let below = file(1 << 20);
            let mut losetup = std::process::Command::new("losetup");
            let output = losetup
                .args(["--find", "--show"])
                .arg(below.path())
                .output();
            let node = String::from_utf8(output.expect("losetup, as root").stdout).unwrap();
            let node = node.trim_end().to_string();
            Loop { below, node }
        }

        /// How many flushes the device was asked for (Linux,
        /// `Documentation/block/stat.rst`).
        fn flushes(&self) -> u64 {
            let name = self.node.strip_prefix("/dev/").unwrap();
            let stat = std::fs::read_to_string(format!("/sys/block/{name}/stat")).unwrap();
            stat.split_whitespace().nth(15).unwrap().parse().unwrap()
        }
    }

    impl Drop for Loop {
        fn drop(&mut self) {
            let mut losetup = std::process::Command::new("losetup");
            losetup.args(["--detach", &self.node]).status().unwrap();
        }
    }

    #[test]
    #[ignore = "block devices need root and loop devices"]
    fn what_is_read_comes_from_the_device_and_not_from_the_cache() {
        let device = Loop::new();
        let medium = FileMedium::open(Path::new(&device.node), Mode::Write).unwrap();
        medium.write_at(8192, &[1; 4096]).unwrap();
        medium.flush().unwrap();
        // From here on the cache knows it too; and the device forgets.
        assert_eq!(std::fs::read(&device.node).unwrap()[8192], 1);
        let below = device.below.as_file();
        below.write_all_at(&[2; 4096], 8192).unwrap();
        let mut back = [0; 4096];
        medium.read_at(8192, &mut back).unwrap();
        assert_eq!(back[0], 2, "this came from the cache");
    }

    #[test]
    #[ignore = "block devices need root and loop devices"]
    fn a_flush_reaches_the_device() {
        let device = Loop::new();
        let medium = FileMedium::open(Path::new(&device.node), Mode::Write).unwrap();
        medium.write_at(0, &[1; 4096]).unwrap();
        let before = device.flushes();
        medium.flush().unwrap();
        assert!(device.flushes() > before);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = FileMedium::open(Path::new("no/such/disk"), Mode::Read).unwrap_err();
        assert_eq!(error.exit(), crate::code::Exit::Usage);
        assert!(error.found.contains("no/such/disk"));
    }
}
