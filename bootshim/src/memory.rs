//! What a start needs of the machine's memory, held against what is free.
//!
//! The kernel asks for its initrd when it has put itself somewhere, and it chooses
//! that place by chance: in the middle, it may leave no piece that is large enough.
//! Where that cannot be ruled out beside bootshim's own copy, bootshim keeps none,
//! and reads the initrd into the kernel's memory when it asks.

use core::fmt;

/// Bytes of a page in the firmware's map (UEFI 2.10, 7.2).
const PAGE: u64 = 4096;
/// `EfiConventionalMemory`.
const CONVENTIONAL: u32 = 7;

/// Memory that nobody uses, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Free {
    /// All of it.
    pub whole: u64,
    /// The largest piece.
    pub largest: u64,
}

impl Free {
    /// By the firmware's memory map, of which each entry takes so many bytes.
    pub fn of(map: &[u8], entry: usize) -> Free {
        let mut free = Free::default();
        // The piece so far, and where it ends.
        let (mut piece, mut end) = (0_u64, None);
        for entry in map.chunks_exact(entry.max(1)) {
            let Some((start, length)) = conventional(entry) else {
                continue;
            };
            let before = if end == Some(start) { piece } else { 0 };
            piece = before.saturating_add(length);
            end = start.checked_add(length);
            free.whole = free.whole.saturating_add(length);
            free.largest = free.largest.max(piece);
        }
        free
    }
}

/// Where a piece of free memory is, and how long.
fn conventional(entry: &[u8]) -> Option<(u64, u64)> {
    let kind = u32::from_le_bytes(*entry.first_chunk()?);
    let start = u64::from_le_bytes(*entry.get(8..)?.first_chunk()?);
    let pages = u64::from_le_bytes(*entry.get(24..)?.first_chunk()?);
    (kind == CONVENTIONAL).then_some((start, pages.saturating_mul(PAGE)))
}

/// A kernel begins at a multiple of this.
const BORDER: u64 = 2 << 20;

/// What the firmware's loader makes of it: `SizeOfImage` in the optional header.
fn size_of_image(kernel: &[u8]) -> Option<u64> {
    let at = kernel.strip_prefix(b"MZ")?.get(0x3a..)?.first_chunk()?;
    let header = kernel.get(usize::try_from(u32::from_le_bytes(*at)).ok()?..)?;
    header.strip_prefix(b"PE\0\0")?;
    let size = header.get(24 + 56..)?.first_chunk()?;
    Some(u32::from_le_bytes(*size).into())
}

/// What it unpacks itself into: `init_size` (Linux, Documentation/arch/x86/boot.rst),
/// or `image_size` (Documentation/arch/arm64/booting.rst).
fn unpacked(kernel: &[u8]) -> Option<u64> {
    let pc = kernel
        .get(0x202..)
        .is_some_and(|header| header.starts_with(b"HdrS"));
    if pc {
        let size = kernel.get(0x260..)?.first_chunk()?;
        return Some(u32::from_le_bytes(*size).into());
    }
    let arm = kernel.get(0x38..)?.starts_with(b"ARM\x64");
    let size = kernel.get(0x10..)?.first_chunk()?;
    arm.then(|| u64::from_le_bytes(*size))
}

/// What a start needs, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The kernel, loaded and unpacked.
    pub kernel: u64,
    /// Its initrd.
    pub initrd: u64,
}

impl Need {
    /// Of a kernel, by what it says of itself, and its initrd.
    pub fn of(kernel: &[u8], initrd: u64) -> Need {
        let file = u64::try_from(kernel.len()).unwrap_or(u64::MAX);
        let loaded = size_of_image(kernel).unwrap_or(0).max(file);
        let unpacked = unpacked(kernel).unwrap_or(0);
        let kernel = loaded.saturating_add(unpacked).saturating_add(BORDER);
        Need { kernel, initrd }
    }

    /// What has to be free in one piece so that a kernel finds room for its initrd
    /// wherever in it it puts itself.
    pub fn in_one_piece(&self) -> u64 {
        self.kernel.saturating_add(self.initrd.saturating_mul(2))
    }

    /// What is to be done about the initrd.
    pub fn room(&self, free: Free) -> Room {
        let need = self.in_one_piece();
        if free.largest >= need.saturating_add(self.initrd) {
            Room::Plenty
        } else if free.largest >= need {
            Room::ForOne
        } else {
            Room::ByChance
        }
    }
}

/// Whether there is room for the initrd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// For bootshim's copy and the kernel's, wherever the kernel puts itself.
    Plenty,
    /// For the kernel's alone.
    ForOne,
    /// Perhaps for the kernel's, where the kernel puts itself well.
    ByChance,
}

/// What is said where memory is short.
#[derive(Clone, Copy, Debug)]
pub struct Short {
    /// What the start needs.
    pub need: Need,
    /// What it finds.
    pub free: Free,
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Short { need, free } = self;
        write!(
            f,
            "memory is short: {free}, the kernel takes {} MiB and its initrd {} MiB",
            up(need.kernel),
            up(need.initrd),
        )?;
        if need.room(*free) == Room::ByChance {
            let sure = up(need.in_one_piece());
            write!(f, "; only {sure} MiB in one piece are certain to do")?;
        }
        Ok(())
    }
}

