//! As much of ACPI as is needed to find one table, and to know what a register
//! is (ACPI 6.5, 5.2).
//!
//! The bytes are the firmware's; they are taken for what they say only where
//! their own checksums agree.

use alloc::vec::Vec;

/// Length of the root pointer of ACPI 1.0, and of the part of a later one whose
/// checksum that one covers (5.2.5.3).
pub const ROOT_LEN: usize = 20;
/// Length of a later one.
pub const LONG_ROOT_LEN: usize = 36;
/// Length of the header that each table begins with (5.2.6).
pub const HEADER_LEN: usize = 36;
/// No table that is read here is longer. A length that nobody wrote on purpose
/// must not lead over the end of what is there.
const LONGEST: usize = 64 << 10;

const ROOT_SIGNATURE: [u8; 8] = *b"RSD PTR ";
/// The signature of the table that says where the serial console is.
pub const CONSOLE: [u8; 4] = *b"SPCR";
/// The list of all tables, and that of ACPI 1.0, with the length of their entries.
const LISTS: [([u8; 4], usize); 2] = [(*b"XSDT", 8), (*b"RSDT", 4)];

/// How long the root pointer is that begins so.
pub fn root_len(root: &[u8; ROOT_LEN]) -> usize {
    match root.get(15) {
        Some(2..) => LONG_ROOT_LEN,
        _ => ROOT_LEN,
    }
}

/// Where lists of all tables are, by the root pointer: the first that is one counts.
/// ACPI 1.0 has only the one with short addresses (RSDT).
pub fn list_addresses(root: &[u8]) -> [Option<u64>; 2] {
    [long_list(root), short_list(root)].map(|list| list.filter(|address| *address != 0))
}

fn long_list(root: &[u8]) -> Option<u64> {
    short_list(root)?;
    let whole = root.first_chunk::<LONG_ROOT_LEN>()?;
    let address = u64::from_le_bytes(*whole.get(24..)?.first_chunk()?);
    is_whole(whole).then_some(address)
}

fn short_list(root: &[u8]) -> Option<u64> {
    let first = root.first_chunk::<ROOT_LEN>()?;
    let address = u32::from_le_bytes(*first.get(16..)?.first_chunk()?);
    (first.starts_with(&ROOT_SIGNATURE) && is_whole(first)).then(|| address.into())
}

/// What a table is, and how long, by its header.
pub fn extent(header: &[u8; HEADER_LEN]) -> Option<([u8; 4], usize)> {
    let signature = *header.first_chunk()?;
    let length = u32::from_le_bytes(*header.get(4..)?.first_chunk()?);
    let length = usize::try_from(length).ok()?;
    (HEADER_LEN..=LONGEST)
        .contains(&length)
        .then_some((signature, length))
}

/// The addresses of all tables, in order, by the list of them.
pub fn addresses(list: &[u8]) -> Option<Vec<u64>> {
    let (header, entries) = list.split_first_chunk::<HEADER_LEN>()?;
    let (signature, length) = extent(header)?;
    let (_, each) = LISTS.into_iter().find(|(known, _)| *known == signature)?;
    if length != list.len() || !is_whole(list) || !entries.len().is_multiple_of(each) {
        return None;
    }
    let address = |entry: &[u8]| {
        let bytes = entry.iter().rev();
        bytes.fold(0, |address, byte| address << 8 | u64::from(*byte))
    };
    Some(entries.chunks(each).map(address).collect())
}

/// The I/O port of the serial console that the firmware uses, by its table SPCR
/// (Microsoft's "Serial Port Console Redirection Table", 40 and 44).
pub fn console_port(table: &[u8]) -> Option<u16> {
    let header = table.first_chunk::<HEADER_LEN>()?;
    let known = extent(header)? == (CONSOLE, table.len()) && is_whole(table);
    let address = u64::from_le_bytes(*table.get(44..)?.first_chunk()?);
    let ports = known && table.get(40) == Some(&1);
    u16::try_from(address).ok().filter(|_| ports)
}

