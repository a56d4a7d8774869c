//! One `[[check]]`.

use super::{Length, Rules, absolute, accept, length, words};
use crate::mistake::Mistake;
use crate::{Check, Importance, Page, Place, Source, Target};
use controller::code::Code;
use controller::duration;
use serde::Deserialize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;

const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
const DEFAULT: Duration = Duration::from_secs(5);
/// More answers in a row than that nobody waits for.
const ROW_MAX: u32 = 1000;

#[derive(Deserialize)]
#[serde(expecting = "a table")]
pub(super) struct CheckTable {
    pub(super) name: Spanned<String>,
    kind: Spanned<String>,
    target: Spanned<String>,
    interval: Option<Spanned<Length>>,
    timeout: Option<Spanned<Length>>,
    grace: Option<Spanned<Length>>,
    successes: Option<Spanned<u32>>,
    failures: Option<Spanned<u32>>,
    #[serde(default)]
    importance: Importance,
    status: Option<Spanned<u16>>,
    contains: Option<Spanned<String>>,
    ca: Option<Spanned<PathBuf>>,
    max_age: Option<Spanned<Length>>,
    series: Option<Spanned<String>>,
    min: Option<Spanned<f64>>,
    max: Option<Spanned<f64>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Http,
    Tcp,
    Command,
    Systemd,
    Heartbeat,
    Dbus,
    Postgresql,
    Metric,
}

/// As they are written.
const KINDS: [(&str, Kind); 8] = [
    ("http", Kind::Http),
    ("tcp", Kind::Tcp),
    ("command", Kind::Command),
    ("systemd", Kind::Systemd),
    ("heartbeat", Kind::Heartbeat),
    ("dbus", Kind::Dbus),
    ("postgresql", Kind::Postgresql),
    ("metric", Kind::Metric),
];

impl CheckTable {
    pub(super) fn read(&self, rules: &Rules<'_>) -> Result<Check, Mistake> {
        let long_enough = |length| accept(length >= SHORTEST_INTERVAL, "at least 100ms");
        let check = Check {
            name: words(&self.name, 64)?,
            interval: length(self.interval.as_ref(), DEFAULT, long_enough)?,
            timeout: length(self.timeout.as_ref(), DEFAULT, long_enough)?,
            grace: length(self.grace.as_ref(), Duration::ZERO, |_| Ok(()))?,
            successes: in_a_row(self.successes.as_ref())?,
            failures: in_a_row(self.failures.as_ref())?,
            importance: self.importance,
            target: match self.kind() {
                Some(kind) => self.target(kind)?,
                None => self.unknown(rules)?,
            },
        };
        self.must_fit(&check, rules)?;
        Ok(check)
    }

    fn kind(&self) -> Option<Kind> {
        let kind = KINDS.iter().find(|(name, _)| name == self.kind.get_ref());
        kind.map(|(_, kind)| *kind)
    }

    /// A later version may know it: the file is none that is broken.
    fn unknown(&self, rules: &Rules<'_>) -> Result<Target, Mistake> {
        let kind = words(&self.kind, 64)?;
        let known = KINDS.map(|(name, _)| format!("`{name}`")).join(", ");
        let found = format!("kind `{kind}`, which this version does not know");
        let (text, path) = rules.written;
        let mistake = Mistake::new(Some(self.kind.span()), found, known);
        let error = mistake.into_error_of(Code::UnsupportedCheck, text, path);
        Ok(Target::Unknown(error))
    }

    fn target(&self, kind: Kind) -> Result<Target, Mistake> {
        self.must_belong(kind)?;
        let text = words(&self.target, 4096)?;
        let target = match kind {
            Kind::Http => self.http(&text)?,
            Kind::Tcp => tcp(&text).then_some(Target::Tcp(text.clone())),
            Kind::Command => command(&text),
            Kind::Systemd => unit(&text).then_some(Target::Systemd(text.clone())),
            Kind::Heartbeat => self.heartbeat(&text)?,
            Kind::Dbus => bus_name(&text).then_some(Target::Dbus(text.clone())),
            Kind::Postgresql => place(&text).map(Target::Postgresql),
            Kind::Metric => self.metric(&text)?,
        };
        let expected = match kind {
            Kind::Http => {
                "an address such as `http://127.0.0.1:8080/health` or `https://localhost/health`"
            }
            Kind::Tcp => "host and port, such as `127.0.0.1:5432`",
            Kind::Command => {
                "a program by its absolute path, and its arguments with blanks between them"
            }
            Kind::Systemd => "a unit such as `production.service`",
            Kind::Heartbeat => "a file by its absolute path",
            Kind::Dbus => "a name such as `org.example.Production`",
            Kind::Postgresql => {
                "host and port, such as `127.0.0.1:5432`, or a socket such as `/run/postgresql/.s.PGSQL.5432`"
            }
            Kind::Metric => {
                "a file by its absolute path, or an address such as `http://127.0.0.1:9100/metrics`"
            }
        };
        let found = || format!("target {text:?}");
        target.ok_or_else(|| Mistake::new(Some(self.target.span()), found(), expected))
    }

