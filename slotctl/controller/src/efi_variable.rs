//! Volatile EFI variables, in which bootshim tells something to the system that it
//! starts.

use bootshim::handover::{VARIABLE_VENDOR, WATCHDOG_VARIABLE};
use bootshim::hardware::watchdog::Report;
use std::io;

/// Where Linux shows the variables of the firmware.
const VARIABLES: &str = "/sys/firmware/efi/efivars";
/// BOOTSERVICE_ACCESS and RUNTIME_ACCESS, and not NON_VOLATILE: a variable that
/// the running system could not have made.
const ATTRIBUTES: [u8; 4] = [6, 0, 0, 0];

/// A variable of ours as efivarfs gives it: its attributes in 4 bytes, then what
/// was written. For people; nothing may rest on it.
pub fn raw(name: &str) -> io::Result<Vec<u8>> {
    std::fs::read(format!("{VARIABLES}/{name}-{VARIABLE_VENDOR}"))
}

/// The content of a variable that only bootshim can have made at this start;
/// `None` where it is another one.
pub fn from_bootshim(name: &str) -> io::Result<Option<Vec<u8>>> {
    Ok(content(&raw(name)?).map(<[u8]>::to_vec))
}

/// What bootshim told of the hardware's watchdog, where it told anything.
pub fn watchdog() -> Option<Report> {
    Report::parse(&from_bootshim(WATCHDOG_VARIABLE).ok()??)
}

fn content(variable: &[u8]) -> Option<&[u8]> {
    variable.strip_prefix(&ATTRIBUTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_volatile_variable_is_believed() {
        let with = |attributes: u8| [attributes, 0, 0, 0, b'x'];
        assert_eq!(content(&with(6)), Some(&b"x"[..]));
        for attributes in [0, 2, 3, 7, 0x26] {
            assert_eq!(content(&with(attributes)), None, "{attributes}");
        }
        assert_eq!(content(&[]), None);
    }
}
