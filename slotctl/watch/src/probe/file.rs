//! Files that production writes. They are read by a helper: their disk may hang.

use super::{Outcome, Reading, Trouble, helped, one_line, plain, value_in};
use controller::duration::spell;
use controller::helper::{Answer, Task};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// So much of a file is read, at most.
const FILE_MAX: u64 = 1 << 20;
/// No number is longer.
const NUMBER_MAX: usize = 64;
/// Before a value in the answer of a helper; anything else is what is wrong.
const VALUE: char = '=';

/// The task of a helper: by what it can be seen that a file was written; nothing where
/// there is no file.
pub const LOOK: Task = ("look-at-file", |words| match words {
    [file] => stamp(Path::new(file)),
    _ => Err("no file".to_owned()),
});

/// The task of a helper: the number in a file, in the line of a series.
pub const READ: Task = ("read-number", |words| match words {
    [file] => read(file, None),
    [file, series] => read(file, series.to_str()),
    _ => Err("no file".to_owned()),
});

/// A file that production writes again and again. What counts is that it is seen to
/// change, by a clock that nobody sets: the times in it are those of a clock that may
/// jump for years.
#[derive(Debug)]
pub(super) struct Heartbeat {
    file: PathBuf,
    max_age: Duration,
    seen: Option<Seen>,
}

#[derive(Debug)]
struct Seen {
    stamp: String,
    /// When it was first seen like this.
    since: Instant,
    /// Whether it was seen otherwise before.
    changed: bool,
}

impl Heartbeat {
    pub(super) fn new(file: PathBuf, max_age: Duration) -> Heartbeat {
        let seen = None;
        Heartbeat {
            file,
            max_age,
            seen,
        }
    }

    /// Looks once.
    pub(super) fn ask(&mut self, limit: Duration) -> Outcome {
        let now = Instant::now();
        let stamp = helped(LOOK, [&self.file], limit, self.file.display())?;
        self.judge(now, stamp)
    }

    fn judge(&mut self, now: Instant, stamp: String) -> Outcome {
        let file = self.file.display();
        let missing = stamp.is_empty();
        let seen = match self.seen.take() {
            Some(seen) if seen.stamp == stamp => seen,
            before => Seen {
                stamp,
                since: now,
                changed: before.is_some(),
            },
        };
        let seen = self.seen.insert(seen);
        let age = now.saturating_duration_since(seen.since);
        if missing {
            return Err(Trouble::Fails(format!("it is not there ({file})")));
        }
        match (age <= self.max_age, seen.changed) {
            (true, true) => Ok(()),
            (true, false) => {
                let words = format!("not seen to be written yet ({file})");
                Err(Trouble::Unknown(words))
            }
            (false, _) => {
                let age = spell(Duration::from_secs(age.as_secs()));
                Err(Trouble::Fails(format!("not written for {age} ({file})")))
            }
        }
    }
}

/// The number in a file.
pub(super) fn number(
    file: &Path,
    series: Option<&str>,
    limit: Duration,
) -> Result<Reading, Trouble> {
    let whose = file.display().to_string();
    let words = [Some(file.as_os_str()), series.map(OsStr::new)];
    let said = helped(READ, words.into_iter().flatten(), limit, &whose)?;
    match said.strip_prefix(VALUE) {
        Some(value) => Ok(Reading {
            value: value.to_owned(),
            whose,
        }),
        None => Err(Trouble::Fails(said)),
    }
}

fn stamp(file: &Path) -> Answer {
    match std::fs::metadata(file) {
        Ok(about) => Ok(format!(
            "{} {} {}.{}",
            about.ino(),
            about.size(),
            about.mtime(),
            about.mtime_nsec()
        )),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(format!("{} ({})", plain(&error), file.display())),
    }
}

