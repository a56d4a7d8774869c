//! As much of ACPI as is needed to find one table, and to know what a register
//! is (ACPI 6.5, 5.2).
//!
//! The bytes are the firmware's; they are taken for what they say only where
//! their own checksums agree.

use alloc::vec::Vec;

/// Length of the root pointer (5.2.5.3).
pub const ROOT_LEN: usize = 36;
/// Length of the header that each table begins with (5.2.6).
pub const HEADER_LEN: usize = 36;
/// No table that is read here is longer. A length that nobody wrote on purpose
/// must not lead over the end of what is there.
const LONGEST: usize = 64 << 10;

const ROOT_SIGNATURE: [u8; 8] = *b"RSD PTR ";
/// What the checksum of ACPI 1.0 covers.
const ROOT_LEN_1: usize = 20;
const TABLES_SIGNATURE: [u8; 4] = *b"XSDT";

/// Where the list of all tables (XSDT) is, by the root pointer.
#[must_use]
pub fn list_address(root: &[u8; ROOT_LEN]) -> Option<u64> {
    let revision = *root.get(15)?;
    let trusted = root.starts_with(&ROOT_SIGNATURE)
        && is_whole(root.get(..ROOT_LEN_1)?)
        && revision >= 2
        && is_whole(root);
    let address = u64::from_le_bytes(*root.get(24..)?.first_chunk()?);
    (trusted && address != 0).then_some(address)
}

/// What a table is, and how long, by its header.
#[must_use]
pub fn extent(header: &[u8; HEADER_LEN]) -> Option<([u8; 4], usize)> {
    let signature = *header.first_chunk()?;
    let length = u32::from_le_bytes(*header.get(4..)?.first_chunk()?);
    let length = usize::try_from(length).ok()?;
    (HEADER_LEN..=LONGEST)
        .contains(&length)
        .then_some((signature, length))
}

/// The addresses of all tables, in order, by the list of them.
#[must_use]
pub fn addresses(list: &[u8]) -> Option<Vec<u64>> {
    let (header, entries) = list.split_first_chunk::<HEADER_LEN>()?;
    if extent(header)? != (TABLES_SIGNATURE, list.len()) || !is_whole(list) {
        return None;
    }
    let (entries, []) = entries.as_chunks::<8>() else {
        return None;
    };
    Some(
        entries
            .iter()
            .map(|entry| u64::from_le_bytes(*entry))
            .collect(),
    )
}

/// Whether the bytes add up to nothing, as ACPI's checksums have it.
#[must_use]
pub fn is_whole(bytes: &[u8]) -> bool {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) == 0
}

/// Where registers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// In memory.
    Memory,
    /// Among the I/O ports.
    Ports,
}

/// How wide one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// 8 bits.
    Byte,
    /// 16 bits.
    Word,
    /// 32 bits.
    Long,
}

impl Width {
    /// In bytes.
    #[must_use]
    pub fn bytes(self) -> u8 {
        match self {
            Width::Byte => 1,
            Width::Word => 2,
            Width::Long => 4,
        }
    }
}

/// One register (5.2.3.2, the generic address structure).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register {
    /// Where.
    pub space: Space,
    /// At which address there.
    pub address: u64,
    /// How it is read and written.
    pub width: Width,
}

/// All registers of a machine.
pub trait Registers {
    /// What goes wrong.
    type Error;

    /// Reads one; what is above its width is zero.
    ///
    /// # Errors
    /// The machine's.
    fn read(&mut self, register: Register) -> Result<u32, Self::Error>;

    /// Writes one; what is above its width is left out.
    ///
    /// # Errors
    /// The machine's.
    fn write(&mut self, register: Register, value: u32) -> Result<(), Self::Error>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Makes `bytes` add up to nothing by the byte at `at`.
    fn seal(bytes: &mut [u8], at: usize) {
        bytes[at] = 0;
        let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        bytes[at] = sum.wrapping_neg();
    }

    fn root(revision: u8, list: u64) -> [u8; ROOT_LEN] {
        let mut bytes = [0; ROOT_LEN];
        bytes[..8].copy_from_slice(&ROOT_SIGNATURE);
        bytes[15] = revision;
        bytes[20] = 36;
        bytes[24..32].copy_from_slice(&list.to_le_bytes());
        seal(&mut bytes[..ROOT_LEN_1], 8);
        seal(&mut bytes, 32);
        bytes
    }

    fn list(addresses: &[u64]) -> Vec<u8> {
        let mut bytes = TABLES_SIGNATURE.to_vec();
        bytes.resize(HEADER_LEN, 0);
        bytes.extend(addresses.iter().flat_map(|address| address.to_le_bytes()));
        bytes[4] = u8::try_from(bytes.len()).unwrap();
        seal(&mut bytes, 9);
        bytes
    }

    #[test]
    fn the_list_of_tables_is_found_by_the_root_pointer() {
        assert_eq!(list_address(&root(2, 0x7e_1000)), Some(0x7e_1000));
        // ACPI 1.0 has no such list, and nobody's list is at 0.
        assert_eq!(list_address(&root(0, 0x7e_1000)), None);
        assert_eq!(list_address(&root(2, 0)), None);
        for at in 0..ROOT_LEN {
            let mut damaged = root(2, 0x7e_1000);
            damaged[at] ^= 0x40;
            assert_eq!(list_address(&damaged), None, "{at}");
        }
    }

    #[test]
    fn the_list_gives_all_tables_in_order_or_none() {
        assert_eq!(addresses(&list(&[])), Some(Vec::new()));
        let both = list(&[0x1000, u64::MAX]);
        assert_eq!(addresses(&both), Some([0x1000, u64::MAX].to_vec()));
        assert_eq!(addresses(&both[..both.len() - 1]), None);
        for at in 0..both.len() {
            let mut damaged = both.clone();
            damaged[at] ^= 1;
            assert_eq!(addresses(&damaged), None, "{at}");
        }
        let mut odd = list(&[0x1000]);
        odd.push(0);
        odd[4] += 1;
        seal(&mut odd, 9);
        assert_eq!(addresses(&odd), None);
    }

    #[test]
    fn no_table_is_shorter_than_its_header_or_longer_than_any_that_is_used() {
        let header = |length: u32| {
            let mut bytes = [0; HEADER_LEN];
            bytes[..4].copy_from_slice(b"WDAT");
            bytes[4..8].copy_from_slice(&length.to_le_bytes());
            bytes
        };
        assert_eq!(extent(&header(36)), Some((*b"WDAT", 36)));
        assert_eq!(extent(&header(0x1_0000)), Some((*b"WDAT", 0x1_0000)));
        for length in [0, 35, 0x1_0001, u32::MAX] {
            assert_eq!(extent(&header(length)), None, "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes: Vec<u8>, root: [u8; 32], rest: [u8; 4]) {
            let _ = addresses(&bytes);
            let mut whole = [0; ROOT_LEN];
            whole[..32].copy_from_slice(&root);
            whole[32..].copy_from_slice(&rest);
            prop_assert_eq!(list_address(&whole), None);
            let _ = extent(&whole);
        }
    }
}
