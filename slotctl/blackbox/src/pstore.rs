//! What a kernel leaves at its end for the next one: pstore, in the firmware's variables
//! (efi_pstore) or in memory that a restart keeps (ramoops).
//!
//! A report is kept in several files where one has no room for it. Each begins with a line
//! `Panic#1 Part3`; the first part has the last lines.

#[cfg(test)]
mod tests;

use crate::failure::{Dump, harmless};
use controller::date::rfc3339;
use nix::sys::statvfs::statvfs;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Result};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// More is not read of a file, and more files are not read.
const FILE_MAX: u64 = 1 << 20;
const FILES_MAX: usize = 1000;
/// Linux leaves so much of the firmware's variables free; below it there is no report.
const VARIABLES_RESERVE: u64 = 5 << 10;
/// A report takes about as much.
const REPORT: u64 = 16 << 10;

/// The pstore of this system.
#[derive(Clone, Debug)]
pub struct Pstore {
    /// Where `/sys` and `/proc` are.
    root: PathBuf,
}

/// What lies there.
#[derive(Debug, Default, PartialEq)]
pub struct Left {
    /// The reports of kernels that ended, oldest first.
    pub dumps: Vec<Dump>,
    /// Their files.
    files: Vec<PathBuf>,
}

/// A file of pstore.
struct Part {
    path: PathBuf,
    time: SystemTime,
    /// `Panic#1`.
    name: String,
    number: u32,
    lines: Vec<String>,
}

impl Pstore {
    /// With `/sys` and `/proc` below this directory.
    #[must_use]
    pub fn at(root: &Path) -> Pstore {
        Pstore {
            root: root.to_owned(),
        }
    }

    /// Why a kernel that ends here leaves nothing, where that is so.
    #[must_use]
    pub fn absent(&self) -> Option<String> {
        let backend = fs::read_to_string(self.root.join("sys/module/pstore/parameters/backend"));
        let why = match backend.as_deref().map(str::trim) {
            Err(_) => "this kernel has no pstore",
            Ok("" | "(null)") => "no driver of a pstore is loaded (efi_pstore, ramoops)",
            Ok(_) if !self.is_mounted() => "pstore is not mounted on /sys/fs/pstore",
            Ok(_) => return None,
        };
        Some(why.to_owned())
    }

    /// That there is hardly room for a report, where that can be known: Linux 6.5 and
    /// later say how much the firmware's variables have left.
    #[must_use]
    pub fn full(&self) -> Option<String> {
        let variables = statvfs(&self.root.join("sys/firmware/efi/efivars")).ok()?;
        let of_firmware = self.backend_is_firmware() && variables.blocks() > 0;
        let size = variables.block_size();
        let free = variables.blocks_available().saturating_mul(size);
        (of_firmware && free < VARIABLES_RESERVE + REPORT)
            .then(|| format!("the firmware's variables have {free} bytes left, too few for a report of the kernel"))
    }

    /// The reports that lie there.
    pub fn left(&self) -> Result<Left> {
        let mut parts = Vec::new();
        for path in self.files("dmesg-")? {
            match part(&path) {
                Ok(part) => parts.push(part),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let files = parts.iter().map(|part| part.path.clone()).collect();
        Ok(Left {
            dumps: joined(parts),
            files,
        })
    }

    /// The console of the system before this one, where ramoops keeps it: its last lines.
    /// It is there however that system ended, and nobody has to remove it.
    #[must_use]
    pub fn console(&self) -> Vec<String> {
        let files = self.files("console-").unwrap_or_default();
        let read = files.iter().filter_map(|path| read(path).ok());
        read.flat_map(|bytes| harmless(&bytes)).collect()
    }

    /// Removes what was read, once it is kept elsewhere: the firmware's variables would
    /// fill up.
    pub fn remove(&self, left: &Left) -> Result<()> {
        for file in &left.files {
            match fs::remove_file(file) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn directory(&self) -> PathBuf {
        self.root.join("sys/fs/pstore")
    }

    fn is_mounted(&self) -> bool {
        let mounts = fs::read_to_string(self.root.join("proc/self/mounts")).unwrap_or_default();
        let mut mounts = mounts.lines().map(|line| line.split(' ').skip(1));
        mounts.any(|mut words| {
            (words.next(), words.next()) == (Some("/sys/fs/pstore"), Some("pstore"))
        })
    }

    fn backend_is_firmware(&self) -> bool {
        let backend = fs::read_to_string(self.root.join("sys/module/pstore/parameters/backend"));
        backend.is_ok_and(|backend| backend.trim().starts_with("efi"))
    }

    fn files(&self, kind: &str) -> Result<Vec<PathBuf>> {
        let entries = match self.directory().read_dir() {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut files = Vec::new();
        for entry in entries.take(FILES_MAX) {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(kind) {
                files.push(entry.path());
            }
        }
        files.sort();
        Ok(files)
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn part(path: &Path) -> Result<Part> {
    let time = fs::metadata(path)?.modified()?;
    let bytes = read(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let whole = |lines| Part {
        path: path.to_owned(),
        time,
        name: name.clone().into_owned(),
        number: 1,
        lines,
    };
    // As the kernel names what it could not unpack.
    if name.ends_with(".enc.z") {
        let why = "it is packed in a way that this kernel cannot unpack";
        return Ok(whole(vec![why.to_owned()]));
    }
    let mut lines = harmless(&bytes);
    let head = lines.first().and_then(|head| {
        let (name, number) = head.split_once(" Part")?;
        Some((name.to_owned(), number.trim().parse().ok()?))
    });
    let Some((name, number)) = head else {
        return Ok(whole(lines));
    };
    lines.remove(0);
    Ok(Part {
        name,
        number,
        ..whole(lines)
    })
}

/// The parts of each report in the order of what happened, and the reports in theirs.
fn joined(mut parts: Vec<Part>) -> Vec<Dump> {
    // Written one after the other, from the first part on, within the same second or two.
    parts.sort_by(|a, b| (a.time, a.number, &a.path).cmp(&(b.time, b.number, &b.path)));
    let mut dumps: Vec<(u32, Dump)> = Vec::new();
    for part in parts {
        match dumps.last_mut() {
            Some((last, dump)) if dump.name == part.name && part.number > *last => {
                *last = part.number;
                dump.lines.splice(0..0, part.lines);
            }
            _ => dumps.push((
                part.number,
                Dump {
                    name: part.name,
                    time: rfc3339(part.time),
                    lines: part.lines,
                },
            )),
        }
    }
    dumps.into_iter().map(|(_, dump)| dump).collect()
}