impl fmt::Display for Free {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Free { whole, largest } = self;
        write!(
            f,
            "{} MiB free, {} MiB of them in one piece",
            whole >> 20,
            largest >> 20
        )
    }
}

/// In MiB, rounded up.
fn up(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;
    const ENTRY: usize = 48;

    fn map(entries: &[(u32, u64, u64)]) -> Vec<u8> {
        let entry = |(kind, start, mib): &(u32, u64, u64)| {
            let mut bytes = [0; ENTRY];
            bytes[..4].copy_from_slice(&kind.to_le_bytes());
            bytes[8..16].copy_from_slice(&(start * MIB).to_le_bytes());
            bytes[24..32].copy_from_slice(&(mib * MIB / PAGE).to_le_bytes());
            bytes
        };
        entries.iter().flat_map(entry).collect()
    }

    #[test]
    fn only_what_nobody_uses_is_free_and_pieces_that_touch_are_one() {
        let map = map(&[
            (CONVENTIONAL, 1, 7),
            (2, 8, 100),
            (CONVENTIONAL, 108, 20),
            (CONVENTIONAL, 128, 30),
            (4, 158, 10),
            (CONVENTIONAL, 168, 40),
        ]);
        let free = Free::of(&map, ENTRY);
        assert_eq!((free.whole, free.largest), (97 * MIB, 50 * MIB));
    }

    #[test]
    fn the_second_copy_goes_before_it_is_left_to_chance_whether_the_kernel_starts() {
        let need = Need {
            kernel: 60 * MIB,
            initrd: 140 * MIB,
        };
        let room = |largest: u64| {
            let largest = largest * MIB;
            let whole = largest + 9 * MIB;
            need.room(Free { whole, largest })
        };
        assert_eq!(room(480), Room::Plenty);
        assert_eq!(room(479), Room::ForOne);
        assert_eq!(room(340), Room::ForOne);
        assert_eq!(room(339), Room::ByChance);
    }

    #[test]
    fn a_kernel_says_what_it_needs_loaded_and_unpacked() {
        let mut kernel = alloc::vec![0; 0x400];
        kernel[..2].copy_from_slice(b"MZ");
        kernel[0x3c..0x3e].copy_from_slice(&[0x80, 2]);
        kernel[0x280..0x284].copy_from_slice(b"PE\0\0");
        kernel[0x280 + 80..0x280 + 84].copy_from_slice(&0x3_0000_u32.to_le_bytes());
        let need = |kernel: &[u8]| Need::of(kernel, 7).kernel;
        assert_eq!(need(&kernel), BORDER + 0x3_0000);
        kernel[0x202..0x206].copy_from_slice(b"HdrS");
        kernel[0x260..0x264].copy_from_slice(&0x5_0000_u32.to_le_bytes());
        assert_eq!(need(&kernel), BORDER + 0x8_0000);
        let mut arm = alloc::vec![0; 64];
        arm[0x38..0x3c].copy_from_slice(b"ARM\x64");
        arm[0x10] = 0xff;
        assert_eq!(need(&arm), BORDER + 64 + 0xff);
        assert_eq!(need(b"no kernel"), BORDER + 9);
    }

    /// What the kernel does, in every place that it may choose.
    #[test]
    fn what_is_called_enough_is_enough_wherever_the_kernel_puts_itself() {
        for (kernel, initrd) in [(60, 140), (60, 16), (10, 10), (1, 0)] {
            let need = Need { kernel, initrd };
            let hole = need.in_one_piece();
            for place in 0..=hole - kernel {
                let rest = place.max(hole - kernel - place);
                assert!(rest >= initrd, "{place} of {hole}");
            }
        }
    }

    #[test]
    fn what_is_short_is_said_in_numbers() {
        let need = Need {
            kernel: 60 * MIB - 1,
            initrd: 140 * MIB,
        };
        let said = |largest: u64| {
            let free = Free {
                whole: largest * MIB + 9 * MIB,
                largest: largest * MIB,
            };
            Short { need, free }.to_string()
        };
        assert_eq!(
            said(400),
            "memory is short: 409 MiB free, 400 MiB of them in one piece, \
             the kernel takes 60 MiB and its initrd 140 MiB"
        );
        assert_eq!(
            said(300),
            "memory is short: 309 MiB free, 300 MiB of them in one piece, \
             the kernel takes 60 MiB and its initrd 140 MiB; \
             only 340 MiB in one piece are certain to do"
        );
    }

    proptest! {
        #[test]
        fn any_map_is_read_without_harm(map: Vec<u8>, entry in 0usize..64) {
            let free = Free::of(&map, entry);
            prop_assert!(free.largest <= free.whole);
            let _ = Need::of(&map, 0);
        }
    }
}