fn read(file: &OsString, series: Option<&str>) -> Answer {
    let whose = Path::new(file).display();
    let mut text = Vec::new();
    let read = File::open(file).and_then(|file| file.take(FILE_MAX).read_to_end(&mut text));
    match read {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(format!("it is not there ({whose})"));
        }
        Err(error) => return Err(format!("{} ({whose})", plain(&error))),
    }
    let text = String::from_utf8_lossy(&text);
    let Some(value) = value_in(&text, series) else {
        let series = series.unwrap_or_default();
        return Ok(format!("no line {series:?} ({whose})"));
    };
    let value = value.get(..value.floor_char_boundary(NUMBER_MAX));
    Ok(format!("{VALUE}{}", one_line(value.unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(heartbeat: &mut Heartbeat, at: Instant, stamp: &str) -> Outcome {
        heartbeat.judge(at, stamp.to_owned())
    }

    fn heartbeat() -> Heartbeat {
        Heartbeat::new(PathBuf::from("/run/alive"), Duration::from_secs(10))
    }

    #[test]
    fn a_file_passes_for_as_long_as_it_is_seen_to_change_whatever_time_it_bears() {
        let (mut heartbeat, begin) = (heartbeat(), Instant::now());
        let at = |second| begin + Duration::from_secs(second);
        let unknown = "not seen to be written yet (/run/alive)".to_owned();
        let unknown = Err(Trouble::Unknown(unknown));
        assert_eq!(judged(&mut heartbeat, at(0), "1 0 2000000000.0"), unknown);
        assert_eq!(judged(&mut heartbeat, at(5), "1 0 2000000000.0"), unknown);
        // Back by decades, and forward again.
        assert_eq!(judged(&mut heartbeat, at(8), "1 0 10.0"), Ok(()));
        assert_eq!(judged(&mut heartbeat, at(18), "1 0 10.0"), Ok(()));
        assert_eq!(judged(&mut heartbeat, at(19), "1 0 4000000000.0"), Ok(()));
        let old = "not written for 11s (/run/alive)".to_owned();
        let old = Err(Trouble::Fails(old));
        assert_eq!(judged(&mut heartbeat, at(30), "1 0 4000000000.0"), old);
        assert_eq!(judged(&mut heartbeat, at(31), "1 0 4000000001.0"), Ok(()));
    }

    #[test]
    fn a_file_that_the_last_start_has_left_fails_once_it_is_too_old() {
        let (mut heartbeat, begin) = (heartbeat(), Instant::now());
        assert!(judged(&mut heartbeat, begin, "1 0 5.0").is_err());
        let late = judged(&mut heartbeat, begin + Duration::from_secs(11), "1 0 5.0");
        assert!(matches!(late, Err(Trouble::Fails(_))), "{late:?}");
    }

    #[test]
    fn a_file_that_is_not_there_fails_and_passes_as_soon_as_it_is() {
        let (mut heartbeat, begin) = (heartbeat(), Instant::now());
        let missing = Err(Trouble::Fails("it is not there (/run/alive)".to_owned()));
        assert_eq!(judged(&mut heartbeat, begin, ""), missing);
        let later = begin + Duration::from_secs(60);
        assert_eq!(judged(&mut heartbeat, later, "1 0 5.0"), Ok(()));
        assert_eq!(judged(&mut heartbeat, later, ""), missing);
    }

    #[test]
    fn a_file_is_known_by_when_how_much_and_as_what_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("alive");
        assert_eq!(stamp(&file), Ok(String::new()));
        std::fs::write(&file, "1").unwrap();
        let first = stamp(&file).unwrap();
        assert_eq!(stamp(&file), Ok(first.clone()));
        std::fs::write(&file, "12").unwrap();
        assert_ne!(stamp(&file), Ok(first));
        assert!(stamp(&file.join("below")).is_err(), "not a directory");
    }

    #[test]
    fn a_number_is_read_from_a_file_or_it_is_said_what_is_wrong_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers");
        let file = path.clone().into_os_string();
        let whose = path.display();
        assert_eq!(read(&file, None), Ok(format!("it is not there ({whose})")));
        std::fs::write(&path, " 12.5\n").unwrap();
        assert_eq!(read(&file, None), Ok("=12.5".to_owned()));
        std::fs::write(
            &path,
            "# HELP lag\nlag{line=\"1\"} 7 1700000000\nlag_max 9\n",
        )
        .unwrap();
        assert_eq!(read(&file, Some("lag{line=\"1\"}")), Ok("=7".to_owned()));
        assert_eq!(read(&file, Some("lag_max")), Ok("=9".to_owned()));
        assert_eq!(
            read(&file, Some("lag")),
            Ok(format!("no line \"lag\" ({whose})"))
        );
        std::fs::write(&path, "x".repeat(3 << 20)).unwrap();
        assert_eq!(read(&file, None), Ok(format!("={}", "x".repeat(64))));
        assert!(read(&folder.path().as_os_str().to_owned(), None).is_err());
    }
}
