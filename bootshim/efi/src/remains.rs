//! The page that outlives a restart ([`bootshim::remains`]).

use bootshim::guid::Guid;
use bootshim::remains;
use core::slice;
use uefi::boot::{self, AllocateType, MemoryType};

/// Where it is: low, where it cuts no piece in two that a kernel could want (Linux
/// for x86 goes from 16 MiB on), and beyond what firmware uses before its own memory.
const PLACE: u64 = 3 << 20;
const LEN: usize = 4096;

/// Whether memory still holds what the last start from this disk left there; from now
/// on it does. The page stays reserved, so that no system changes it.
pub fn look(disk: Guid) -> bool {
    if cfg!(not(target_arch = "x86_64")) {
        return false;
    }
    let place = AllocateType::Address(PLACE);
    let Ok(start) = boot::allocate_pages(place, MemoryType::RESERVED, 1) else {
        return false;
    };
    // SAFETY: the page was free and is ours from here on; any byte is one.
    let page = unsafe { slice::from_raw_parts_mut(start.as_ptr(), LEN) };
    let here = remains::are_in(page, disk);
    remains::leave(page, disk);
    here
}
