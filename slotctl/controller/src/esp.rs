//! The EFI system partition: where firmware finds bootshim, and the place for
//! another one ([`Places`]). It is written and read raw, without a mount.

mod clock;
mod dots;
mod places;

use crate::code::Code;
use crate::date::Date;
use crate::efi_program::{Machine, PROGRAM_MAX, Program};
use crate::error::{Error, Result};
use crate::stream::Stream;
use bootshim::layout::Layout;
use bootshim::medium::{Medium, Window};
use clock::Clock;
use fatfs::{Dir, FatType, FileSystem, FormatVolumeOptions, FsOptions, ReadWriteSeek};
pub use places::Places;
use serde::{Deserialize, Serialize};
use std::io::{self, ErrorKind, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

const LABEL: [u8; 11] = *b"SLOTCTL    ";
const PROGRAM_DIRECTORY: &str = "EFI/BOOT";
const SPARE_DIRECTORY: &str = "EFI/SPARE";
const DISK_DIRECTORY: &str = "EFI/slotctl";
const DISK_FILE: &str = "EFI/slotctl/disk.toml";
/// No `disk.toml` is as long; it bounds what is read.
const DISK_FILE_MAX: u64 = 64 << 10;
/// Bytes that are read at most, tables and directories included.
const READ_MAX: u64 = 64 << 20;

/// What is known of a disk before anything is installed on it.
#[derive(Debug, Serialize, Deserialize)]
struct DiskFile {
    compatible: Option<String>,
}

/// What a new ESP is made of.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// What firmware starts.
    pub program: &'a Program,
    /// For which machines the disk is.
    pub compatible: Option<&'a str>,
    /// Number of the volume.
    pub volume_id: u32,
    /// The time that every file bears.
    pub date: Date,
}

/// Makes the filesystem of an ESP whose bytes are zero, with sectors of
/// `sector` bytes, and everything in it.
pub fn write<M: Medium>(esp: M, sector: u16, contents: &Contents<'_>) -> Result<()> {
    let length = esp.len();
    let mut stream = Stream::new(esp);
    let mut fill = || {
        format(&mut stream, sector, length, contents.volume_id)?;
        let options = FsOptions::new().time_provider(Clock::at(contents.date));
        let filesystem = FileSystem::new(&mut stream, options)?;
        add_files(&filesystem.root_dir(), filesystem.fat_type(), contents)?;
        // Counts the free clusters, so that the summary of FAT32 is right.
        filesystem.stats()?;
        let kind = filesystem.fat_type();
        filesystem.unmount()?;
        stream.changed().for_each(|block| dots::tidy(block, kind));
        stream.store()
    };
    fill().map_err(|error| match error.kind() {
        ErrorKind::WriteZero | ErrorKind::Other if error.raw_os_error().is_none() => {
            let found = format!(
                "the ESP of {} KiB is too small for its content ({error})",
                length / 1024
            );
            Error::new(Code::EspTooSmall, found).advice("give it more with --esp-size")
        }
        _ => Error::io("writing the ESP", &error),
    })
}

/// Reads the bootshim program of a disk: the one that firmware starts, or the one
/// that shim starts where firmware starts shim.
pub fn read_program<M: Medium>(disk: M, layout: &Layout) -> Result<Program> {
    first(&disk, layout)?.or_else(|error| match behind_shim(&disk, layout)? {
        Some(program) => Ok(program),
        None => Err(error),
    })
}

/// Whether firmware starts another program (shim), which then starts bootshim.
pub fn is_behind_shim<M: Medium>(disk: M, layout: &Layout) -> Result<bool> {
    Ok(first(&disk, layout)?.is_err() && behind_shim(&disk, layout)?.is_some())
}

/// What firmware starts, if that is a bootshim.
fn first<M: Medium>(disk: &M, layout: &Layout) -> Result<Result<Program>> {
    let names = Machine::ALL.map(|machine| format!("{PROGRAM_DIRECTORY}/{}", machine.file_name()));
    for name in &names {
        if let Some(bytes) = read_file(disk, layout, name, PROGRAM_MAX)? {
            return Ok(Program::parse(bytes).map_err(|mut error| {
                error.found = format!("{name} on the ESP: {}", error.found);
                error
            }));
        }
    }
    Ok(Err(Error::new(
        Code::NoBootshim,
        format!("the ESP has neither {}", names.join(" nor ")),
    )))
}

/// What shim starts, if that is a bootshim.
fn behind_shim<M: Medium>(disk: &M, layout: &Layout) -> Result<Option<Program>> {
    for machine in Machine::ALL {
        let name = format!("{PROGRAM_DIRECTORY}/{}", machine.name_behind_shim());
        let bytes = read_file(disk, layout, &name, PROGRAM_MAX)?;
        let program = bytes.and_then(|bytes| Program::parse(bytes).ok());
        if program.is_some() {
            return Ok(program);
        }
    }
    Ok(None)
}

/// The bytes of the other bootshim of a disk, for this machine.
pub fn read_spare<M: Medium>(disk: M, layout: &Layout, machine: Machine) -> Result<Vec<u8>> {
    let name = format!("{SPARE_DIRECTORY}/{}", machine.file_name());
    Ok(read_file(disk, layout, &name, PROGRAM_MAX)?.unwrap_or_default())
}

