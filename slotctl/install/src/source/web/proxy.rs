//! Proxies: which one goes for an address, by the usual variables, and requests
//! for plain `http://` through one.

use super::address::{Address, host_and_port, port};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use controller::code::Code;
use controller::error::{Error, Result};
use std::net::IpAddr;
use ureq::config::Config;
use ureq::http::{StatusCode, Uri};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};
use ureq::{Proxy, ProxyProtocol};

/// The proxies of this process.
#[derive(Debug, Default)]
pub(super) struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    exceptions: Vec<String>,
}

impl Proxies {
    /// By `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, or else the
    /// same in capitals.
    pub(super) fn of_environment() -> Result<Proxies> {
        Proxies::new(|name| std::env::var(name).ok())
    }

    fn new(variable: impl Fn(&str) -> Option<String>) -> Result<Proxies> {
        let get = |name: &str| {
            let small = variable(name).filter(|value| !value.is_empty());
            let value = small.or_else(|| variable(&name.to_uppercase()));
            value.filter(|value| !value.is_empty())
        };
        let proxy = |name: &str| {
            let found = get(name).map(|value| (name.to_owned(), value));
            let found = found.or_else(|| Some(("all_proxy".to_owned(), get("all_proxy")?)));
            found.map(|(name, value)| parse(&name, &value)).transpose()
        };
        let exceptions = get("no_proxy").unwrap_or_default();
        let exceptions = exceptions.split([',', ' ']).map(str::trim);
        Ok(Proxies {
            http: proxy("http_proxy")?,
            https: proxy("https_proxy")?,
            exceptions: exceptions
                .filter(|exception| !exception.is_empty())
                .map(str::to_lowercase)
                .collect(),
        })
    }

    /// The one for this address.
    pub(super) fn of(&self, uri: &Uri) -> Option<&Proxy> {
        let proxy = match uri.scheme_str() {
            Some("https") => self.https.as_ref(),
            _ => self.http.as_ref(),
        };
        let host = uri.host().unwrap_or_default().to_lowercase();
        let host = host.trim_matches(['[', ']']);
        let excepted = |exception: &String| excepts(exception, host, port(uri));
        proxy.filter(|_| !self.exceptions.iter().any(excepted))
    }
}

fn parse(name: &str, value: &str) -> Result<Proxy> {
    let value = match value.contains("://") {
        true => value.to_owned(),
        false => format!("http://{value}"),
    };
    let address = Address::parse(&value).ok();
    let proxy = address.and_then(|address| Proxy::new(&address.strict()).ok());
    let known =
        |proxy: &Proxy| matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https);
    // The value may hold a password.
    proxy.filter(known).ok_or_else(|| {
        let found = format!("the variable {name} names no proxy that slotctl can use");
        Error::new(Code::BadProxy, found).expected("expected one such as http://proxy.example:3128")
    })
}

/// What a person calls it: without user and password.
pub(super) fn shown(proxy: &Proxy) -> String {
    let scheme = proxy.uri().scheme_str().unwrap_or("http");
    format!("the proxy {scheme}://{}", host_and_port(proxy.uri()))
}

/// What a proxy answered that made no tunnel, by the words of the crate.
pub(super) fn answered(said: &str) -> Option<StatusCode> {
    let digits = said.strip_prefix("proxy server responded ")?.get(..3)?;
    digits.parse().ok()
}

/// `*`, a host, a domain with all in it, an address, a network, each also with a
/// port.
fn excepts(exception: &str, host: &str, port: u16) -> bool {
    if exception == "*" {
        return true;
    }
    if let (Some((network, bits)), Ok(address)) = (exception.split_once('/'), host.parse()) {
        return within(network, bits, address).unwrap_or(false);
    }
    let (name, only) = match exception.rsplit_once(':') {
        // More than one colon: an address of version 6 without a port.
        Some((name, digits)) if !name.contains(':') || name.ends_with(']') => {
            match digits.parse::<u16>() {
                Ok(only) => (name, Some(only)),
                Err(_) => return false,
            }
        }
        _ => (exception, None),
    };
    let name = name.trim_matches(['[', ']']);
    let domain = name.trim_start_matches('*').trim_start_matches('.');
    let inside = host
        .strip_suffix(domain)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    !domain.is_empty() && inside && only.is_none_or(|only| only == port)
}

fn within(network: &str, bits: &str, address: IpAddr) -> Option<bool> {
    let bits: u32 = bits.parse().ok()?;
    let (network, address, width) = match (network.parse().ok()?, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return Some(false),
    };
    let ignored = u32::checked_sub(width, bits)?;
    let differ = network ^ address;
    Some(differ.checked_shr(ignored).unwrap_or(0) == 0)
}

/// The value of `Proxy-Authorization`, where the proxy has a user.
pub(super) fn authorization(proxy: &Proxy) -> Option<String> {
    let user = proxy.username()?;
    let both = format!("{user}:{}", proxy.password().unwrap_or_default());
    Some(format!("Basic {}", BASE64_STANDARD.encode(both)))
}

