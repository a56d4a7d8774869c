//! What the started system is told about the hardware's watchdog: which one was
//! armed, for how long, and whether it led to this start.
//!
//! Three words in a volatile UEFI variable ([`crate::handover::WATCHDOG_VARIABLE`]),
//! with a space between: the chip or `none`, the period in seconds or 0, and
//! `watchdog`, `other` or `unknown`.

use crate::reset::Cause;
use alloc::string::String;
use core::fmt;

/// A chip that bootshim can arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chip {
    /// The watchdog of Intel's 6300ESB.
    I6300esb,
}

impl Chip {
    /// Its name, as Linux has it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Chip::I6300esb => "i6300esb",
        }
    }
}

/// What bootshim did and found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The chip that was armed before the kernel, and its period in seconds.
    pub armed: Option<(Chip, u32)>,
    /// Whether it led to this start.
    pub last_reset: Cause,
}

impl Told {
    /// Reads the content of the variable.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Told> {
        let mut words = core::str::from_utf8(bytes).ok()?.split(' ');
        let (chip, seconds, cause) = (words.next()?, words.next()?, words.next()?);
        let armed = match (chip, seconds.parse().ok()?) {
            ("none", 0) => None,
            ("i6300esb", seconds @ 1..) => Some((Chip::I6300esb, seconds)),
            _ => return None,
        };
        let causes = [Cause::Unknown, Cause::Other, Cause::Watchdog];
        let last_reset = causes.into_iter().find(|known| known.word() == cause)?;
        let told = Told { armed, last_reset };
        // One text for each: no leading zeros, nothing behind it.
        (alloc::format!("{told}").as_bytes() == bytes).then_some(told)
    }

    /// The content of the variable.
    #[must_use]
    pub fn text(&self) -> String {
        alloc::format!("{self}")
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (chip, seconds) = match self.armed {
            Some((chip, seconds)) => (chip.word(), seconds),
            None => ("none", 0),
        };
        write!(f, "{chip} {seconds} {}", self.last_reset.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_read_back_and_nothing_else_is() {
        for armed in [None, Some((Chip::I6300esb, 60))] {
            for last_reset in [Cause::Unknown, Cause::Other, Cause::Watchdog] {
                let told = Told { armed, last_reset };
                assert_eq!(Told::parse(told.text().as_bytes()), Some(told));
            }
        }
        for wrong in [
            "",
            "none 0",
            "none 1 other",
            "none 0 other ",
            "none 00 other",
            "i6300esb 0 other",
            "i6300esb 4294967296 other",
            "tco 60 other",
            "i6300esb 60 Other",
        ] {
            assert_eq!(Told::parse(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(Told::parse(&[0xff]), None);
    }
}
