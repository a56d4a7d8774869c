//! The firmware's table of its watchdog.

use super::input::Input;
use bootshim::acpi::{Register, Registers};
use bootshim::wdat::{Action, Table};
use std::convert::Infallible;

/// Any table gives an answer; one that is used has periods within what it says, and
/// each of its actions comes to an end.
pub fn wdat(data: &[u8]) {
    let mut input = Input(data);
    let (seconds, seal) = (u32::from_le_bytes(input.array()), input.u8());
    let mut bytes = input.0.to_vec();
    if seal & 1 == 0 && bytes.len() > 9 {
        let length = u32::try_from(bytes.len()).unwrap();
        bytes[4..8].copy_from_slice(&length.to_le_bytes());
        bytes[9] = 0;
        let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        bytes[9] = sum.wrapping_neg();
    }
    let Ok(table) = Table::parse(&bytes) else {
        return;
    };
    let (longest, _) = table.count(u32::MAX);
    let (count, lasts) = table.count(seconds);
    assert!(count <= longest);
    // No sooner than asked for, unless it can do no more.
    assert!(lasts >= seconds || count == longest);
    let mut board = Board(u32::from(seal));
    for action in [Action::SetCountdown, Action::SetRunning, Action::GetStatus] {
        let Ok(answer) = table.run(action, count, &mut board);
        assert!(action != Action::GetStatus || answer.is_some() == table.has(action));
    }
}

/// Gives back what was written last.
struct Board(u32);

impl Registers for Board {
    type Error = Infallible;

    fn read(&mut self, register: Register) -> Result<u32, Infallible> {
        Ok(self.0 & (u32::MAX >> (32 - 8 * u32::from(register.width.bytes()))))
    }

    fn write(&mut self, _: Register, value: u32) -> Result<(), Infallible> {
        self.0 = value;
        Ok(())
    }
}

/// A table that is used, as the firmware of a PC could have it.
pub(super) fn encoded() -> Vec<u8> {
    let mut bytes = vec![60, 0, 0, 0, 0];
    bytes.extend(b"WDAT");
    bytes.extend([0; 32]);
    bytes.extend(32_u32.to_le_bytes());
    bytes.extend([0xff, 0, 0xff, 0xff, 0xff, 0, 0, 0]);
    for number in [600_u32, 0x3ff, 4] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend([1, 0, 0, 0]);
    bytes.extend(4_u32.to_le_bytes());
    let entries = [
        (1, 2, 0, 1_u32, 0x3ff_u32),
        (6, 0x83, 0x12, 0, 0x3ff),
        (9, 0x82, 8, 0, 0x800),
        (32, 0, 6, 2, 2),
    ];
    for (action, instruction, port, value, mask) in entries {
        bytes.extend([action, instruction, 0, 0, 1, 0, 0, 2]);
        bytes.extend((0x660_u64 + port).to_le_bytes());
        bytes.extend(value.to_le_bytes());
        bytes.extend(mask.to_le_bytes());
    }
    bytes
}