    /// A key of another kind is none that a later version has: somebody expects of it
    /// what it does not do.
    fn must_belong(&self, kind: Kind) -> Result<(), Mistake> {
        let http = [Kind::Http].as_slice();
        let pages = [Kind::Http, Kind::Metric].as_slice();
        let heartbeat = [Kind::Heartbeat].as_slice();
        let metric = [Kind::Metric].as_slice();
        let keys = [
            ("status", at(&self.status), http),
            ("contains", at(&self.contains), http),
            ("ca", at(&self.ca), pages),
            ("max_age", at(&self.max_age), heartbeat),
            ("series", at(&self.series), metric),
            ("min", at(&self.min), metric),
            ("max", at(&self.max), metric),
        ];
        let stranger = |(_, at, kinds): &&(&str, Option<Range<usize>>, &[Kind])| {
            at.is_some() && !kinds.contains(&kind)
        };
        let Some((key, at, kinds)) = keys.iter().find(stranger) else {
            return Ok(());
        };
        let found = format!("`{key}` in a check of the kind `{}`", self.kind.get_ref());
        let whose = KINDS.iter().filter(|(_, kind)| kinds.contains(kind));
        let whose: Vec<String> = whose.map(|(name, _)| format!("`{name}`")).collect();
        let expected = format!("it with {} alone", whose.join(" and "));
        Err(Mistake::new(at.clone(), found, expected))
    }

    fn http(&self, text: &str) -> Result<Option<Target>, Mistake> {
        if let Some(status) = &self.status
            && !(100..600).contains(status.get_ref())
        {
            let found = status.get_ref().to_string();
            return Err(Mistake::new(
                Some(status.span()),
                found,
                "a status of 100 to 599",
            ));
        }
        let status = self.status.as_ref().map(|status| *status.get_ref());
        let contains = self.contains.as_ref().map(|text| words(text, 256));
        let contains = contains.transpose()?;
        Ok(self.page(text)?.map(|page| Target::Http {
            page,
            status,
            contains,
        }))
    }

    fn page(&self, text: &str) -> Result<Option<Page>, Mistake> {
        let scheme = scheme(text);
        let ca = absolute("ca", self.ca.as_ref())?;
        if let Some(given) = &self.ca
            && scheme.as_deref() != Some("https")
        {
            let found = format!("`ca` with {text:?}");
            let expected = "it with an `https://` address alone";
            return Err(Mistake::new(Some(given.span()), found, expected));
        }
        let address = text.to_owned();
        Ok(scheme.map(|_| Page { address, ca }))
    }

    fn heartbeat(&self, text: &str) -> Result<Option<Target>, Mistake> {
        let Some(given) = &self.max_age else {
            return Err(self.lacks(
                "max_age",
                "`max_age`, how long ago it may have been written",
            ));
        };
        // Between two looks nobody sees when it was written.
        let Length(max_age) = *given.get_ref();
        let interval = length(self.interval.as_ref(), DEFAULT, |_| Ok(()))?;
        if max_age < interval {
            let found = duration::spell(max_age);
            let expected = format!("at least the interval of {}", duration::spell(interval));
            return Err(Mistake::new(Some(given.span()), found, expected));
        }
        let file = PathBuf::from(text);
        Ok(file
            .is_absolute()
            .then_some(Target::Heartbeat { file, max_age }))
    }

    fn metric(&self, text: &str) -> Result<Option<Target>, Mistake> {
        let (min, max) = (bound(self.min.as_ref())?, bound(self.max.as_ref())?);
        if min.is_none() && max.is_none() {
            return Err(self.lacks("min or max", "`min`, `max` or both"));
        }
        if let (Some(min), Some(max), Some(given)) = (min, max, &self.max)
            && min > max
        {
            let found = format!("max {max} below min {min}");
            let expected = "bounds that some number is within";
            return Err(Mistake::new(Some(given.span()), found, expected));
        }
        let series = self.series.as_ref().map(|text| words(text, 1024));
        let series = series.transpose()?;
        let page = self.page(text)?.map(Source::Page);
        let file = Path::new(text).is_absolute();
        let source = page.or_else(|| file.then(|| Source::File(PathBuf::from(text))));
        Ok(source.map(|source| Target::Metric {
            source,
            series,
            min,
            max,
        }))
    }

