//! Which serial ports are consoles.
//!
//! On another one there may be a fieldbus, or a drive that takes what it gets for an
//! order. So only those count that the firmware names: by a path among its consoles
//! (UEFI 2.10, 3.3: `ConOut`, `ConOutDev`), or by its table SPCR.

use alloc::vec::Vec;

const END: u8 = 0x7f;
const ACPI: u8 = 2;
/// A serial port, by its parameters, which are no part of its name.
const UART: (u8, u8) = (3, 14);
/// `PNP0501`, a PC's serial port, as a path has it.
const PC_PORT: [u8; 4] = [0xd0, 0x41, 0x01, 0x05];
/// The I/O ports of a PC's serial ports, in the order of their numbers.
const PC_PORTS: [u16; 4] = [0x3f8, 0x2f8, 0x3e8, 0x2e8];

/// A node of a device path, without its length.
type Node<'a> = (u8, u8, &'a [u8]);

/// The nodes of one path, or of several after one another, with their ends.
fn nodes(mut path: &[u8]) -> Vec<Node<'_>> {
    let mut nodes = Vec::new();
    while let Some(([kind, sub, low, high], _)) = path.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        let (Some(data), Some(rest)) = (path.get(4..length), path.get(length..)) else {
            break;
        };
        let data = if (*kind, *sub) == UART { &[] } else { data };
        nodes.push((*kind, *sub, data));
        path = rest;
    }
    nodes
}

/// Whether one of these consoles is a serial port.
pub fn has_serial(consoles: &[u8]) -> bool {
    let mut nodes = nodes(consoles).into_iter();
    nodes.any(|(kind, sub, _)| (kind, sub) == UART)
}

/// Whether one of these consoles is on the port with this path.
pub fn names(consoles: &[u8], port: &[u8]) -> bool {
    let port = nodes(port);
    let port = port.split(|node| node.0 == END).next().unwrap_or_default();
    let consoles = nodes(consoles);
    let mut consoles = consoles.split(|node| node.0 == END);
    !port.is_empty() && consoles.any(|console| console.starts_with(port))
}

/// Whether the port with this path is a PC's at this I/O port.
pub fn is_at(port: &[u8], address: u16) -> bool {
    let number = PC_PORTS.iter().position(|known| *known == address);
    nodes(port).into_iter().any(|(kind, _, data)| {
        let here = data
            .strip_prefix(&PC_PORT)
            .and_then(|rest| rest.first_chunk());
        let here = here.map(|uid| u32::from_le_bytes(*uid));
        kind == ACPI && here.is_some() && here == number.and_then(|n| u32::try_from(n).ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node(kind: u8, sub: u8, data: &[u8]) -> Vec<u8> {
        let length = u8::try_from(4 + data.len()).unwrap();
        [&[kind, sub, length, 0], data].concat()
    }

    /// `PciRoot(0)/Pci(1f,0)/Serial(number)/Uart(baud)`
    fn port(number: u8, baud: u8) -> Vec<u8> {
        let root = node(2, 1, &[0xd0, 0x41, 0x03, 0x0a, 0, 0, 0, 0]);
        let serial = [&PC_PORT[..], &[number, 0, 0, 0]].concat();
        let serial = node(2, 1, &serial);
        [
            root,
            node(1, 1, &[0, 0x1f]),
            serial,
            node(3, 14, &[baud; 15]),
        ]
        .concat()
    }

    fn console(number: u8) -> Vec<u8> {
        [port(number, 1), node(3, 10, &[7; 16])].concat()
    }

    fn screen() -> Vec<u8> {
        node(2, 3, &[0, 1, 0, 0x80])
    }

    const NEXT: [u8; 4] = [END, 1, 4, 0];
    const LAST: [u8; 4] = [END, 0xff, 4, 0];

    #[test]
    fn a_port_with_a_fieldbus_is_no_console_because_the_screen_is_one() {
        let consoles = [&screen()[..], &LAST].concat();
        assert!(!has_serial(&consoles));
        for number in 0..4 {
            let port = [&port(number, 9)[..], &LAST].concat();
            assert!(!names(&consoles, &port));
        }
    }

    #[test]
    fn the_port_that_is_named_is_a_console_whatever_its_speed_and_no_other_is() {
        let consoles = [&screen()[..], &NEXT, &console(1), &LAST].concat();
        assert!(has_serial(&consoles));
        for number in 0..4 {
            let port = [&port(number, 9)[..], &LAST].concat();
            assert_eq!(names(&consoles, &port), number == 1, "{number}");
        }
        assert!(!names(&consoles, &LAST));
        assert!(!names(&consoles, &[]));
    }

    #[test]
    fn a_port_is_known_by_its_address() {
        for (number, address) in (0..).zip(PC_PORTS) {
            let port = port(number, 9);
            assert!(is_at(&port, address));
            assert!(!is_at(&port, address + 8));
            assert!(!is_at(&screen(), address));
        }
    }

    proptest! {
        #[test]
        fn any_paths_are_read_without_harm(consoles: Vec<u8>, port: Vec<u8>, address: u16) {
            let _ = (has_serial(&consoles), names(&consoles, &port), is_at(&port, address));
        }
    }
}
