//! What starts the root: kernel or UKI, and what the command line must not say.

use std::fs::File;
use std::path::Path;
use std::vec::Vec;

use object::pe::ImageNtHeaders64;
use object::read::ReadCache;
use object::read::pe::PeFile;
use object::{Object, ObjectSection};

use super::{Boot, BuildError, Warning};
use crate::manifest::WATCHDOG_MIN;

/// With a petted watchdog a panic must end in the watchdog, and a start must not.
pub(super) fn check_watchdog(cmdline: &str, watchdog_seconds: u32) -> Result<(), BuildError> {
    if (1..WATCHDOG_MIN).contains(&watchdog_seconds) {
        return Err(BuildError::ShortWatchdog(watchdog_seconds));
    }
    let restarts = |word: &&str| word.starts_with("panic=") && *word != "panic=0";
    match cmdline.split_whitespace().find(restarts) {
        Some(word) if watchdog_seconds > 0 => Err(BuildError::PanicWithWatchdog(word.into())),
        _ => Ok(()),
    }
}

pub(super) fn check(boot: &Boot) -> Result<Vec<Warning>, BuildError> {
    match boot {
        Boot::Kernel { kernel, initrd } => {
            if sections(kernel)?.is_none() {
                return Ok(vec![Warning::KernelNoPe(kernel.clone())]);
            }
            let bytes = std::fs::read(kernel).map_err(BuildError::input(kernel))?;
            if initrd.is_some() && crate::kernel::asks_for_initrd(&bytes) == Some(false) {
                return Err(BuildError::NoInitrdAsked(kernel.clone()));
            }
            Ok(Vec::new())
        }
        Boot::Uki(uki) => {
            let sections = sections(uki)?.ok_or_else(|| BuildError::UkiNoPe(uki.clone()))?;
            if sections.iter().any(|name| name == b".cmdline") {
                return Err(BuildError::UkiCmdline(uki.clone()));
            }
            Ok(Vec::new())
        }
    }
}

/// The names of the sections, if it is a PE file.
fn sections(path: &Path) -> Result<Option<Vec<Vec<u8>>>, BuildError> {
    let file = File::open(path).map_err(BuildError::input(path))?;
    let cache = ReadCache::new(file);
    let Ok(pe) = PeFile::<ImageNtHeaders64, _>::parse(&cache) else {
        return Ok(None);
    };
    let names = pe
        .sections()
        .filter_map(|section| section.name_bytes().ok());
    Ok(Some(names.map(<[u8]>::to_vec).collect()))
}
