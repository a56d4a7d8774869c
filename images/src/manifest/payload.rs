//! One thing that lies in a slot.

use core::fmt;

use crate::Digest;

/// What a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The root filesystem.
    Rootfs,
    /// The verity tree of the root filesystem.
    Verity,
    /// A Linux kernel with an EFI stub.
    Kernel,
    /// The initial RAM disk.
    Initrd,
    /// A unified kernel image: kernel and initial RAM disk in one PE file.
    Uki,
    /// The bootshim that starts this image on trial, and is to stay once it is good.
    Bootshim,
}

impl Kind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Rootfs,
        Self::Verity,
        Self::Kernel,
        Self::Initrd,
        Self::Uki,
        Self::Bootshim,
    ];

    /// The number in a manifest.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Rootfs => 1,
            Self::Verity => 2,
            Self::Kernel => 3,
            Self::Initrd => 4,
            Self::Uki => 5,
            Self::Bootshim => 6,
        }
    }

    /// The kind with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rootfs => "root filesystem",
            Self::Verity => "verity tree",
            Self::Kernel => "kernel",
            Self::Initrd => "initrd",
            Self::Uki => "unified kernel image",
            Self::Bootshim => "bootshim",
        })
    }
}

/// One thing that lies in a slot, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload {
    /// What it is; each kind occurs once at most.
    pub kind: Kind,
    /// Where it begins in the slot, in bytes; a multiple of [`crate::ALIGN`].
    pub offset: u64,
    /// Its length, in bytes; never 0.
    pub length: u64,
    /// BLAKE3 of its bytes.
    pub hash: Digest,
}

impl Payload {
    /// The first byte behind it, unless that leaves 64 bits.
    #[must_use]
    pub fn end(&self) -> Option<u64> {
        self.offset.checked_add(self.length)
    }
}
