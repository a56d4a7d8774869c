//! What starts the root: kernel or unified kernel image, and whether it can start.

use std::path::Path;
use std::vec::Vec;

use object::LittleEndian;
use object::pe::{IMAGE_DIRECTORY_ENTRY_SECURITY, ImageNtHeaders64};
use object::read::pe::PeFile;

use super::{Boot, BuildError, Inputs, Warning};
use crate::kernel::{Processor, asks_for_initrd, processor};

pub(super) fn check(inputs: &Inputs) -> Result<Vec<Warning>, BuildError> {
    let warnings = match &inputs.boot {
        Boot::Kernel { kernel, initrd } => {
            let bytes = read(kernel)?;
            check_processor(kernel, &bytes, inputs.bootshim.as_deref())?;
            if !is_whole(kernel, &bytes)? {
                return Ok(vec![Warning::KernelNoPe(kernel.clone())]);
            }
            if initrd.is_some() && asks_for_initrd(&bytes) == Some(false) {
                return Err(BuildError::NoInitrdAsked(kernel.clone()));
            }
            Vec::new()
        }
        Boot::Uki(uki) => {
            let bytes = read(uki)?;
            check_processor(uki, &bytes, inputs.bootshim.as_deref())?;
            if !is_whole(uki, &bytes)? {
                return Err(BuildError::UkiNoPe(uki.clone()));
            }
            let has = |name: &[u8]| sections(&bytes).iter().any(|section| section.name == name);
            if has(b".cmdline") {
                return Err(BuildError::UkiCmdline(uki.clone()));
            }
            if !has(b".linux") {
                return Err(BuildError::UkiNoLinux(uki.clone()));
            }
            Vec::new()
        }
    };
    Ok(warnings)
}

fn read(path: &Path) -> Result<Vec<u8>, BuildError> {
    std::fs::read(path).map_err(BuildError::input(path))
}

/// There is a bootshim for two processors, and the one in the image has to be for that
/// of the kernel.
fn check_processor(kernel: &Path, bytes: &[u8], bootshim: Option<&Path>) -> Result<(), BuildError> {
    let Some(found) = processor(bytes) else {
        return Ok(());
    };
    let bootshim = bootshim.map(read).transpose()?;
    let wanted = bootshim.and_then(|bytes| processor(&bytes));
    if matches!(found, Processor::Other(_)) || wanted.is_some_and(|wanted| wanted != found) {
        return Err(BuildError::OtherProcessor {
            path: kernel.into(),
            found,
            wanted,
        });
    }
    Ok(())
}

/// Whether it is a PE file; one that is has to have all that its header says.
fn is_whole(path: &Path, bytes: &[u8]) -> Result<bool, BuildError> {
    let Ok(pe) = PeFile::<ImageNtHeaders64>::parse(bytes) else {
        return Ok(false);
    };
    // Of all that is in the file, signatures are no section, and come last.
    let signatures = pe.data_directory(IMAGE_DIRECTORY_ENTRY_SECURITY);
    let signatures = signatures.map(|table| {
        let start = u64::from(table.virtual_address.get(LittleEndian));
        start.saturating_add(u64::from(table.size.get(LittleEndian)))
    });
    let ends = sections(bytes).into_iter().map(|section| section.end);
    let needed = ends.chain(signatures).max().unwrap_or(0);
    let found = bytes.len() as u64;
    if needed > found {
        return Err(BuildError::KernelCut {
            path: path.into(),
            needed,
            found,
        });
    }
    Ok(true)
}

/// A section of a PE file.
struct Section {
    name: Vec<u8>,
    /// Where its bytes end in the file.
    end: u64,
}

/// None, where it is no PE file.
fn sections(bytes: &[u8]) -> Vec<Section> {
    let Ok(pe) = PeFile::<ImageNtHeaders64>::parse(bytes) else {
        return Vec::new();
    };
    let sections = pe.section_table();
    let section = |header: &object::pe::ImageSectionHeader| {
        let start = u64::from(header.pointer_to_raw_data.get(LittleEndian));
        Section {
            name: header.raw_name().to_vec(),
            end: start.saturating_add(u64::from(header.size_of_raw_data.get(LittleEndian))),
        }
    };
    sections.iter().map(section).collect()
}
