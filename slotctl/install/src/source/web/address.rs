//! An address on the web, and where a redirect leads from there.
//!
//! What people and servers write is read as leniently as curl reads it: what may
//! not stand in an address is percent-encoded where it does. How a reference is
//! taken is RFC 3986, by a crate.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use controller::code::Code;
use controller::error::{Error, Result};
use iri_string::types::{UriAbsoluteStr, UriReferenceStr, UriString};
use percent_encoding::{percent_decode_str, percent_encode_byte};
use std::borrow::Cow;
use std::ops::Range;
use ureq::http::Uri;

/// What stands anywhere in an address as it is.
const PLAIN: &[u8] = b"-._~!$&'()*+,;=:";
/// What stands as it is in a path and in a query besides.
const PLAIN_BEHIND: &[u8] = b"/?@";

/// An `http://` or `https://` address with a host, and as whom one asks there.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// Without user and password.
    uri: Uri,
    /// `user:password`, as it stands in the address.
    user: Option<String>,
}

impl Address {
    /// Reads what a person wrote.
    pub(super) fn parse(text: &str) -> Result<Address> {
        let written = tidy(text.as_bytes());
        let absolute = UriAbsoluteStr::new(&written).ok();
        absolute
            .and_then(|base| Address::of(&resolve(base, &written)?))
            .ok_or_else(|| {
                let found = format!("{:?} is no address", without_user(text));
                Error::new(Code::BadAddress, found)
                    .expected("expected one such as https://updates.example/plc.slotimg")
            })
    }

    fn of(address: &UriString) -> Option<Address> {
        let scheme = address.scheme_str().to_ascii_lowercase();
        let authority = address.authority_components()?;
        let host = authority.host();
        // In a name, percent-encoding is what nobody can look up.
        if !matches!(scheme.as_str(), "http" | "https") || host.is_empty() || host.contains('%') {
            return None;
        }
        let port = match authority.port().filter(|port| !port.is_empty()) {
            Some(port) => format!(":{}", port.parse::<u16>().ok()?),
            None => String::new(),
        };
        let path = match address.path_str() {
            "" => "/",
            path => path,
        };
        let query = address.query_str();
        let query = query.map_or_else(String::new, |query| format!("?{query}"));
        Some(Address {
            uri: format!("{scheme}://{host}{port}{path}{query}")
                .parse()
                .ok()?,
            user: authority.userinfo().map(str::to_owned),
        })
    }

    /// Where `location` leads from here. User and password go along to the same
    /// server only. `None` for what is no address, or not on the web.
    pub(super) fn join(&self, location: &[u8]) -> Option<Address> {
        let location = tidy(location);
        if location.is_empty() {
            return None;
        }
        let base = self.uri.to_string();
        let mut there = Address::of(&resolve(UriAbsoluteStr::new(&base).ok()?, &location)?)?;
        let (here, other) = (&self.uri, &there.uri);
        let same = here.scheme() == other.scheme()
            && here.host().map(str::to_ascii_lowercase)
                == other.host().map(str::to_ascii_lowercase)
            && port(here) == port(other);
        if same && there.user.is_none() {
            there.user.clone_from(&self.user);
        }
        Some(there)
    }

    /// What is asked for, without user and password.
    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(super) fn is_tls(&self) -> bool {
        is_tls(&self.uri)
    }

    /// The value of `Authorization`, where the address names a user.
    pub(super) fn authorization(&self) -> Option<String> {
        let (user, password) = match self.user.as_deref()?.split_once(':') {
            Some(both) => both,
            None => (self.user.as_deref()?, ""),
        };
        let mut decoded: Vec<u8> = percent_decode_str(user).collect();
        decoded.push(b':');
        decoded.extend(percent_decode_str(password));
        Some(format!("Basic {}", BASE64_STANDARD.encode(decoded)))
    }

    /// The whole address, for a crate that reads addresses strictly.
    pub(super) fn strict(&self) -> String {
        let user = self.user.as_deref();
        let user = user.map_or_else(String::new, |user| format!("{user}@"));
        let scheme = self.uri.scheme_str().unwrap_or_default();
        format!("{scheme}://{user}{}", host_and_port(&self.uri))
    }
}

/// By RFC 3986, 5.2, dots taken out.
fn resolve(base: &UriAbsoluteStr, reference: &str) -> Option<UriString> {
    let reference = UriReferenceStr::new(reference).ok()?;
    let there = reference.resolve_against(base);
    there.ensure_rfc3986_normalizable().ok()?;
    UriString::try_from(there.to_string()).ok()
}

/// A reference in which only what may stand there is not encoded, without what
/// is behind `#`: that is for a reader.
fn tidy(written: &[u8]) -> String {
    let written = written.trim_ascii();
    let written = written.split(|byte| *byte == b'#').next();
    let written = written.unwrap_or_default();
    let authority = authority(written);
    let (before, rest) = written
        .split_at_checked(authority.start)
        .unwrap_or_default();
    let (authority, behind) = rest.split_at_checked(authority.len()).unwrap_or_default();
    let mut out = String::new();
    encode(&mut out, before, PLAIN_BEHIND);
    // The last one: a password may hold another.
    let at = authority.iter().rposition(|byte| *byte == b'@');
    if let Some((user, host)) = at.and_then(|at| authority.split_at_checked(at)) {
        encode(&mut out, user, b"");
        encode(&mut out, host, b"@[]");
    } else {
        encode(&mut out, authority, b"[]");
    }
    encode(&mut out, behind, PLAIN_BEHIND);
    out
}

