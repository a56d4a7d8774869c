//! The smallest program that looks like a bootshim.

use bootshim::trust::Section;

const HEADERS: usize = 512;

/// A PE program for a machine type, with an unfilled key section.
#[must_use]
pub fn program(machine: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(b"MZ");
    bytes.resize(60, 0);
    bytes.extend(64u32.to_le_bytes());
    bytes.extend(b"PE\0\0");
    bytes.extend(machine.to_le_bytes());
    bytes.extend(1u16.to_le_bytes()); // sections
    bytes.extend([0; 12]);
    bytes.extend(240u16.to_le_bytes()); // optional header
    bytes.extend(0x0022u16.to_le_bytes());
    bytes.extend(optional_header());
    bytes.extend(b".slotkey");
    for field in [4096u32, 4096, 4096, 512, 0, 0, 0, 0x4000_0040] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.resize(HEADERS, 0);
    bytes.extend(Section::unfilled());
    bytes
}

/// The same for 64-bit x86, with a certificate table behind it.
#[must_use]
pub fn signed() -> Vec<u8> {
    let mut bytes = program(0x8664);
    let end = u32::try_from(bytes.len()).unwrap();
    let entry = 64 + 24 + 112 + 4 * 8;
    bytes[entry..entry + 4].copy_from_slice(&end.to_le_bytes());
    bytes[entry + 4..entry + 8].copy_from_slice(&16u32.to_le_bytes());
    bytes.extend([0; 16]);
    bytes
}

fn optional_header() -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(0x020bu16.to_le_bytes()); // PE32+
    header.resize(32, 0);
    header.extend(4096u32.to_le_bytes()); // alignment in memory
    header.extend(512u32.to_le_bytes()); // and in the file
    header.resize(56, 0);
    header.extend(8192u32.to_le_bytes()); // size in memory
    header.extend(512u32.to_le_bytes()); // size of headers
    header.resize(68, 0);
    header.extend(10u16.to_le_bytes()); // EFI application
    header.resize(108, 0);
    header.extend(16u32.to_le_bytes()); // data directories
    header.resize(240, 0);
    header
}
