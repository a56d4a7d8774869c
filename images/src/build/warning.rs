//! What is allowed and yet probably a mistake.

use std::path::PathBuf;

/// What is allowed and yet probably a mistake. Each is one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// Firmware cannot start this kernel.
    #[error(
        "kernel {} is no PE file: firmware starts only kernels with an EFI stub, uncompressed",
        .0.display()
    )]
    KernelNoPe(PathBuf),
    /// The first bytes of the root are not those of a known filesystem.
    #[error("root filesystem {} is neither erofs, squashfs nor ext4", .0.display())]
    RootUnknown(PathBuf),
    /// The root would be written to.
    #[error(
        "root filesystem {} is ext4 with a journal, which Linux replays even on a read-only \
         mount: the slot would no longer verify (make it with `mkfs.ext4 -O ^has_journal`)",
        .0.display()
    )]
    RootJournal(PathBuf),
}
