//! What is allowed and yet probably a mistake.

use std::path::PathBuf;
use std::string::String;

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
    /// Nothing in it is anything that Linux unpacks.
    #[error(
        "initrd {} holds nothing that Linux unpacks: neither a cpio archive (newc) nor one that \
         is compressed",
        .0.display()
    )]
    InitrdUnknown(PathBuf),
    /// Linux unpacks it, and here nothing is known of what it holds.
    #[error(
        "initrd {} is compressed with {_1}: it is stored as it is, and nobody has looked whether \
         it is whole",
        .0.display()
    )]
    InitrdUnchecked(PathBuf, &'static str),
    /// Linux stops there and goes on without the rest.
    #[error(
        "initrd {} holds nothing that Linux unpacks from byte {_1} on; what comes before is used",
        .0.display()
    )]
    InitrdJunk(PathBuf, u64),
    /// It may have been cut where a file ends.
    #[error("the last archive in initrd {} has no end (TRAILER!!!): is it whole?", .0.display())]
    InitrdEndless(PathBuf),
    /// Every slot would have the same root, or none.
    #[error(
        "root={0} on the command line is not the root of the slot that starts: expected \
         root=/dev/mapper/slotctl-root or root=PARTUUID={{slot}}"
    )]
    RootOfNoSlot(String),
    /// Linux would look for a root under the name that is built into it.
    #[error(
        "the command line names no root: expected root=/dev/mapper/slotctl-root or \
         root=PARTUUID={{slot}}"
    )]
    NoRootNamed,
    /// It stays as it is.
    #[error("{0} on the command line is replaced by nothing: only {{slot}} is")]
    UnknownWord(String),
    /// Its order among others is what `dpkg` says, which takes it for a mistake.
    #[error("version {0} does not begin with a digit, which dpkg wants of a version")]
    VersionWithoutDigit(String),
}
