//! Which watchdog a PC has.

use std::ffi::OsString;

use super::directory::Directory;
use super::{Error, qemu};

/// The watchdog of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watchdog {
    /// An i6300esb on the PCI bus.
    I6300esb,
    /// The TCO timer of the chipset.
    Tco,
    /// The same timer, described by the firmware in ACPI's table WDAT.
    Wdat,
    /// A table WDAT that says that it is switched off.
    WdatOff,
}

/// Without it the chipset's timer runs down and nothing happens.
const TCO_RESETS: [&str; 2] = ["-global", "ICH9-LPC.noreboot=false"];

/// The TCO's I/O ports where OVMF puts them, and the chipset's register that says
/// whether it may reset the machine.
const TCO_RLD: u64 = 0x660;
const TCO2_STS: u64 = TCO_RLD + 0x06;
const TCO1_CNT: u64 = TCO_RLD + 0x08;
const TCO_TMR: u64 = TCO_RLD + 0x12;
const GENERAL_CONTROL: u64 = 0xfed1_f410;

/// The rest of a table behind its header: one count is 0.6 s, 4 to 1023 of them.
pub(crate) fn wdat(enabled: bool) -> Vec<u8> {
    const PORTS: u8 = 1;
    const MEMORY: u8 = 0;
    const READ: u8 = 0;
    const WRITE: u8 = 2;
    const WRITE_COUNT: u8 = 3;
    const KEEP: u8 = 0x80;
    #[rustfmt::skip]
    let entries = [
        (1, WRITE, PORTS, TCO_RLD, 1, 0x3ff),
        (6, WRITE_COUNT | KEEP, PORTS, TCO_TMR, 0, 0x3ff),
        (8, READ, PORTS, TCO1_CNT, 0, 0x800),
        (9, WRITE | KEEP, PORTS, TCO1_CNT, 0, 0x800),
        (10, READ, PORTS, TCO1_CNT, 0x800, 0x800),
        (11, WRITE | KEEP, PORTS, TCO1_CNT, 0x800, 0x800),
        (17, WRITE | KEEP, MEMORY, GENERAL_CONTROL, 0, 0x20),
        (32, READ, PORTS, TCO2_STS, 2, 2),
        // QEMU keeps what is written; in a chipset, a one would clear the bit.
        (33, WRITE, PORTS, TCO2_STS, 0, 2),
    ];
    let mut bytes = Vec::new();
    bytes.extend(32_u32.to_le_bytes());
    bytes.extend([0xff, 0, 0xff, 0xff, 0xff, 0, 0, 0]);
    for number in [600_u32, 0x3ff, 4] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend([u8::from(enabled), 0, 0, 0, 9, 0, 0, 0]);
    for (action, instruction, space, address, value, mask) in entries {
        let (width, code): (u8, u8) = if space == PORTS { (16, 2) } else { (32, 3) };
        bytes.extend([action, instruction, 0, 0, space, width, 0, code]);
        bytes.extend(u64::to_le_bytes(address));
        bytes.extend(u32::to_le_bytes(value));
        bytes.extend(u32::to_le_bytes(mask));
    }
    bytes
}

impl Watchdog {
    /// What QEMU is told of it.
    pub(super) fn arguments(self, directory: &Directory) -> Result<Vec<OsString>, Error> {
        let words = |words: [&str; 2]| words.map(OsString::from).to_vec();
        Ok(match self {
            Watchdog::I6300esb => words(["-device", "i6300esb"]),
            Watchdog::Tco => words(TCO_RESETS),
            Watchdog::Wdat | Watchdog::WdatOff => {
                let table = directory.file("wdat", &wdat(self == Watchdog::Wdat))?;
                let mut arguments = words(TCO_RESETS);
                arguments.push("-acpitable".into());
                arguments.push(qemu::drive("sig=WDAT,data=", &table));
                arguments
            }
        })
    }
}
