//! The time that is written into what is made, so that the same input can give
//! the same bytes; and how a time is written.

use crate::code::Code;
use crate::error::{Error, Result};
use std::env;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A time in seconds since 1970, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date(pub u32);

impl Date {
    /// `SOURCE_DATE_EPOCH` where it is set
    /// (<https://reproducible-builds.org/specs/source-date-epoch/>), else now.
    pub fn from_environment() -> Result<Date> {
        match env::var_os("SOURCE_DATE_EPOCH") {
            Some(value) => Date::parse(&value.to_string_lossy()),
            None => Ok(Date::of(SystemTime::now())),
        }
    }

    fn parse(text: &str) -> Result<Date> {
        text.parse().map(Date).map_err(|_| {
            let found = format!("SOURCE_DATE_EPOCH is {text:?}");
            Error::new(Code::BadDate, found)
                .expected("expected seconds since 1970, at most 4294967295")
        })
    }

    fn of(time: SystemTime) -> Date {
        let seconds = time
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        Date(u32::try_from(seconds).unwrap_or(u32::MAX))
    }
}

/// A time as RFC 3339, in UTC, to the second; a clock outside of the years 1970
/// to 9999 is taken for its nearest end.
#[must_use]
pub fn rfc3339(time: SystemTime) -> String {
    const END_OF_9999: Duration = Duration::from_secs(253_402_300_799);
    let latest = UNIX_EPOCH + END_OF_9999;
    humantime::format_rfc3339_seconds(time.clamp(UNIX_EPOCH, latest)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Exit;

    #[test]
    fn a_clock_that_is_far_off_is_written_all_the_same() {
        let far = UNIX_EPOCH + Duration::from_secs(1 << 40);
        assert_eq!(rfc3339(far), "9999-12-31T23:59:59Z");
        assert_eq!(rfc3339(UNIX_EPOCH), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn the_date_of_a_build_is_a_number_of_seconds_or_refused() {
        assert_eq!(Date::parse("1700000000"), Ok(Date(1_700_000_000)));
        for text in ["", "now", "-1", "1.5", "4294967296"] {
            assert_eq!(Date::parse(text).unwrap_err().exit(), Exit::Usage, "{text}");
        }
    }
}
