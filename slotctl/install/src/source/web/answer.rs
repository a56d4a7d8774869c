//! What the head of a server's answer says.

use std::ops::Range;
use std::time::Duration;
use ureq::http::{HeaderMap, HeaderName, header};

/// What a server says of the file: nothing that decides, but what explains bytes
/// that are not the image's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    /// A strong entity tag.
    tag: Option<String>,
    modified: Option<String>,
    /// What the body is made of the file with, if it is not the file itself.
    pub(super) coding: Option<String>,
    /// How long the file is.
    pub(super) total: Option<u64>,
}

impl Identity {
    pub(super) fn new(headers: &HeaderMap, total: Option<u64>) -> Identity {
        Identity {
            // A weak one says only that two contents serve the same purpose.
            tag: text(headers, &header::ETAG).filter(|tag| tag.starts_with('"')),
            modified: text(headers, &header::LAST_MODIFIED),
            coding: coding(headers),
            total,
        }
    }

    /// What hints at `other` being another content; `None` if nothing does.
    pub(super) fn differs(&self, other: &Identity) -> Option<String> {
        fn differ<T: PartialEq>(one: Option<&T>, two: Option<&T>) -> Option<bool> {
            Some(one? != two?)
        }
        if differ(self.total.as_ref(), other.total.as_ref()) == Some(true) {
            let (was, is) = (self.total.unwrap_or(0), other.total.unwrap_or(0));
            return Some(format!("once it has {was} bytes, once {is} bytes"));
        }
        if self.coding != other.coding {
            let coding = other.coding.as_ref().or(self.coding.as_ref());
            return coding.map(|coding| format!("one answer sends it as {coding}"));
        }
        let tags = differ(self.tag.as_ref(), other.tag.as_ref());
        // The tag decides where both have one; a date is only as good as a clock.
        let differs = tags.or_else(|| differ(self.modified.as_ref(), other.modified.as_ref()));
        (differs == Some(true)).then(|| match tags {
            Some(_) => "its ETag is another".to_owned(),
            None => "it was modified".to_owned(),
        })
    }
}

/// Which bytes an answer has, and how long the whole file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ContentRange {
    /// `None` where the server has nothing of what was asked for.
    pub(super) bytes: Option<Range<u64>>,
    pub(super) total: Option<u64>,
}

/// `Content-Range: bytes 0-99/1234`, or `bytes */1234`.
pub(super) fn content_range(headers: &HeaderMap) -> Option<ContentRange> {
    let value = text(headers, &header::CONTENT_RANGE)?;
    let (range, total) = value.strip_prefix("bytes ")?.trim().split_once('/')?;
    let total = match total {
        "*" => None,
        total => Some(number(total)?),
    };
    let bytes = match range {
        "*" => None,
        range => {
            let (first, last) = range.split_once('-')?;
            let bytes = number(first)?..number(last)?.checked_add(1)?;
            if bytes.is_empty() || total.is_some_and(|total| bytes.end > total) {
                return None;
            }
            Some(bytes)
        }
    };
    Some(ContentRange { bytes, total })
}

pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    number(&text(headers, &header::CONTENT_LENGTH)?)
}

/// Of the codings those that change bytes. What object stores say of uploads is
/// none.
fn coding(headers: &HeaderMap) -> Option<String> {
    let said = text(headers, &header::CONTENT_ENCODING)?.to_ascii_lowercase();
    let codings = said.split(',').map(str::trim);
    let codings = codings.filter(|one| !matches!(*one, "" | "identity" | "none" | "aws-chunked"));
    let codings: Vec<&str> = codings.collect();
    (!codings.is_empty()).then(|| codings.join(", "))
}

/// Whether the body is several parts with heads of their own.
pub(super) fn is_multipart(headers: &HeaderMap) -> bool {
    text(headers, &header::CONTENT_TYPE)
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("multipart/"))
}

pub(super) fn is_chunked(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING)
}

