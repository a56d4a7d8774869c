//! What a kernel's PE header says of its EFI stub.

/// `MajorImageVersion` in the optional header, from the start of the PE header.
const MAJOR_IMAGE_VERSION: usize = 24 + 44;

/// Whether a kernel asks for its initrd by `LoadFile2`, the one way in which it is
/// offered: from Linux 5.8 on the image version in the PE header is 1 or more
/// (`LINUX_EFISTUB_MAJOR_VERSION`). `None` where it is no PE file.
#[must_use]
pub fn asks_for_initrd(kernel: &[u8]) -> Option<bool> {
    let at = kernel.strip_prefix(b"MZ")?.get(0x3a..)?.first_chunk()?;
    let header = kernel.get(usize::try_from(u32::from_le_bytes(*at)).ok()?..)?;
    header.strip_prefix(b"PE\0\0")?;
    let version = header.get(MAJOR_IMAGE_VERSION..)?.first_chunk()?;
    Some(u16::from_le_bytes(*version) > 0)
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

    proptest! {
        #[test]
        fn any_bytes_give_an_answer(mut bytes: Vec<u8>) {
            let _ = asks_for_initrd(&bytes);
            if let Some(start) = bytes.first_chunk_mut() { *start = *b"MZ"; }
            let _ = asks_for_initrd(&bytes);
        }
    }
}