/// Where user, host and port stand; at the beginning and empty, where there are
/// none.
fn authority(written: &[u8]) -> Range<usize> {
    let special = |byte: &u8| matches!(byte, b':' | b'/' | b'?');
    let scheme = match written.iter().position(special) {
        Some(at) if written.get(at) == Some(&b':') => at.saturating_add(1),
        _ => 0,
    };
    let behind = written.get(scheme..).unwrap_or_default();
    if !behind.starts_with(b"//") {
        return 0..0;
    }
    let start = scheme.saturating_add(2);
    let rest = written.get(start..).unwrap_or_default();
    let length = rest.iter().position(|byte| matches!(byte, b'/' | b'?'));
    start..start.saturating_add(length.unwrap_or(rest.len()))
}

fn encode(out: &mut String, written: &[u8], plain: &[u8]) {
    for (at, byte) in written.iter().enumerate() {
        let next = written.get(at.saturating_add(1)..at.saturating_add(3));
        let encoded = || next.is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
        let stays = byte.is_ascii_alphanumeric()
            || PLAIN.contains(byte)
            || plain.contains(byte)
            || *byte == b'%' && encoded();
        match stays {
            true => out.push(char::from(*byte)),
            false => out.push_str(percent_encode_byte(*byte)),
        }
    }
}

/// For messages.
fn without_user(text: &str) -> Cow<'_, str> {
    match text.rsplit_once('@') {
        Some((_, rest)) => format!("…@{rest}").into(),
        None => text.into(),
    }
}

/// The address as it may be shown.
pub(super) fn shown(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or_default();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    format!("{scheme}://{}{path}", host_and_port(uri))
}

/// The authority without user and password.
pub(super) fn host_and_port(uri: &Uri) -> &str {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    authority.rsplit('@').next().unwrap_or_default()
}

pub(super) fn is_tls(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

/// The port, also where it is not written.
pub(super) fn port(uri: &Uri) -> u16 {
    let default = if is_tls(uri) { 443 } else { 80 };
    uri.port_u16().unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn strict(address: &Address) -> String {
        let path = address.uri.path_and_query().unwrap();
        format!("{}{path}", address.strict())
    }

    fn leads(base: &str, location: &str) -> Option<String> {
        let base = Address::parse(base).unwrap();
        base.join(location.as_bytes()).map(|there| strict(&there))
    }

    #[test]
    fn the_examples_of_the_rfc_lead_where_it_says() {
        // 5.4.1 and 5.4.2, with a scheme of the web.
        for (location, there) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("g#s", "http://a/b/c/g"),
            (";x", "http://a/b/c/;x"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            ("..g", "http://a/b/c/..g"),
            ("./g/.", "http://a/b/c/g/"),
            ("g/../h", "http://a/b/c/h"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("https://b/y", "https://b/y"),
            ("//b:8/y", "http://b:8/y"),
            ("http://[::1]:8/y", "http://[::1]:8/y"),
        ] {
            let found = leads("http://a/b/c/d;p?q", location);
            assert_eq!(found.as_deref(), Some(there), "{location}");
        }
        for nowhere in [
            "",
            "#s",
            "ftp://b/y",
            "http:///y",
            "http:g",
            "g:h",
            "//b c/",
        ] {
            assert_eq!(leads("http://a/x", nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn credentials_go_to_the_same_server_only() {
        for (location, there) in [
            ("/y", "http://me:secret@a/y"),
            ("http://A:80/y", "http://me:secret@A:80/y"),
            ("http://b/y", "http://b/y"),
            ("http://a:81/y", "http://a:81/y"),
            ("https://a/y", "https://a/y"),
            ("http://other@a/y", "http://other@a/y"),
        ] {
            let found = leads("http://me:secret@a/x", location);
            assert_eq!(found.as_deref(), Some(there), "{location}");
        }
    }

    #[test]
    fn what_is_shown_has_no_password() {
        let address = Address::parse("https://me:secret@a:8443/x?y#z").unwrap();
        assert_eq!(shown(address.uri()), "https://a:8443/x?y");
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_password() {
        for wrong in [
            "http://",
            "http:///x",
            "https://a b/",
            "http://:80/",
            "http://a:b/",
            "http://me:secret@a:99999/",
        ] {
            let error = Address::parse(wrong).err().unwrap();
            assert_eq!(error.code, Code::BadAddress, "{wrong}");
            assert!(!error.to_string().contains("secret"));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_lead_nowhere_or_to_an_address_of_the_web(
            location in prop::collection::vec(any::<u8>(), 0..60)
        ) {
            let base = Address::parse("http://a/b/c").unwrap();
            if let Some(there) = base.join(&location) {
                prop_assert!(there.uri().host().is_some_and(|host| !host.is_empty()));
                prop_assert!(matches!(there.uri().scheme_str(), Some("http" | "https")));
            }
        }

        #[test]
        fn what_is_behind_the_host_arrives_as_it_was_written(
            path in "[!-\"$-.0-~äß ]{1,20}"
        ) {
            prop_assume!(path.trim() == path && !path.starts_with('.') && !path.contains(['?', '%', ':']));
            let base = Address::parse("http://a/b/c").unwrap();
            let there = base.join(path.as_bytes()).unwrap();
            let sent = there.uri().path().strip_prefix("/b/").unwrap();
            prop_assert_eq!(percent_decode_str(sent).decode_utf8().unwrap(), path);
        }
    }
}
