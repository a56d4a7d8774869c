//! The file of a root filesystem, of whichever kind.

use std::boxed::Box;
use std::fs::File;
use std::io;
use std::path::Path;

use ext4_view::Ext4;

use super::Root;
use super::erofs::{self, Erofs};
use super::squashfs::Squashfs;
use crate::fields::{u16_at, u32_at};
use crate::read::fill;

/// Where the superblock of erofs and ext4 begins.
const SUPER_AT: usize = 1024;

/// The root filesystem in a file; `None` where it is of a kind that nothing here reads.
///
/// # Errors
/// It cannot be read, or is not as its kind has it.
pub fn open(path: &Path) -> io::Result<Option<Box<dyn Root>>> {
    let mut begin = [0; SUPER_AT + 64];
    let mut file = File::open(path)?;
    fill(&mut file, &mut begin)?;
    let sup = begin.get(SUPER_AT..).unwrap_or_default();
    if u32_at(sup, 0) == erofs::MAGIC {
        return Ok(Some(Box::new(Erofs::open(file)?)));
    }
    if begin.starts_with(b"hsqs") {
        return Ok(Some(Box::new(Squashfs::open(file)?)));
    }
    if u16_at(sup, 0x38) == 0xef53 {
        return Ok(Some(Box::new(Ext4::load(Box::new(file))?)));
    }
    Ok(None)
}
