//! What a start needs of the machine's memory, from what is signed.

use core::fmt;

use crate::manifest::{Kind, Manifest};

/// What a start needs at least, in bytes. The kernel unpacks itself besides, and the
/// firmware has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// The kernel, or the unified kernel image.
    pub kernel: u64,
    /// The initrd: needed twice, as bootshim has verified it and as the kernel takes it.
    pub initrd: u64,
    /// The files in it, which Linux unpacks into memory while it has the initrd. One that
    /// is stored compressed has more.
    pub initramfs: u64,
}

impl Need {
    /// Of this image.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Self {
        let length = |kind| manifest.payload(kind).map_or(0, |payload| payload.length);
        // There is one of the two.
        let kernel = length(Kind::Kernel).saturating_add(length(Kind::Uki));
        let initrd = length(Kind::Initrd);
        Self {
            kernel,
            initrd,
            initramfs: initrd,
        }
    }

    /// All of it, in bytes.
    #[must_use]
    pub fn whole(&self) -> u64 {
        let initrd = self.initrd.saturating_mul(2);
        let kernel = self.kernel;
        kernel.saturating_add(initrd).saturating_add(self.initramfs)
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let up = |bytes: u64| bytes.div_ceil(1 << 20);
        write!(
            f,
            "at least {} MiB: the kernel {} MiB",
            up(self.whole()),
            up(self.kernel)
        )?;
        if self.initrd > 0 {
            let (initrd, files) = (up(self.initrd), up(self.initramfs));
            write!(f, ", the initrd {initrd} MiB twice, its files {files} MiB")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn an_initrd_is_needed_twice_and_its_files_once() {
        let need = Need {
            kernel: 8 << 20,
            initrd: (140 << 20) - 5,
            initramfs: (140 << 20) - 5,
        };
        assert_eq!(need.whole(), (428 << 20) - 15);
        assert_eq!(
            need.to_string(),
            "at least 428 MiB: the kernel 8 MiB, the initrd 140 MiB twice, its files 140 MiB"
        );
        let uki = Need {
            kernel: 1,
            initrd: 0,
            initramfs: 0,
        };
        assert_eq!(uki.to_string(), "at least 1 MiB: the kernel 1 MiB");
        let largest = Need {
            kernel: u64::MAX,
            initrd: u64::MAX,
            initramfs: u64::MAX,
        };
        assert_eq!(largest.whole(), u64::MAX);
    }
}
