//! Lengths of time as people write them: `90s`, `3min`, `1h 30min`.

use std::fmt::Write;
use std::time::Duration;

/// What a length of time looks like, for messages.
pub const EXPECTED: &str = "a duration such as `90s`, `3min` or `1h 30min`, at most 30 days";

/// No time here is longer, so that sums of a few never overflow.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// Reads a length of time in the spelling of systemd. A number without a unit
/// is none: systemd itself takes it for seconds in one place and for something
/// else in another.
pub fn parse(text: &str) -> Option<Duration> {
    humantime::parse_duration(text)
        .ok()
        .filter(|duration| *duration <= LONGEST)
}

/// A length of time as it would be written, down to milliseconds.
pub fn spell(duration: Duration) -> String {
    let (seconds, millis) = (duration.as_secs(), duration.subsec_millis());
    let parts = [
        (seconds / 3600, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
        (u64::from(millis), "ms"),
    ];
    let mut spelled = String::new();
    for (amount, unit) in parts.into_iter().filter(|(amount, _)| *amount > 0) {
        let gap = if spelled.is_empty() { "" } else { " " };
        // Writing into a string does not fail.
        let _ = write!(spelled, "{gap}{amount}{unit}");
    }
    if spelled.is_empty() {
        spelled.push_str("0s");
    }
    spelled
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_as_systemd_writes_them() {
        let table = [
            ("90s", 90),
            ("3min", 180),
            ("1h30min", 5400),
            ("1h 30min", 5400),
            ("2h", 7200),
            ("1d", 86400),
        ];
        for (text, seconds) in table {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("250ms"), Some(Duration::from_millis(250)));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "5",
            "banana",
            "-5s",
            "5 parsecs",
            "31d",
            "99999999999999999999s",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_spelled_is_read_back(millis in 0u64..2_592_000_000) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse(&spell(duration)), Some(duration));
        }
    }
}