/// Writes a program in place of the other bootshim of an ESP, and makes it durable.
/// What firmware starts is not touched: no cluster and no link of it changes, and a
/// cut leaves at worst a spare that nobody starts.
///
/// # Errors
/// [`Exit::Refused`] when there is no room for it; [`Exit::NotAuthentic`] for a
/// damaged filesystem; the medium's.
pub fn write_spare<M: Medium>(esp: M, program: &Program, date: Date) -> Result<()> {
    let write = || {
        let mut stream = Stream::bounded(esp, READ_MAX);
        let options = FsOptions::new().time_provider(Clock::at(date));
        let filesystem = FileSystem::new(&mut stream, options)?;
        {
            let root = filesystem.root_dir();
            let name = format!("{SPARE_DIRECTORY}/{}", program.machine().file_name());
            // Over what is there, so that its clusters stay linked as they are.
            let mut file = root.create_file(&name)?;
            file.write_all(program.bytes())?;
            file.truncate()?;
        }
        filesystem.unmount()?;
        stream.store()
    };
    let answer: io::Result<()> = catch_unwind(AssertUnwindSafe(write))
        .unwrap_or_else(|_| Err(ErrorKind::InvalidData.into()));
    answer.map_err(|error| match error.kind() {
        ErrorKind::WriteZero => Error::new(
            Code::EspTooSmall,
            "the ESP has no room for another bootshim",
        ),
        _ => unread(&error),
    })
}

/// Reads for which machines a disk was created.
pub fn read_compatible<M: Medium>(disk: M, layout: &Layout) -> Result<Option<String>> {
    let Some(bytes) = read_file(disk, layout, DISK_FILE, DISK_FILE_MAX)? else {
        return Ok(None);
    };
    let damaged =
        |why: String| Error::new(Code::DamagedEsp, format!("{DISK_FILE} on the ESP: {why}"));
    let text = String::from_utf8(bytes).map_err(|error| damaged(error.to_string()))?;
    let file: DiskFile =
        toml::from_str(&text).map_err(|error| damaged(error.message().to_owned()))?;
    Ok(file.compatible)
}

fn format<S: ReadWriteSeek>(
    mut stream: S,
    sector: u16,
    length: u64,
    volume_id: u32,
) -> io::Result<()> {
    let mut options = FormatVolumeOptions::new()
        .bytes_per_sector(sector)
        .volume_id(volume_id)
        .volume_label(LABEL);
    if let Some(cluster) = cluster_away_from_fat12(sector, length) {
        options = options.fat_type(FatType::Fat12).bytes_per_cluster(cluster);
    }
    fatfs::format_volume(&mut stream, options)
}

/// Readers tell FAT12 from FAT16 by whether there are 4085 clusters, and some
/// count a few wrong: near that number, twice the cluster leaves no doubt.
fn cluster_away_from_fat12(sector: u16, length: u64) -> Option<u32> {
    let clusters = length / u64::from(sector.max(4096));
    (sector == 4096 && (2048..4200).contains(&clusters)).then_some(8192)
}

fn add_files<S: ReadWriteSeek>(
    root: &Dir<'_, S>,
    kind: FatType,
    contents: &Contents<'_>,
) -> io::Result<()> {
    root.create_dir("EFI")?;
    // Clusters are given out one after the other, from 2 on, which is the root of
    // FAT32 or else EFI: the next two directories get 4 and 5, as `Places` wants it.
    if kind != FatType::Fat32 {
        root.create_dir(DISK_DIRECTORY)?;
    }
    let program = contents.program;
    let directories = [PROGRAM_DIRECTORY, SPARE_DIRECTORY];
    for directory in directories {
        root.create_dir(directory)?;
    }
    for directory in directories {
        root.create_file(&format!("{directory}/{}", program.machine().file_name()))?
            .write_all(program.bytes())?;
    }
    root.create_dir(DISK_DIRECTORY)?;
    let file = DiskFile {
        compatible: contents.compatible.map(str::to_owned),
    };
    let text = toml::to_string(&file).map_err(io::Error::other)?;
    root.create_file(DISK_FILE)?.write_all(text.as_bytes())
}

/// The content of a file on the ESP; `None` where there is none.
fn read_file<M: Medium>(disk: M, layout: &Layout, path: &str, max: u64) -> Result<Option<Vec<u8>>> {
    let esp = layout
        .esp
        .as_ref()
        .ok_or_else(|| Error::new(Code::NoEsp, "the disk has no EFI system partition"))?;
    let read = || {
        let mut stream = Stream::bounded(Window::new(disk, esp.extent), READ_MAX);
        let filesystem = FileSystem::new(&mut stream, FsOptions::new())?;
        let mut bytes = Vec::new();
        filesystem
            .root_dir()
            .open_file(path)?
            .take(max)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    // The crate trusts the numbers it finds; on a damaged filesystem its
    // arithmetic may overflow.
    let answer: io::Result<Vec<u8>> =
        catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(ErrorKind::InvalidData.into()));
    match answer {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unread(&error)),
    }
}

fn unread(error: &io::Error) -> Error {
    match error.raw_os_error() {
        Some(_) => Error::io("the ESP", error),
        None => Error::new(
            Code::DamagedEsp,
            format!("the filesystem of the ESP is damaged: {error}"),
        ),
    }
}

#[cfg(test)]
mod tests;