/// Finds the proxy, whatever is asked for.
#[derive(Debug)]
pub(super) struct AtProxy {
    inner: DefaultResolver,
    proxy: Uri,
}

impl AtProxy {
    pub(super) fn new(proxy: &Proxy) -> AtProxy {
        AtProxy {
            inner: DefaultResolver::default(),
            proxy: proxy.uri().clone(),
        }
    }
}

impl Resolver for AtProxy {
    fn resolve(
        &self,
        _: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        self.inner.resolve(&self.proxy, config, timeout)
    }
}

/// Puts the whole address into the request line, as a proxy wants it: many
/// refuse a tunnel to port 80.
#[derive(Debug)]
pub(super) struct WholeAddress;

/// A connection to a proxy that forwards.
#[derive(Debug)]
pub(super) struct Forwarded<T> {
    inner: T,
    /// `http://host:port`.
    server: String,
}

impl<In: Transport> Connector<In> for WholeAddress {
    type Out = Forwarded<In>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Forwarded<In>>, ureq::Error> {
        let server = format!("http://{}", host_and_port(details.uri));
        Ok(chained.map(|inner| Forwarded { inner, server }))
    }
}

impl<T: Transport> Transport for Forwarded<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        const METHOD: &[u8] = b"GET ";
        let output = self.inner.buffers().output();
        let Some(path) = output
            .get(..amount)
            .and_then(|head| head.strip_prefix(METHOD))
        else {
            return self.inner.transmit_output(amount, timeout);
        };
        let whole = [METHOD, self.server.as_bytes(), path].concat();
        for part in whole.chunks(output.len()) {
            let output = self.inner.buffers().output();
            for (to, from) in output.iter_mut().zip(part) {
                *to = *from;
            }
            self.inner.transmit_output(part.len(), timeout)?;
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(variables: &[(&str, &str)], address: &str) -> Option<String> {
        let get = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name)?;
            Some(found.1.to_owned())
        };
        let proxies = Proxies::new(get).unwrap();
        let proxy = proxies.of(&address.parse().unwrap())?;
        Some(format!("{}:{}", proxy.host(), proxy.port()))
    }

    #[test]
    fn the_scheme_chooses_the_variable_and_small_letters_go_first() {
        let all = [
            ("http_proxy", "http://a:1"),
            ("HTTP_PROXY", "http://b:2"),
            ("HTTPS_PROXY", "c:3"),
            ("all_proxy", "http://d:4"),
        ];
        assert_eq!(chosen(&all, "http://x/").as_deref(), Some("a:1"));
        assert_eq!(chosen(&all[1..], "http://x/").as_deref(), Some("b:2"));
        assert_eq!(chosen(&all, "https://x/").as_deref(), Some("c:3"));
        assert_eq!(chosen(&all[3..], "https://x/").as_deref(), Some("d:4"));
        assert_eq!(chosen(&[("http_proxy", "")], "http://x/"), None);
        assert_eq!(chosen(&[], "http://x/"), None);
    }

    #[test]
    fn exceptions_are_hosts_domains_addresses_and_networks() {
        for (exceptions, address, excepted) in [
            ("*", "http://x/", true),
            ("example.org", "http://example.org/", true),
            ("example.org", "http://a.example.org/", true),
            (".example.org", "http://a.example.org/", true),
            ("*.example.org", "http://A.Example.org/", true),
            ("example.org", "http://notexample.org/", false),
            ("a, b ,c", "http://b/", true),
            ("a:8080", "http://a:8080/", true),
            ("a:8080", "http://a/", false),
            ("a:80", "http://a/", true),
            ("127.0.0.1", "http://127.0.0.1:9/", true),
            ("10.0.0.0/8", "http://10.9.8.7/", true),
            ("10.0.0.0/8", "http://11.9.8.7/", false),
            ("::1", "http://[::1]:80/", true),
            ("[::1]:81", "http://[::1]:80/", false),
            ("fd00::/8", "http://[fd00::7]/", true),
            ("/8", "http://10.0.0.1/", false),
            ("10.0.0.0/99", "http://10.0.0.1/", false),
            ("", "http://x/", false),
            ("a:b", "http://a/", false),
        ] {
            let variables = [("http_proxy", "http://p:1"), ("NO_PROXY", exceptions)];
            let direct = chosen(&variables, address).is_none();
            assert_eq!(direct, excepted, "{exceptions} for {address}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_an_error_that_shows_no_password() {
        let get = |name: &str| (name == "http_proxy").then(|| "socks5://u:secret@h:1".to_owned());
        let error = Proxies::new(get).unwrap_err();
        assert_eq!(error.code, Code::BadProxy);
        assert!(!error.to_string().contains("secret"));
    }
}