/// Whether the bytes add up to nothing, as ACPI's checksums have it.
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
    fn read(&mut self, register: Register) -> Result<u32, Self::Error>;

    /// Writes one; what is above its width is left out.
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

    const SHORT: u32 = 0x7d_1000;

    fn root(revision: u8, list: u64) -> [u8; LONG_ROOT_LEN] {
        let mut bytes = [0; LONG_ROOT_LEN];
        bytes[..8].copy_from_slice(&ROOT_SIGNATURE);
        bytes[15] = revision;
        bytes[16..20].copy_from_slice(&SHORT.to_le_bytes());
        bytes[20] = 36;
        bytes[24..32].copy_from_slice(&list.to_le_bytes());
        seal(&mut bytes[..ROOT_LEN], 8);
        seal(&mut bytes, 32);
        bytes
    }

    fn table(signature: [u8; 4], content: &[u8]) -> Vec<u8> {
        let mut bytes = signature.to_vec();
        bytes.resize(HEADER_LEN, 0);
        bytes.extend(content);
        bytes[4] = u8::try_from(bytes.len()).unwrap();
        seal(&mut bytes, 9);
        bytes
    }

    fn list(addresses: &[u64]) -> Vec<u8> {
        let content: Vec<u8> = addresses.iter().flat_map(|at| at.to_le_bytes()).collect();
        table(*b"XSDT", &content)
    }

    #[test]
    fn the_lists_of_tables_are_found_by_the_root_pointer() {
        let short = Some(u64::from(SHORT));
        let whole = root(2, 0x7e_1000);
        assert_eq!(root_len(whole.first_chunk().unwrap()), LONG_ROOT_LEN);
        assert_eq!(list_addresses(&whole), [Some(0x7e_1000), short]);
        // Nobody's list is at 0.
        assert_eq!(list_addresses(&root(2, 0)), [None, short]);
        for at in 0..LONG_ROOT_LEN {
            let mut damaged = whole;
            damaged[at] ^= 0x40;
            let left = if at < ROOT_LEN { None } else { short };
            assert_eq!(list_addresses(&damaged), [None, left], "{at}");
        }
    }

    /// A named industrial PC has nothing else.
    #[test]
    fn the_short_list_is_found_by_a_root_pointer_of_acpi_1() {
        let root = root(0, 0);
        let first = root.first_chunk().unwrap();
        assert_eq!(root_len(first), ROOT_LEN);
        assert_eq!(list_addresses(first), [None, Some(u64::from(SHORT))]);
        let short = table(*b"RSDT", &[0, 0x10, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        let both = Some([0x1000, 0xffff_ffff].to_vec());
        assert_eq!(addresses(&short), both);
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
        assert_eq!(addresses(&table(*b"XSDT", &[0; 12])), None);
        assert_eq!(addresses(&table(*b"RSDT", &[0; 6])), None);
        assert_eq!(addresses(&table(*b"DSDT", &[0; 8])), None);
    }

    #[test]
    fn the_serial_console_is_at_the_port_that_its_table_says() {
        let mut content = alloc::vec![0; 44];
        content[4] = 1;
        content[8..10].copy_from_slice(&[0xf8, 0x03]);
        assert_eq!(console_port(&table(CONSOLE, &content)), Some(0x3f8));
        assert_eq!(console_port(&table(*b"SPCX", &content)), None);
        content[4] = 0;
        assert_eq!(console_port(&table(CONSOLE, &content)), None);
        assert_eq!(console_port(&table(CONSOLE, &content[..9])), None);
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
        fn any_bytes_are_read_without_harm(bytes: Vec<u8>) {
            let _ = addresses(&bytes);
            let _ = console_port(&bytes);
            prop_assert_eq!(list_addresses(&bytes), [None, None]);
            if let Some(header) = bytes.first_chunk() {
                let _ = extent(header);
            }
        }
    }
}
