//! The keys in this very program.

use crate::console::{Console, say};
use alloc::vec::Vec;
use bootshim::trust::{SECTION_LEN, Section};
use images::key::PublicKey;

/// Filled in the finished program by `slotctl`.
#[used]
#[unsafe(link_section = ".slotkey")]
static SECTION: [u8; SECTION_LEN] = Section::unfilled();

/// Whose signatures count.
pub fn keys(console: &Console) -> Vec<PublicKey> {
    // SAFETY: a plain read of our own static; volatile, because what the
    // compiler knows of its content is not what lies there.
    let section = unsafe { (&raw const SECTION).read_volatile() };
    match Section::parse(&section) {
        Ok(section) if section.keys.is_empty() => {
            say!(
                console,
                "no trusted keys in this bootshim (slotctl disk create --trust, or slotctl bootshim trust)"
            );
            Vec::new()
        }
        Ok(section) => section.keys,
        Err(error) => {
            say!(console, "trusts no key: {error}");
            Vec::new()
        }
    }
}
