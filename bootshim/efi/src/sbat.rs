//! Which generation of bootshim this is, for shim: where shim starts bootshim, it
//! refuses a generation below the one that it was told (rhboot/shim, `SBAT.md`).
//!
//! The generation rises when, and only when, a release repairs a hole through
//! which something could start that no trusted key signed.

use core::sync::atomic::AtomicU8;

const TEXT: &str = concat!(
    "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\n",
    "bootshim,1,slotctl,bootshim,",
    env!("CARGO_PKG_VERSION"),
    ",docs/threats.md\n",
);

/// Read by shim before the program runs, and by nobody in it.
#[used]
#[unsafe(link_section = ".sbat")]
static SECTION: [u8; TEXT.len()] = bytes();

/// The text itself, not a reference to it.
const fn bytes() -> [u8; TEXT.len()] {
    match TEXT.as_bytes().first_chunk() {
        Some(bytes) => *bytes,
        None => [0; TEXT.len()],
    }
}

/// A byte in the file for the section `.data`, which else holds only what begins
/// as zero: shim refuses a section without bytes ("inside image headers", `pe.c`).
/// The section is named because a linker drops what nobody uses anywhere else.
#[used]
#[unsafe(link_section = ".data")]
static WRITABLE: AtomicU8 = AtomicU8::new(1);
