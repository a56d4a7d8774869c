//! The time that files on the ESP are given: one for all of them, so that the same
//! input gives the same bytes.

use crate::date::Date;
use chrono::{DateTime, Datelike, Timelike};
use fatfs::{Date as FatDate, DateTime as FatTime, Time, TimeProvider};

/// 1980-01-01, before which FAT has no dates.
const FIRST: u32 = 315_532_800;

/// Gives every file the same time.
#[derive(Debug)]
pub(super) struct Clock(FatTime);

impl Clock {
    /// A clock that always says `date`, or the first day of FAT where that is
    /// earlier. The filesystem asks for one that lives for ever; it is tiny.
    pub(super) fn at(date: Date) -> &'static Clock {
        Box::leak(Box::new(Clock(fat_time(date))))
    }
}

impl TimeProvider for Clock {
    fn get_current_date(&self) -> FatDate {
        self.0.date
    }
    fn get_current_date_time(&self) -> FatTime {
        self.0
    }
}

fn fat_time(date: Date) -> FatTime {
    let time = DateTime::from_timestamp(i64::from(date.0.max(FIRST)), 0).unwrap_or_default();
    // A u32 of seconds ends in 2106: every field fits.
    let field = |number: u32| u16::try_from(number).unwrap_or_default();
    FatTime {
        date: FatDate {
            year: u16::try_from(time.year()).unwrap_or(1980),
            month: field(time.month()),
            day: field(time.day()),
        },
        time: Time {
            hour: field(time.hour()),
            min: field(time.minute()),
            sec: field(time.second()),
            millis: 0,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_the_date_that_a_file_bears() {
        for (seconds, expected) in [
            (1_700_000_000, (2023, 11, 14, 22, 13, 20)),
            (0, (1980, 1, 1, 0, 0, 0)),
            (u32::MAX, (2106, 2, 7, 6, 28, 15)),
        ] {
            let FatTime { date, time } = fat_time(Date(seconds));
            assert_eq!(
                (
                    date.year, date.month, date.day, time.hour, time.min, time.sec
                ),
                expected
            );
        }
    }
}
