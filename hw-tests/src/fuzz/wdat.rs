//! The firmware's table of its watchdog.

use super::input::Input;
use bootshim::hardware::acpi::{Register, Registers};
use bootshim::hardware::wdat::{Action, Wdat};
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
    let Ok(mut table) = Wdat::parse(&bytes) else {
        return;
    };
    let (longest, _) = table.count(u32::MAX);
    let (count, lasts) = table.count(seconds);
    assert!(count <= longest);
    // No sooner than asked for, unless it can do no more.
    assert!(lasts >= seconds || count == longest);
    table.set_period(seconds);
    let mut board = Board(u32::from(seal));
    for action in [Action::SetCountdown, Action::SetRunning] {
        let Ok(_) = table.run(action, &mut board);
    }
    let Ok(answer) = table.run(Action::GetStatus, &mut board);
    assert_eq!(answer.is_some(), reads(&bytes, Action::GetStatus as u8));
}

/// Whether an entry for this action reads; those that write give no answer.
fn reads(table: &[u8], action: u8) -> bool {
    let number = u32::from_le_bytes(*table[64..].first_chunk().unwrap());
    let entries = table[68..].chunks_exact(24).take(number as usize);
    entries
        .map(|entry| (entry[0], entry[1] & 0x7f))
        .any(|(of, instruction)| of == action && instruction <= 1)
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
