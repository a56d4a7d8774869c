//! The initrd, taken apart as Linux does it (`init/initramfs.c`): archives one behind
//! the other, compressed or not, with zeros between them. What is compressed is stored
//! unpacked: chunks are compressed anyway, a delta then sees into it, most of it is also
//! in the root filesystem, and the kernel is spared the work.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::string::{String, ToString};
use std::vec;

use super::{BuildError, Warning};
use crate::new_file;
use crate::read::fill;

/// Archives begin at multiples of this, counted from the start of the file or of what
/// was compressed.
const ALIGN: u64 = 4;

/// What was found.
pub(super) struct Seen {
    /// All of it, unpacked, and how long that is; `None` where it is stored as it is.
    pub(super) unpacked: Option<(File, u64)>,
    pub(super) warning: Option<Warning>,
}

/// How a part is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    Gzip,
    Zstd,
    Xz,
    Lz4,
    /// Linux may know it; here it is not unpacked.
    Other(&'static str),
}

/// Why a part is not unpacked.
enum Fault {
    /// The disk, not the bytes.
    Io(io::Error),
    /// The place for what is unpacked.
    Room(io::Error),
    /// Where what is wrong.
    Damaged(u64, String),
}

/// Takes an initrd apart. What is unpacked goes into a file without a name beside the
/// image `out`.
///
/// # Errors
/// Where it is cut or damaged, or cannot be read.
pub(super) fn read(path: &Path, file: &File, out: &Path) -> Result<Seen, BuildError> {
    let failed = |fault| match fault {
        Fault::Io(error) => BuildError::input(path)(error),
        Fault::Room(error) => BuildError::output(out)(error),
        Fault::Damaged(at, what) => BuildError::InitrdDamaged {
            path: path.into(),
            at,
            what,
        },
    };
    let length = file.metadata().map_err(BuildError::input(path))?.len();
    let mut parts = Parts {
        file,
        length,
        out,
        spool: None,
        endless: false,
    };
    let warning = match parts.run().map_err(failed)? {
        End::Whole if parts.endless => Some(Warning::InitrdEndless(path.into())),
        End::Whole => None,
        End::Empty => Some(Warning::InitrdUnknown(path.into())),
        End::Junk(at) => Some(Warning::InitrdJunk(path.into(), at)),
        End::Other(name) => Some(Warning::InitrdUnchecked(path.into(), name)),
    };
    let as_it_is = matches!(warning, Some(ref odd) if !matches!(odd, Warning::InitrdEndless(_)));
    let mut start = file;
    start.rewind().map_err(BuildError::input(path))?;
    let spool = parts.spool.filter(|_| !as_it_is);
    let unpacked = spool
        .map(|mut spool| {
            let length = spool.stream_position()?;
            spool.rewind()?;
            Ok((spool, length))
        })
        .transpose()
        .map_err(BuildError::output(out))?;
    Ok(Seen { unpacked, warning })
}

/// How the parts end.
enum End {
    Whole,
    /// Nothing but zeros, or something else from the first byte on.
    Empty,
    Junk(u64),
    Other(&'static str),
}

/// An initrd, part by part.
struct Parts<'a> {
    file: &'a File,
    length: u64,
    out: &'a Path,
    /// All that came so far, from the first compressed part on.
    spool: Option<File>,
    /// The last archive had no end.
    endless: bool,
}

