//! Times that come again, in the words of systemd: `Sun 02:00`, `Mon..Fri *-*-1..7 22:30`.
//!
//! The grammar is that of `systemd.time(7)`, section "Calendar Events", without
//! fractions of a second and `@` times, and `systemd-analyze calendar` is what it is
//! tested against. An hour that a clock leaves out when it is put forward is left out
//! here; of an hour that it has twice, the first counts.

mod component;
#[cfg(test)]
mod tests;

use component::{Chain, Range};
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};
use std::fmt;
use std::time::Duration;

/// The years that systemd knows.
const YEARS: Range = Range(1970, 2199);
const MONTHS: Range = Range(1, 12);
const DAYS: Range = Range(1, 31);
/// Counted from the end, no day is more than 28 before it: so far each month goes.
const DAYS_FROM_END: Range = Range(1, 28);
const HOURS: Range = Range(0, 23);
const MINUTES: Range = Range(0, 59);
const SECONDS: Range = Range(0, 59);

/// What stands for a whole expression, and for which.
const WORDS: [(&str, &str); 12] = [
    ("minutely", "*-*-* *:*:00"),
    ("hourly", "*-*-* *:00:00"),
    ("daily", "*-*-* 00:00:00"),
    ("monthly", "*-*-01 00:00:00"),
    ("weekly", "Mon *-*-* 00:00:00"),
    ("yearly", "*-01-01 00:00:00"),
    ("annually", "*-01-01 00:00:00"),
    ("quarterly", "*-01,04,07,10-01 00:00:00"),
    ("semiannually", "*-01,07-01 00:00:00"),
    ("semi-annually", "*-01,07-01 00:00:00"),
    ("biannually", "*-01,07-01 00:00:00"),
    ("bi-annually", "*-01,07-01 00:00:00"),
];

/// How a person may write each day of the week, from Monday on.
const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

/// Why something is no calendar expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is {what}")]
pub struct NoCalendar {
    found: String,
    what: &'static str,
}

fn no(found: &str, what: &'static str) -> NoCalendar {
    let found = found.to_owned();
    NoCalendar { found, what }
}

/// A calendar expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar {
    written: String,
    /// Those that fit; none: each does.
    weekdays: Vec<Weekday>,
    years: Chain,
    months: Chain,
    days: Chain,
    days_from_end: bool,
    hours: Chain,
    minutes: Chain,
    seconds: Chain,
    /// The zone that it names; else the one that is asked with.
    zone: Option<TimeZone>,
}