    fn lacks(&self, key: &str, expected: &str) -> Mistake {
        let kind = self.kind.get_ref();
        let found = format!("a check of the kind `{kind}` without {key}");
        Mistake::new(Some(self.kind.span()), found, expected)
    }

    /// What is asked too seldom could never be seen to pass for long enough: every
    /// trial would fail.
    fn must_fit(&self, check: &Check, rules: &Rules<'_>) -> Result<(), Mistake> {
        let watch = rules.watch;
        let passes = check.interval.saturating_mul(check.successes);
        let needed = [check.grace, passes, watch.stable_for]
            .into_iter()
            .fold(Duration::ZERO, Duration::saturating_add);
        if check.importance == Importance::Informative || needed < watch.deadline {
            return Ok(());
        }
        let own = [&self.grace, &self.interval].map(at);
        let place = [at(&self.successes)].into_iter().chain(own);
        let place = place.chain(rules.given.iter().cloned()).flatten().next();
        let mut parts = vec![format!("stable_for {}", duration::spell(watch.stable_for))];
        if !check.grace.is_zero() {
            parts.push(format!("grace {}", duration::spell(check.grace)));
        }
        let times = match check.successes {
            1 => String::new(),
            times => format!("{times} times the "),
        };
        let found = format!(
            "{} and {times}interval {} of check {:?} leave no time before the deadline of {}",
            parts.join(", "),
            duration::spell(check.interval),
            check.name,
            duration::spell(watch.deadline),
        );
        let place = place.or_else(|| Some(self.name.span()));
        Err(Mistake::new(place, found, "less than the deadline in all"))
    }
}

fn at<T>(key: &Option<Spanned<T>>) -> Option<Range<usize>> {
    key.as_ref().map(Spanned::span)
}

fn in_a_row(given: Option<&Spanned<u32>>) -> Result<u32, Mistake> {
    let Some(given) = given else {
        return Ok(1);
    };
    let number = *given.get_ref();
    if (1..=ROW_MAX).contains(&number) {
        return Ok(number);
    }
    let expected = format!("1 to {ROW_MAX}");
    Err(Mistake::new(
        Some(given.span()),
        number.to_string(),
        expected,
    ))
}

fn bound(given: Option<&Spanned<f64>>) -> Result<Option<f64>, Mistake> {
    match given {
        Some(given) if !given.get_ref().is_finite() => {
            let found = given.get_ref().to_string();
            Err(Mistake::new(Some(given.span()), found, "a finite number"))
        }
        given => Ok(given.map(|given| *given.get_ref())),
    }
}

fn scheme(text: &str) -> Option<String> {
    let address: ureq::http::Uri = text.parse().ok()?;
    let scheme = address
        .scheme_str()
        .filter(|scheme| ["http", "https"].contains(scheme));
    let host = address.host().is_some_and(|host| !host.is_empty());
    scheme.filter(|_| host).map(str::to_owned)
}

fn tcp(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let port = port.parse().is_ok_and(|port: u16| port != 0);
    port && !host.is_empty() && !host.contains(char::is_whitespace)
}

fn command(text: &str) -> Option<Target> {
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let absolute = words
        .first()
        .is_some_and(|program| program.starts_with('/'));
    absolute.then_some(Target::Command(words))
}

fn unit(text: &str) -> bool {
    !text.contains(char::is_whitespace) && text.contains('.')
}

/// A well-known name (D-Bus Specification, "Bus names").
fn bus_name(text: &str) -> bool {
    let part = |part: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        !part.is_empty() && part.chars().all(plain) && !part.starts_with(|c: char| c.is_numeric())
    };
    text.len() <= 255 && text.contains('.') && text.split('.').all(part)
}

fn place(text: &str) -> Option<Place> {
    if Path::new(text).is_absolute() {
        // A socket's name is part of its address (unix(7)).
        return (text.len() < 108).then(|| Place::Socket(PathBuf::from(text)));
    }
    tcp(text).then(|| Place::Port(text.to_owned()))
}
