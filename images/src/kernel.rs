//! What a kernel's PE header says of it and of its EFI stub.

use core::fmt;

/// `Machine` in the COFF header, from the start of the PE header.
const MACHINE: usize = 4;

/// `MajorImageVersion` in the optional header, from the start of the PE header.
const MAJOR_IMAGE_VERSION: usize = 24 + 44;

/// Which processor a program is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processor {
    /// 64-bit x86.
    X64,
    /// 64-bit Arm.
    Arm64,
    /// Another, by its number in the PE specification.
    Other(u16),
}

impl fmt::Display for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::X64 => f.write_str("x86-64"),
            Self::Arm64 => f.write_str("arm64"),
            Self::Other(0x014c) => f.write_str("32-bit x86"),
            Self::Other(0x01c0 | 0x01c2 | 0x01c4) => f.write_str("32-bit Arm"),
            Self::Other(other) => write!(f, "the machine type {other:#06x}"),
        }
    }
}

/// Which processor a program is for. `None` where it is no PE file.
#[must_use]
pub fn processor(program: &[u8]) -> Option<Processor> {
    Some(match field(program, MACHINE)? {
        0x8664 => Processor::X64,
        0xaa64 => Processor::Arm64,
        other => Processor::Other(other),
    })
}

/// Whether a kernel asks for its initrd by `LoadFile2`, the one way in which it is
/// offered: from Linux 5.8 on the image version in the PE header is 1 or more
/// (`LINUX_EFISTUB_MAJOR_VERSION`). `None` where it is no PE file.
#[must_use]
pub fn asks_for_initrd(kernel: &[u8]) -> Option<bool> {
    field(kernel, MAJOR_IMAGE_VERSION).map(|version| version > 0)
}

/// A number that lies so far behind the start of the PE header.
fn field(program: &[u8], at: usize) -> Option<u16> {
    let place = program.strip_prefix(b"MZ")?.get(0x3a..)?.first_chunk()?;
    let header = program.get(usize::try_from(u32::from_le_bytes(*place)).ok()?..)?;
    header.strip_prefix(b"PE\0\0")?;
    let bytes = header.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    fn kernel(version: u8) -> Vec<u8> {
        let mut bytes = vec![0; 256];
        bytes[..2].copy_from_slice(b"MZ");
        bytes[0x3c] = 128;
        bytes[128..132].copy_from_slice(b"PE\0\0");
        bytes[128 + MAJOR_IMAGE_VERSION] = version;
        bytes
    }

    #[test]
    fn the_image_version_says_whether_a_kernel_asks() {
        assert_eq!(asks_for_initrd(&kernel(0)), Some(false));
        assert_eq!(asks_for_initrd(&kernel(1)), Some(true));
        assert_eq!(asks_for_initrd(&kernel(3)[..190]), None);
        assert_eq!(asks_for_initrd(b"MZ"), None);
        assert_eq!(asks_for_initrd(b"no kernel"), None);
    }

    #[test]
    fn a_program_says_which_processor_it_is_for() {
        let of = |machine: u16| {
            let mut bytes = kernel(0);
            bytes[132..134].copy_from_slice(&machine.to_le_bytes());
            processor(&bytes).unwrap()
        };
        assert_eq!(of(0x8664), Processor::X64);
        assert_eq!(of(0xaa64), Processor::Arm64);
        assert_eq!(of(0x014c), Processor::Other(0x014c));
        let words = [of(0x8664), of(0xaa64), of(0x014c), of(0x5064)];
        let words = words.map(|processor| std::format!("{processor}"));
        assert_eq!(
            words,
            ["x86-64", "arm64", "32-bit x86", "the machine type 0x5064"]
        );
        assert_eq!(processor(b"MZ"), None);
        assert_eq!(processor(&kernel(0)[..130]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_answer(mut bytes: Vec<u8>) {
            let _ = (asks_for_initrd(&bytes), processor(&bytes));
            if let Some(start) = bytes.first_chunk_mut() { *start = *b"MZ"; }
            let _ = (asks_for_initrd(&bytes), processor(&bytes));
        }
    }
}
