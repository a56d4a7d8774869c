//! The keys that this bootshim trusts: a section of its own file.

use crate::console::{Console, say};
use alloc::vec::Vec;
use bootshim::trust::{SECTION_LEN, Section};
use core::ptr;
use images::trust::Trust;

/// Filled in the finished program by `slotctl`.
#[used]
#[unsafe(link_section = ".slotkey")]
static SECTION: [u8; SECTION_LEN] = Section::unfilled();

/// Whose signatures count.
pub fn keys(console: &Console) -> Trust {
    // What the compiler knows of the content is not what lies there. One byte at
    // a time, because a volatile read of all becomes 4096 instructions.
    let section: Vec<u8> = SECTION
        .iter()
        // SAFETY: a reference to a byte of our own static.
        .map(|byte| unsafe { ptr::from_ref(byte).read_volatile() })
        .collect();
    match Section::parse(&section) {
        Ok(section) if section.keys.is_empty() => {
            say!(
                console,
                "no trusted keys in this bootshim (slotctl disk create --trust, or slotctl bootshim trust)"
            );
            section.trust()
        }
        Ok(section) => section.trust(),
        Err(error) => {
            say!(console, "trusts no key: {error}");
            Trust::direct([])
        }
    }
}