impl Parts<'_> {
    fn run(&mut self) -> Result<End, Fault> {
        let (mut at, mut archives) = (0, false);
        while at < self.length {
            let mut magic = [0; 6];
            let found = self.file.read_at(&mut magic, at).map_err(Fault::Io)?;
            let magic = magic.get(..found).unwrap_or_default();
            if magic.first() == Some(&0) {
                at = self.keep(at, behind_zeros(self.file, at, self.length)?)?;
                continue;
            }
            if magic.starts_with(b"0") && at.is_multiple_of(ALIGN) {
                let (end, whole) = archive(self.file, at, self.length)?;
                self.endless = !whole;
                at = self.keep(at, end)?;
            } else {
                match compression(magic) {
                    None if archives => return Ok(End::Junk(at)),
                    None => return Ok(End::Empty),
                    Some(Compression::Other(name)) => return Ok(End::Other(name)),
                    Some(known) => match self.unpack(at, known)? {
                        Some(end) => at = end,
                        None => return Ok(End::Empty),
                    },
                }
            }
            archives = true;
        }
        Ok(if archives { End::Whole } else { End::Empty })
    }

    /// Takes over what is not compressed, where something before it was.
    fn keep(&mut self, from: u64, end: u64) -> Result<u64, Fault> {
        if let Some(spool) = &mut self.spool {
            copy(self.file, from, end, spool)?;
        }
        Ok(end)
    }

    /// Unpacks one part; where it ends in the file. `None` where it holds no archive.
    fn unpack(&mut self, at: u64, compression: Compression) -> Result<Option<u64>, Fault> {
        let spool = match &mut self.spool {
            Some(spool) => spool,
            none => {
                let mut spool =
                    tempfile::tempfile_in(new_file::directory(self.out)).map_err(Fault::Room)?;
                copy(self.file, 0, at, &mut spool)?;
                none.insert(spool)
            }
        };
        pad(spool)?;
        let start = spool.stream_position().map_err(Fault::Room)?;
        let damaged = |error: io::Error| match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Fault::Room(error),
            // Only the disk has one.
            _ if error.raw_os_error().is_some() => Fault::Io(error),
            _ => Fault::Damaged(
                at,
                std::format!("{compression:?} does not unpack ({error})"),
            ),
        };
        let mut reader = BufReader::new(self.file);
        reader.seek(SeekFrom::Start(at)).map_err(Fault::Io)?;
        compression
            .unpack(&mut reader, &mut *spool)
            .map_err(damaged)?;
        let end = reader.stream_position().map_err(Fault::Io)?;
        let length = spool.stream_position().map_err(Fault::Room)?;
        let inside = |fault| match fault {
            Fault::Damaged(inside, what) => {
                let what = std::format!("{what}, {} bytes into what was unpacked", inside - start);
                Fault::Damaged(at, what)
            }
            other => other,
        };
        let whole = archives(spool, start, length).map_err(inside)?;
        // The next part begins at a multiple of 4, as it does where it is compressed.
        pad(spool)?;
        let Some(whole) = whole else {
            return Ok(None);
        };
        self.endless = !whole;
        Ok(Some(end))
    }
}

/// Zeros up to where an archive may begin.
fn pad(spool: &mut File) -> Result<(), Fault> {
    let at = spool.stream_position().map_err(Fault::Room)?;
    let zeros = at.next_multiple_of(ALIGN) - at;
    io::copy(&mut io::repeat(0).take(zeros), spool)
        .map(drop)
        .map_err(Fault::Room)
}

fn copy(mut file: &File, from: u64, end: u64, to: &mut File) -> Result<(), Fault> {
    file.seek(SeekFrom::Start(from)).map_err(Fault::Io)?;
    io::copy(&mut file.take(end.saturating_sub(from)), to)
        .map(drop)
        .map_err(Fault::Room)
}

/// By the first bytes, as Linux tells them apart (`lib/decompress.c`).
fn compression(magic: &[u8]) -> Option<Compression> {
    Some(match magic {
        [0x1f, 0x8b | 0x9e, ..] => Compression::Gzip,
        [0x28, 0xb5, ..] => Compression::Zstd,
        [0xfd, 0x37, ..] => Compression::Xz,
        [0x02, 0x21, ..] => Compression::Lz4,
        [0x42, 0x5a, ..] => Compression::Other("bzip2"),
        [0x5d, 0x00, ..] => Compression::Other("lzma"),
        [0x89, 0x4c, ..] => Compression::Other("lzo"),
        _ => return None,
    })
}

impl Compression {
    /// Unpacks one member, frame or stream, and leaves the reader behind it.
    fn unpack(self, reader: &mut BufReader<&File>, to: &mut impl Write) -> io::Result<()> {
        match self {
            Compression::Gzip => {
                io::copy(&mut flate2::bufread::GzDecoder::new(reader), to)?;
            }
            Compression::Zstd => {
                let frame = zstd::stream::read::Decoder::with_buffer(reader)?;
                io::copy(&mut frame.single_frame(), to)?;
            }
            Compression::Xz => {
                io::copy(&mut lzma_rust2::XzReader::new(reader, false), to)?;
            }
            Compression::Lz4 => lz4(reader, to)?,
            Compression::Other(name) => return Err(io::Error::other(name)),
        }
        Ok(())
    }
}

