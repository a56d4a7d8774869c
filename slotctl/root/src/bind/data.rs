//! The data partition: checked, made where it is blank, mounted; or memory in its place.

use super::failed;
use controller::code::Code;
use controller::disk::Disk;
use controller::error::{Error, Result};
use nix::mount::{MsFlags, mount};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where ext4 has its magic number, and which.
const MAGIC_AT: usize = 1080;
const MAGIC: [u8; 2] = [0x53, 0xef];
/// A partition that begins with so many zeros has never been used.
const BLANK: u64 = 1 << 20;

/// Where mke2fs and e2fsck lie: an initramfs may have no search path.
const PROGRAMS: &str = "/usr/sbin:/sbin:/usr/bin:/bin";
/// From here on e2fsck has left something that a person must look at.
const LEFT_UNCORRECTED: i32 = 4;

/// Mounts it; its node.
pub(super) fn mount_at(disk: &Disk, place: &Path) -> Result<PathBuf> {
    let node = disk.data_node()?;
    let begin = begin(&node).map_err(|error| failed("reading", &node, error))?;
    if begin.iter().all(|byte| *byte == 0) {
        make(&node)?;
    } else if begin.get(MAGIC_AT..MAGIC_AT + MAGIC.len()) == Some(MAGIC.as_slice()) {
        check(&node)?;
    } else {
        let found = format!("{} holds no ext4 and is not blank", node.display());
        return Err(Error::new(Code::BadState, found)
            .advice("save what is on it, and fill its first MiB with zeros"));
    }
    let flags = MsFlags::MS_NOATIME | MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
    mount(Some(&node), place, Some("ext4"), flags, None::<&str>)
        .map_err(|errno| failed("mounting", &node, errno.into()))?;
    Ok(node)
}

/// Mounts memory.
pub(super) fn mount_memory(place: &Path) -> Result<()> {
    let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
    mount(
        Some("slotctl"),
        place,
        Some("tmpfs"),
        flags,
        Some("mode=0755"),
    )
    .map_err(|errno| failed("mounting", place, errno.into()))
}

fn begin(node: &Path) -> io::Result<Vec<u8>> {
    let mut begin = Vec::new();
    File::open(node)?.take(BLANK).read_to_end(&mut begin)?;
    Ok(begin)
}

fn program(name: &str) -> Command {
    let mut program = Command::new(name);
    program.env("PATH", PROGRAMS);
    program
}

fn make(node: &Path) -> Result<()> {
    let made = program("mke2fs")
        .args(["-q", "-t", "ext4", "-L", bootshim::layout::DATA_NAME])
        .arg(node)
        .output();
    let made = made.map_err(|error| failed("running mke2fs on", node, error))?;
    if made.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&made.stderr).trim().to_owned();
    Err(Error::new(
        Code::Io,
        format!("mke2fs on {}: {said}", node.display()),
    ))
}

/// Mends what can be mended without a person. Without e2fsck the kernel's journal has to do.
fn check(node: &Path) -> Result<()> {
    let checked = match program("e2fsck").arg("-p").arg(node).output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        checked => checked.map_err(|error| failed("running e2fsck on", node, error))?,
    };
    match checked.status.code() {
        Some(code) if code < LEFT_UNCORRECTED => Ok(()),
        _ => {
            let said = String::from_utf8_lossy(&checked.stdout);
            let last = said.trim().lines().last().unwrap_or_default().to_owned();
            Err(Error::new(
                Code::BadState,
                format!("{} is damaged: {last}", node.display()),
            )
            .advice("`e2fsck` it by hand"))
        }
    }
}
