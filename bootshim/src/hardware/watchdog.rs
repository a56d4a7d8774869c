//! The hardware's watchdogs: which there are, for how long one is armed, and what the
//! started system is told: which was armed, for how long, whether it led to this start.
//!
//! Three words in a volatile UEFI variable ([`crate::handover::WATCHDOG_VARIABLE`]),
//! with a space between: the chip or `none`, the period in seconds or 0, and
//! `watchdog`, `other` or `unknown`.

use crate::reset::Cause;
use alloc::string::String;
use core::fmt;
use images::manifest::WATCHDOG_MIN;

/// A chip that bootshim can arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chip {
    /// The watchdog of Intel's 6300ESB.
    I6300esb,
    /// What the firmware describes in ACPI's table WDAT.
    Wdat,
    /// The TCO timer in the chipsets from ICH6 on.
    Tco,
}

/// The period to arm for an image that asks for this one, in seconds. For one that
/// asks for none, where an armed one cannot be stopped: the longest.
pub fn period(asked: u32) -> u32 {
    match asked {
        0 => u32::MAX,
        _ => asked.max(WATCHDOG_MIN),
    }
}

impl Chip {
    /// All of them, in the order in which they are looked for. A machine with a
    /// WDAT has a TCO that Linux leaves alone.
    pub const ALL: [Chip; 3] = [Chip::I6300esb, Chip::Wdat, Chip::Tco];

    /// Its name, as Linux has it.
    pub fn word(self) -> &'static str {
        match self {
            Chip::I6300esb => "i6300esb",
            Chip::Wdat => "wdat_wdt",
            Chip::Tco => "iTCO_wdt",
        }
    }

    /// What is said when it was armed for this period, in seconds, for an image
    /// that asks for that one.
    pub fn armed(self, period: u32, asked: u32) -> String {
        let word = self.word();
        // Of the others, whoever runs can stop them.
        let how = match self {
            Chip::I6300esb => "armed and locked",
            Chip::Wdat | Chip::Tco => "armed",
        };
        let why = match asked {
            1..WATCHDOG_MIN => "the shortest",
            _ if period < asked => "its longest",
            _ => return alloc::format!("watchdog {word} {how}, {period} s"),
        };
        alloc::format!("watchdog {word} {how}, {period} s, {why}; the image asks for {asked} s")
    }
}

/// So often a counter is looked at; with [`LOOK_MILLIS`] between, for two seconds.
const LOOKS: u32 = 40;
/// The longest count of a timer that is armed here is a second.
pub const LOOK_MILLIS: u64 = 50;

/// Whether a watchdog that was armed counts: its counter is looked at until it is
/// another one. `None` where it has none to look at.
pub fn counts(mut counter: impl FnMut() -> Option<u32>, mut wait: impl FnMut()) -> Option<bool> {
    let first = counter()?;
    for _ in 0..LOOKS {
        wait();
        if counter()? != first {
            return Some(true);
        }
    }
    Some(false)
}

/// What bootshim did and found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The chip that was armed before the kernel, and its period in seconds.
    pub armed: Option<(Chip, u32)>,
    /// Whether it led to this start.
    pub last_reset: Cause,
}

impl Report {
    /// Reads the content of the variable.
    pub fn parse(bytes: &[u8]) -> Option<Report> {
        let mut words = core::str::from_utf8(bytes).ok()?.split(' ');
        let (chip, seconds, cause) = (words.next()?, words.next()?, words.next()?);
        let armed = match (chip, seconds.parse().ok()?) {
            ("none", 0) => None,
            (_, 0) => return None,
            (word, seconds) => {
                let chip = Chip::ALL.into_iter().find(|chip| chip.word() == word)?;
                Some((chip, seconds))
            }
        };
        let causes = [Cause::Unknown, Cause::Other, Cause::Watchdog];
        let last_reset = causes.into_iter().find(|known| known.word() == cause)?;
        let report = Report { armed, last_reset };
        // One text for each: no leading zeros, nothing behind it.
        (alloc::format!("{report}").as_bytes() == bytes).then_some(report)
    }

    /// The content of the variable.
    pub fn text(&self) -> String {
        alloc::format!("{self}")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (chip, seconds) = match self.armed {
            Some((chip, seconds)) => (chip.word(), seconds),
            None => ("none", 0),
        };
        // The words that every released slotctl reads.
        let cause = match self.last_reset {
            Cause::PowerOn | Cause::Restart => Cause::Other,
            cause => cause,
        };
        write!(f, "{chip} {seconds} {}", cause.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    #[test]
    fn only_what_nobody_can_stop_is_called_locked_and_a_shorter_period_is_said() {
        let said = [
            (
                Chip::I6300esb.armed(60, 60),
                "watchdog i6300esb armed and locked, 60 s",
            ),
            (Chip::Wdat.armed(61, 60), "watchdog wdat_wdt armed, 61 s"),
            (
                Chip::Tco.armed(613, 900),
                "watchdog iTCO_wdt armed, 613 s, its longest; the image asks for 900 s",
            ),
            (
                Chip::Tco.armed(30, 1),
                "watchdog iTCO_wdt armed, 30 s, the shortest; the image asks for 1 s",
            ),
            (Chip::Tco.armed(30, 30), "watchdog iTCO_wdt armed, 30 s"),
            // Locked for an image that did not start, and does not ask.
            (
                Chip::I6300esb.armed(2046, 0),
                "watchdog i6300esb armed and locked, 2046 s",
            ),
        ];
        for (said, words) in said {
            assert_eq!(said, words);
        }
    }

    #[test]
    fn a_watchdog_that_is_armed_and_stands_still_is_told_from_one_that_counts() {
        let standing = Cell::new(0);
        let found = counts(|| Some(100), || standing.update(|waits| waits + 1));
        assert_eq!((found, standing.get()), (Some(false), LOOKS));
        // A count takes a second.
        let waited = Cell::new(0);
        let counter = || Some(100 - waited.get() / 20);
        let found = counts(counter, || waited.update(|waits| waits + 1));
        assert_eq!((found, waited.get()), (Some(true), 20));
        assert_eq!(counts(|| None, || unreachable!("for nothing")), None);
    }

    #[test]
    fn no_period_is_shorter_than_a_start_takes() {
        let periods = [1, 29, 30, 31, u32::MAX].map(period);
        assert_eq!(periods, [30, 30, 30, 31, u32::MAX]);
        // For one that does not ask.
        assert_eq!(period(0), u32::MAX);
    }

    #[test]
    fn what_is_told_is_read_back_and_nothing_else_is() {
        let chips = Chip::ALL.map(|chip| Some((chip, 60)));
        for armed in chips.into_iter().chain([None]) {
            for last_reset in [Cause::Unknown, Cause::Other, Cause::Watchdog] {
                let report = Report { armed, last_reset };
                assert_eq!(Report::parse(report.text().as_bytes()), Some(report));
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
            "iTCO_wdt 0 other",
            "none 60 other",
            "i6300esb 60 Other",
        ] {
            assert_eq!(Report::parse(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(Report::parse(&[0xff]), None);
    }
}