/// The format that `lz4 -l` writes, and the only one that Linux reads: blocks of at most
/// 8 MiB, each behind its length, to the end of the file or to a length of 0
/// (`lib/decompress_unlz4.c`).
fn lz4(reader: &mut BufReader<&File>, to: &mut impl Write) -> io::Result<()> {
    const MAGIC: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];
    const BLOCK: usize = 8 << 20;
    let odd = || io::Error::from(io::ErrorKind::InvalidData);
    let mut content = vec![0; BLOCK];
    let mut packed = vec![];
    let mut first = true;
    loop {
        let mut word = [0; 4];
        let found = fill(reader, &mut word)?;
        let length = usize::try_from(u32::from_le_bytes(word)).map_err(|_| odd())?;
        match found {
            4 if word == MAGIC => {}
            _ if first => return Err(odd()),
            4 if length > 0 => {
                if length > BLOCK + BLOCK / 255 + 16 {
                    return Err(odd());
                }
                packed.resize(length, 0);
                reader.read_exact(&mut packed)?;
                let done = lz4_flex::block::decompress_into(&packed, &mut content);
                let done = done.map_err(io::Error::other)?;
                to.write_all(content.get(..done).ok_or_else(odd)?)?;
            }
            // Fewer than four bytes, or none, or the length 0.
            _ => return Ok(()),
        }
        first = false;
    }
}

/// Walks through archives with zeros between them that fill a range of a file. Whether
/// the last one has an end; `None` where the first is no archive.
fn archives(file: &File, from: u64, end: u64) -> Result<Option<bool>, Fault> {
    let (mut at, mut last) = (behind_zeros(file, from, end)?, None);
    while at < end {
        let mut magic = [0; 1];
        file.read_exact_at(&mut magic, at).map_err(Fault::Io)?;
        if magic != *b"0" || !(at - from).is_multiple_of(ALIGN) {
            return match last {
                None => Ok(None),
                Some(_) => Err(Fault::Damaged(at, "something else than an archive".into())),
            };
        }
        let (behind, whole) = archive(file, at, end)?;
        last = Some(whole);
        at = behind_zeros(file, behind, end)?;
    }
    Ok(last)
}

/// Walks through the files of one archive in the format newc (Linux,
/// `Documentation/driver-api/early-userspace/buffer-format.rst`): where it ends, and
/// whether it has an end.
fn archive(file: &File, from: u64, end: u64) -> Result<(u64, bool), Fault> {
    const ENTRY: u64 = 110;
    let mut at = from;
    while at < end {
        let mut entry = [0; 110];
        let cut = || Fault::Damaged(at, "an archive is cut".to_string());
        if end - at < ENTRY {
            return Err(cut());
        }
        file.read_exact_at(&mut entry, at).map_err(Fault::Io)?;
        let field = |from: usize| {
            let digits = entry.get(from..from + 8).unwrap_or_default();
            let digits = std::str::from_utf8(digits).ok();
            digits.and_then(|digits| u64::from_str_radix(digits, 16).ok())
        };
        let newc = entry.starts_with(b"070701") || entry.starts_with(b"070702");
        let (true, Some(size), Some(name)) = (newc, field(54), field(94)) else {
            return Err(Fault::Damaged(
                at,
                "no header of a cpio archive (newc)".into(),
            ));
        };
        // Both are less than 2^32.
        let body = from + (at - from + ENTRY + name).next_multiple_of(ALIGN);
        let next = from + (body - from + size).next_multiple_of(ALIGN);
        let mut last = [0; 10];
        let named = at + ENTRY + 10 <= end;
        if named {
            file.read_exact_at(&mut last, at + ENTRY)
                .map_err(Fault::Io)?;
        }
        if body + size > end {
            return Err(cut());
        }
        // What fills up the last file may be missing.
        at = next.min(end);
        if named && last == *b"TRAILER!!!" {
            return Ok((at, true));
        }
    }
    Ok((at, false))
}

/// Where the zeros end that begin here.
fn behind_zeros(file: &File, at: u64, end: u64) -> Result<u64, Fault> {
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(at)).map_err(Fault::Io)?;
    let mut at = at;
    while at < end {
        let buffer = reader.fill_buf().map_err(Fault::Io)?;
        let zeros = buffer.iter().take_while(|byte| **byte == 0).count();
        let all = zeros == buffer.len();
        at = at.saturating_add(zeros as u64).min(end);
        if !all || zeros == 0 {
            break;
        }
        reader.consume(zeros);
    }
    Ok(at)
}