/// As it came: not only what may stand in an address stands there.
pub(super) fn location(headers: &HeaderMap) -> &[u8] {
    headers
        .get(header::LOCATION)
        .map_or(b"", |value| value.as_bytes())
}

/// How long the server wishes not to be asked: seconds, or a date, of which
/// `now` (seconds since 1970) is taken away.
pub(super) fn retry_after(headers: &HeaderMap, now: i64) -> Option<Duration> {
    let value = text(headers, &header::RETRY_AFTER)?;
    if let Some(seconds) = number(&value) {
        return Some(Duration::from_secs(seconds));
    }
    let date = chrono::NaiveDateTime::parse_from_str(&value, "%a, %d %b %Y %H:%M:%S GMT").ok()?;
    let left = date.and_utc().timestamp().saturating_sub(now);
    Some(Duration::from_secs(u64::try_from(left).unwrap_or(0)))
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    Some(value.to_owned())
}

/// `parse` alone would take a plus sign.
fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
        let pairs = lines
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()));
        pairs.collect()
    }

    #[test]
    fn a_content_range_is_read_and_a_malformed_one_is_none() {
        let read = |value| content_range(&headers(&[(header::CONTENT_RANGE, value)]));
        let range = |bytes, total| Some(ContentRange { bytes, total });
        assert_eq!(read("bytes 0-99/1234"), range(Some(0..100), Some(1234)));
        assert_eq!(read("bytes 5-5/*"), range(Some(5..6), None));
        assert_eq!(read("bytes */0"), range(None, Some(0)));
        for wrong in [
            "",
            "bytes",
            "bytes 0-99",
            "bytes 9-1/100",
            "bytes 0-100/100",
            "bytes +0-9/100",
            "bytes 0-18446744073709551615/*",
            "items 0-9/10",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_server_asks_for_a_pause_in_seconds_or_by_a_date() {
        let read = |value| retry_after(&headers(&[(header::RETRY_AFTER, value)]), 784_111_777);
        assert_eq!(read("120"), Some(Duration::from_secs(120)));
        let soon = "Sun, 06 Nov 1994 08:49:47 GMT";
        assert_eq!(read(soon), Some(Duration::from_secs(10)));
        let past = "Sun, 06 Nov 1994 08:00:00 GMT";
        assert_eq!(read(past), Some(Duration::ZERO));
        assert_eq!(read("soon"), None);
    }

    #[test]
    fn a_file_seems_another_by_its_length_its_coding_its_strong_tag_or_else_its_date() {
        let of = |tag, date, total| {
            let lines = [(header::ETAG, tag), (header::LAST_MODIFIED, date)];
            Identity::new(&headers(&lines), Some(total))
        };
        let first = of("\"a\"", "today", 5);
        assert_eq!(first.differs(&first), None);
        assert_eq!(first.differs(&of("\"a\"", "later", 5)), None);
        assert!(first.differs(&of("\"b\"", "today", 5)).is_some());
        assert!(first.differs(&of("\"a\"", "today", 6)).is_some());
        assert_eq!(first.differs(&of("W/\"b\"", "today", 5)), None);
        assert!(first.differs(&of("W/\"b\"", "later", 5)).is_some());
        let packed = Identity {
            coding: Some("gzip".into()),
            ..first.clone()
        };
        assert!(
            first
                .differs(&packed)
                .is_some_and(|why| why.contains("gzip"))
        );
    }

    #[test]
    fn a_coding_is_what_changes_bytes() {
        let read = |value| coding(&headers(&[(header::CONTENT_ENCODING, value)]));
        for none in [
            "",
            "identity",
            "Identity",
            "none",
            "aws-chunked",
            "AWS-Chunked, identity",
        ] {
            assert_eq!(read(none), None, "{none}");
        }
        assert_eq!(read("gzip, aws-chunked").as_deref(), Some("gzip"));
        assert_eq!(read("BR").as_deref(), Some("br"));
    }
}