impl fmt::Display for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Calendar {
    /// Reads an expression.
    ///
    /// # Errors
    /// [`NoCalendar`], with the part of it that is wrong.
    pub fn parse(written: &str) -> Result<Calendar, NoCalendar> {
        let mut calendar = Calendar {
            written: written.to_owned(),
            weekdays: Vec::new(),
            years: Chain::every(),
            months: Chain::every(),
            days: Chain::every(),
            days_from_end: false,
            hours: Chain::only(0),
            minutes: Chain::only(0),
            seconds: Chain::only(0),
            zone: None,
        };
        let mut parts: Vec<&str> = written.split_ascii_whitespace().collect();
        if let [.., last] = parts.as_slice()
            && let Some(zone) = zone(last)
        {
            calendar.zone = Some(zone);
            parts.pop();
        }
        if let [word] = parts.as_slice()
            && let Some((_, meant)) = WORDS
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(word))
        {
            parts = meant.split(' ').collect();
        }
        calendar.read(&parts)?;
        Ok(calendar)
    }

    fn read(&mut self, parts: &[&str]) -> Result<(), NoCalendar> {
        let mut left = parts;
        if left.is_empty() {
            return Err(no(&self.written, "no time"));
        }
        if let [first, rest @ ..] = left
            && first.starts_with(|first: char| first.is_ascii_alphabetic())
        {
            self.weekdays = weekdays(first)?;
            left = rest;
        }
        if let [first, rest @ ..] = left
            && !first.contains(':')
        {
            self.read_date(first)?;
            left = rest;
        }
        if let [first, rest @ ..] = left {
            self.read_time(first)?;
            left = rest;
        }
        match left {
            [] => Ok(()),
            [more, ..] => Err(no(more, "more than weekdays, date, time and zone")),
        }
    }

    fn read_date(&mut self, date: &str) -> Result<(), NoCalendar> {
        let wrong = || no(date, "no date such as *-*-01, 12-24 or *-*~01");
        let (before, day) = date.rsplit_once(['-', '~']).ok_or_else(wrong)?;
        self.days_from_end = date.as_bytes().get(before.len()) == Some(&b'~');
        self.days = match self.days_from_end {
            true => Chain::from_end(day, DAYS_FROM_END),
            false => Chain::parse(day, DAYS),
        }
        .ok_or_else(|| no(day, "no day of a month"))?;
        let (year, month) = match before.split_once('-') {
            Some((year, month)) => (Some(year), month),
            None => (None, before),
        };
        self.months = Chain::parse(month, MONTHS).ok_or_else(|| no(month, "no month, 1 to 12"))?;
        if let Some(year) = year {
            let read = Chain::years(year, YEARS);
            self.years = read.ok_or_else(|| no(year, "no year, 1970 to 2199"))?;
        }
        Ok(())
    }

    fn read_time(&mut self, time: &str) -> Result<(), NoCalendar> {
        let mut fields = time.split(':');
        let mut field = |range, what| {
            let text = fields.next().unwrap_or_default();
            Chain::parse(text, range).ok_or_else(|| no(text, what))
        };
        self.hours = field(HOURS, "no hour, 0 to 23")?;
        self.minutes = field(MINUTES, "no minute, 0 to 59")?;
        if time.matches(':').count() > 1 {
            self.seconds = field(SECONDS, "no second, 0 to 59 and whole")?;
        }
        match fields.next() {
            None => Ok(()),
            Some(more) => Err(no(more, "more than hours, minutes and seconds")),
        }
    }

    /// The first such time later than `after`; `local` is the zone where none is named.
    /// `None`: never again, up to the end of 2199.
    #[must_use]
    pub fn next(&self, after: Timestamp, local: &TimeZone) -> Option<Timestamp> {
        let zone = self.zone.as_ref().unwrap_or(local);
        let now = zone.to_datetime(after);
        // A clock that is put back shows again what it has shown: of two hours at most.
        let from = now.checked_sub(3.hours()).unwrap_or(now);
        let mut date = from.date();
        while i32::from(date.year()) <= YEARS.1 {
            if self.has(date)
                && let Some(found) = self.first_on(date, from, after, zone)
            {
                return Some(found);
            }
            date = self.later_day(date)?;
        }
        None
    }

    /// The next day; where the year or the month does not fit, the first of the next one.
    fn later_day(&self, date: Date) -> Option<Date> {
        let later = if !self.years.has(i32::from(date.year())) {
            date.last_of_year()
        } else if !self.months.has(i32::from(date.month())) {
            date.last_of_month()
        } else {
            date
        };
        later.tomorrow().ok()
    }

    fn has(&self, date: Date) -> bool {
        let day = i32::from(date.day());
        let day = match self.days_from_end {
            true => i32::from(date.days_in_month()) - day + 1,
            false => day,
        };
        self.years.has(i32::from(date.year()))
            && self.months.has(i32::from(date.month()))
            && self.days.has(day)
            && (self.weekdays.is_empty() || self.weekdays.contains(&date.weekday()))
    }

    fn first_on(
        &self,
        date: Date,
        from: DateTime,
        after: Timestamp,
        zone: &TimeZone,
    ) -> Option<Timestamp> {
        let hours = self.hours.of(HOURS);
        let minutes = hours.flat_map(|hour| self.minutes.of(MINUTES).map(move |m| (hour, m)));
        let seconds = minutes.flat_map(|(h, m)| self.seconds.of(SECONDS).map(move |s| (h, m, s)));
        let times = seconds.filter_map(|(h, m, s)| Time::new(h, m, s, 0).ok());
        times
            .map(|time| date.to_datetime(time))
            .filter(|moment| *moment >= from)
            .filter_map(|moment| shown_at(moment, zone))
            .find(|moment| *moment > after)
    }

    /// Begin and end of the time of `length` that begins so and in which `now` lies; else of
    /// the next one. `None`: never again.
    #[must_use]
    pub fn window(
        &self,
        length: Duration,
        now: Timestamp,
        local: &TimeZone,
    ) -> Option<(Timestamp, Timestamp)> {
        let since = now.checked_sub(length).ok()?;
        let begin = self.next(since, local)?;
        Some((begin, begin.checked_add(length).ok()?))
    }
}

/// When a clock of the zone shows this first; `None`: it leaves it out.
fn shown_at(shown: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let found = zone.to_ambiguous_timestamp(shown);
    match found.offset() {
        AmbiguousOffset::Gap { .. } => None,
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => found.earlier().ok(),
    }
}

fn zone(name: &str) -> Option<TimeZone> {
    if name.eq_ignore_ascii_case("utc") {
        return Some(TimeZone::UTC);
    }
    // Else a weekday or a time could be asked of the system's files.
    let named = name.contains('/') && name.starts_with(|first: char| first.is_ascii_uppercase());
    named.then(|| TimeZone::get(name).ok()).flatten()
}

fn weekdays(text: &str) -> Result<Vec<Weekday>, NoCalendar> {
    let mut found = Vec::new();
    for part in text.split(',') {
        let (first, last) = match part.split_once("..").or_else(|| part.split_once('-')) {
            Some((first, last)) => (weekday(first)?, weekday(last)?),
            None => (weekday(part)?, weekday(part)?),
        };
        let days = WEEKDAYS.iter().enumerate();
        let days = days.filter(|(place, _)| (first..=last).contains(place));
        let before = found.len();
        found.extend(days.map(|(_, (_, day))| *day));
        if found.len() == before {
            return Err(no(part, "no range of weekdays: the week begins on Monday"));
        }
    }
    Ok(found)
}

/// Its place in the week.
fn weekday(text: &str) -> Result<usize, NoCalendar> {
    let text = text.to_ascii_lowercase();
    let is = |name: &str| text == name || name.get(..3) == Some(text.as_str());
    let found = WEEKDAYS.iter().position(|(name, _)| is(name));
    found.ok_or_else(|| no(&text, "no day of the week, Mon to Sun"))
}
