//! An address on the web, and where a redirect leads from there.

use crate::error::{Error, Exit, Result};
use ureq::http::Uri;

/// An `http://` or `https://` address with a host.
pub(super) fn parse(text: &str) -> Result<Uri> {
    // What stands behind # is for a reader.
    let text = text.split('#').next().unwrap_or_default();
    let wrong = || {
        let found = format!("{text:?} is no address");
        Error::new(Exit::Usage, "bad-address", found)
            .expected("expected one such as https://updates.example/plc.slotimg")
    };
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    let host = uri.host().is_some_and(|host| !host.is_empty());
    if scheme && host {
        Ok(uri)
    } else {
        Err(wrong())
    }
}

/// The address as it may be shown: without user and password.
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

/// Where `location` leads from `base`. User and password go along to the same
/// server only. `None` for what is no address, or not on the web.
pub(super) fn join(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next().unwrap_or_default();
    let scheme = base.scheme_str()?;
    let authority = base.authority()?.as_str();
    let path = base.path();
    let text = if location.contains("://") {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if location.starts_with('?') {
        format!("{scheme}://{authority}{path}{location}")
    } else {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{location}")
    };
    let uri = parse(&text).ok()?;
    let same = uri.scheme() == base.scheme()
        && uri.host() == base.host()
        && port(&uri) == port(base)
        && !uri.authority()?.as_str().contains('@');
    if !same {
        return Some(uri);
    }
    let mut parts = uri.into_parts();
    parts.authority = base.authority().cloned();
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(base: &str, location: &str) -> Option<String> {
        join(&parse(base).unwrap(), location).map(|uri| uri.to_string())
    }

    #[test]
    fn a_redirect_is_relative_to_where_it_was_found() {
        for (location, there) in [
            ("https://b/y", "https://b/y"),
            ("//b:8/y", "http://b:8/y"),
            ("/y?z", "http://a:1/y?z"),
            ("y", "http://a:1/p/y"),
            ("?q", "http://a:1/p/x?q"),
            ("/y#part", "http://a:1/y"),
        ] {
            let found = leads("http://a:1/p/x", location);
            assert_eq!(found.as_deref(), Some(there), "{location}");
        }
        assert_eq!(leads("http://a/x", "ftp://b/y"), None);
        assert_eq!(leads("http://a/x", "http:///y"), None);
    }

    #[test]
    fn credentials_go_to_the_same_server_only() {
        for (location, there) in [
            ("/y", "http://me:secret@a/y"),
            ("http://a:80/y", "http://me:secret@a/y"),
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
        let uri = parse("https://me:secret@a:8443/x?y#z").unwrap();
        assert_eq!(shown(&uri), "https://a:8443/x?y");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for wrong in ["http://", "http:///x", "https://a b/", "http://:80/"] {
            assert_eq!(parse(wrong).unwrap_err().code, "bad-address", "{wrong}");
        }
    }
}
