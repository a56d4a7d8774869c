//! From when on: times as `journalctl --since` takes them.

use chrono::{DateTime, Days, Local, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone};
use std::time::SystemTime;

const EXPECTED: &str = "expected a time such as `2026-11-29T16:00:00Z`, or by the clock here \
                        `2026-11-29 16:00`, `16:00`, `today`, `yesterday`, `2h ago`";

/// Reads a time. What is said without its zone is of this controller's.
pub fn parse(text: &str) -> Result<SystemTime, String> {
    let time = at(text.trim(), &Local::now()).ok_or(EXPECTED)?;
    Ok(time.into())
}

fn at<Zone: TimeZone>(text: &str, now: &DateTime<Zone>) -> Option<DateTime<Zone>> {
    let zone = now.timezone();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.with_timezone(&zone));
    }
    if text == "now" {
        return Some(now.clone());
    }
    let ago = text.strip_prefix('-').or(text.strip_suffix(" ago"));
    if let Some(ago) = ago {
        let ago = humantime::parse_duration(ago.trim()).ok()?;
        return now
            .clone()
            .checked_sub_signed(TimeDelta::from_std(ago).ok()?);
    }
    let time = civil(text, now.date_naive())?;
    let here = |time: NaiveDateTime| zone.from_local_datetime(&time).earliest();
    // Where clocks are put forward, an hour is missing.
    here(time).or_else(|| here(time.checked_add_signed(TimeDelta::hours(1))?))
}

/// A day, a time of today, or both.
fn civil(text: &str, today: NaiveDate) -> Option<NaiveDateTime> {
    let day = match text {
        "today" => Some(today),
        "yesterday" => today.checked_sub_days(Days::new(1)),
        _ => NaiveDate::parse_from_str(text, "%Y-%m-%d").ok(),
    };
    if let Some(day) = day {
        return Some(day.and_time(NaiveTime::MIN));
    }
    let (day, time) = match text.split_once(' ') {
        Some((day, time)) => (NaiveDate::parse_from_str(day, "%Y-%m-%d").ok()?, time),
        None => (today, text),
    };
    let formats = ["%H:%M", "%H:%M:%S"];
    let mut times = formats
        .iter()
        .map(|format| NaiveTime::parse_from_str(time, format));
    Some(day.and_time(times.find_map(Result::ok)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::FixedOffset;

    /// What it is at four in the afternoon, two hours east of Greenwich.
    fn read(text: &str) -> Option<String> {
        let zone = FixedOffset::east_opt(2 * 3600).unwrap();
        let now = zone.with_ymd_and_hms(2026, 3, 1, 16, 0, 0).unwrap();
        at(text, &now).map(|time| time.to_rfc3339())
    }

    #[test]
    fn times_are_read_as_journalctl_reads_them() {
        for (text, time) in [
            ("2026-02-27T10:00:00Z", "2026-02-27T12:00:00+02:00"),
            (
                "2026-02-27T10:00:00.5+01:00",
                "2026-02-27T11:00:00.500+02:00",
            ),
            ("2026-02-27 10:00:05", "2026-02-27T10:00:05+02:00"),
            ("2026-02-27 10:00", "2026-02-27T10:00:00+02:00"),
            ("2026-02-27", "2026-02-27T00:00:00+02:00"),
            ("10:00", "2026-03-01T10:00:00+02:00"),
            ("10:00:05", "2026-03-01T10:00:05+02:00"),
            ("now", "2026-03-01T16:00:00+02:00"),
            ("today", "2026-03-01T00:00:00+02:00"),
            ("yesterday", "2026-02-28T00:00:00+02:00"),
            ("-2h", "2026-03-01T14:00:00+02:00"),
            ("2h ago", "2026-03-01T14:00:00+02:00"),
            ("2 hours ago", "2026-03-01T14:00:00+02:00"),
            ("1h 30min ago", "2026-03-01T14:30:00+02:00"),
            ("90d ago", "2025-12-01T16:00:00+02:00"),
        ] {
            assert_eq!(read(text).as_deref(), Some(time), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "-",
            "ago",
            " ago",
            "2h",
            "+2h",
            "tomorrow",
            "banana",
            "2026",
            "2026-13-01",
            "2026-02-30",
            "2026-02-27 25:00",
            "2026-02-27T10:00:00",
            "27.02.2026",
            "-99999999999999999999s",
            "-9999999999999999s",
            "--json",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
