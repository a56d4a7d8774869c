//! Asking a server: connections, redirects, proxies, TLS, and what is said when
//! that fails.

use super::rate::Bucket;
use super::tries::Patience;
use super::{address, answer, proxy, roots};
use crate::error::{Error, Exit, Result};
use crate::source::Settings;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use ureq::http::{HeaderMap, Uri};
use ureq::tls::TlsConfig;
use ureq::unversioned::transport::{Connector, TcpConnector};
use ureq::{Agent, Proxy, ProxyProtocol};

/// Redirects in a row.
const REDIRECTS: usize = 10;
/// What is read from a connection at once.
const BUFFER: usize = 64 << 10;
/// More than any request needs.
const REQUEST: usize = 16 << 10;
/// Connections that are kept for the next request.
const IDLE: usize = 8;

/// Everything that all connections for one image share.
pub(super) struct Client {
    name: String,
    address: Uri,
    ca: Option<PathBuf>,
    patience: Patience,
    proxies: proxy::Proxies,
    bucket: Option<Bucket>,
    agents: Mutex<BTreeMap<Way, Agent>>,
    /// Where the last redirect led: the next request goes there at once, until
    /// one fails.
    moved: Mutex<Option<Uri>>,
    answered: AtomicBool,
    fetched: AtomicU64,
}

/// What connections of one kind share: a proxy or none, TLS or none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    tls: bool,
    proxy: bool,
}

/// Why a request brought nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// It will not be otherwise the next time.
    Final(Error),
    /// It may be otherwise the next time.
    Again(Again),
}

/// A failure that may pass.
#[derive(Debug, Default)]
pub(super) struct Again {
    pub(super) reason: String,
    /// How long the server wishes not to be asked.
    pub(super) after: Option<Duration>,
    /// Whether it says that there are too many requests.
    pub(super) crowded: bool,
}

impl Failure {
    pub(super) fn again(reason: impl Into<String>) -> Failure {
        Failure::Again(Again {
            reason: reason.into(),
            ..Again::default()
        })
    }
}

/// An answer of 200, 206 or 416.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
}

impl Client {
    pub(super) fn new(address: &str, settings: &Settings, patience: Patience) -> Result<Client> {
        let address = address::parse(address)?;
        Ok(Client {
            name: address::shown(&address),
            address,
            ca: settings.ca.clone(),
            patience,
            proxies: proxy::Proxies::of_environment()?,
            bucket: settings.limit_rate.map(Bucket::new),
            agents: Mutex::default(),
            moved: Mutex::default(),
            answered: AtomicBool::new(false),
            fetched: AtomicU64::new(0),
        })
    }

    /// What a person calls it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn patience(&self) -> Patience {
        self.patience
    }

    /// Whether a server ever answered.
    pub(super) fn answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// How many bytes of the file came.
    pub(super) fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }

    /// An error of the network.
    pub(super) fn error(&self, reason: impl std::fmt::Display) -> Error {
        Error::new(Exit::Network, "network", format!("{}: {reason}", self.name))
    }

    /// Breaks all connections off.
    pub(super) fn close(&self) {
        for agent in std::mem::take(&mut *lock(&self.agents)).into_values() {
            agent.shutdown();
        }
    }

    /// Asks for a range of the file, if it is still the one that `if_range` names.
    pub(super) fn get(
        self: &Arc<Client>,
        range: &Range<u64>,
        if_range: Option<&str>,
    ) -> Result<Answer, Failure> {
        let moved = lock(&self.moved).clone();
        let Some(there) = moved else {
            return self.follow(self.address.clone(), range, if_range);
        };
        // An address to which a redirect led may be good for a while only.
        self.follow(there, range, if_range).map_err(|failure| {
            *lock(&self.moved) = None;
            match failure {
                Failure::Final(error) => Failure::again(error.found),
                again => again,
            }
        })
    }

    fn follow(
        self: &Arc<Client>,
        mut uri: Uri,
        range: &Range<u64>,
        if_range: Option<&str>,
    ) -> Result<Answer, Failure> {
        for _ in 0..=REDIRECTS {
            let response = self.ask(&uri, range, if_range)?;
            self.answered.store(true, Ordering::Relaxed);
            let status = response.status();
            let (parts, body) = response.into_parts();
            match status.as_u16() {
                200 | 206 | 416 => {
                    if uri != self.address {
                        *lock(&self.moved) = Some(uri);
                    }
                    return Ok(Answer {
                        status: status.as_u16(),
                        headers: parts.headers,
                        body: Body {
                            reader: Box::new(body.into_reader()),
                            client: Arc::clone(self),
                        },
                    });
                }
                301 | 302 | 303 | 307 | 308 => uri = self.redirect(&uri, &parts.headers)?,
                408 | 429 | 500..=599 => {
                    return Err(Failure::Again(Again {
                        reason: format!("the server answers {status}"),
                        after: answer::retry_after(&parts.headers, now()),
                        crowded: matches!(status.as_u16(), 429 | 503),
                    }));
                }
                _ => {
                    let error = self.error(format_args!("the server answers {status}"));
                    return Err(Failure::Final(error));
                }
            }
        }
        let error = self.error(format_args!("more than {REDIRECTS} redirects"));
        Err(Failure::Final(error))
    }

    fn redirect(&self, from: &Uri, headers: &HeaderMap) -> Result<Uri, Failure> {
        let location = answer::location(headers).unwrap_or_default();
        let refused = |why: &str| {
            let error = self.error(format_args!("the redirect to {location:?} {why}"));
            Failure::Final(error)
        };
        let there = address::join(from, &location).ok_or_else(|| refused("leads nowhere"))?;
        if address::is_tls(from) && !address::is_tls(&there) {
            return Err(refused("is refused: it leads away from https://"));
        }
        Ok(there)
    }

    fn ask(
        &self,
        uri: &Uri,
        range: &Range<u64>,
        if_range: Option<&str>,
    ) -> Result<ureq::http::Response<ureq::Body>, Failure> {
        let proxy = self.proxies.of(uri);
        let agent = self.agent(uri, proxy).map_err(Failure::Final)?;
        let last = range.end.saturating_sub(1);
        let mut request = agent
            .get(uri.clone())
            .header("range", format!("bytes={}-{last}", range.start))
            .header("accept-encoding", "identity");
        if let Some(value) = if_range {
            request = request.header("if-range", value);
        }
        if let Some(proxy) = proxy.filter(|proxy| forwards(uri, proxy))
            && let Some(value) = proxy::authorization(proxy)
        {
            request = request.header("proxy-authorization", value);
        }
        request.call().map_err(|error| self.failure(error))
    }

    fn agent(&self, uri: &Uri, proxy: Option<&Proxy>) -> Result<Agent> {
        let tls = address::is_tls(uri);
        let way = Way {
            tls,
            proxy: proxy.is_some(),
        };
        let mut agents = lock(&self.agents);
        if let Some(agent) = agents.get(&way) {
            return Ok(agent.clone());
        }
        let stall = Some(self.patience.stall);
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("slotctl/", env!("CARGO_PKG_VERSION")))
            .proxy(None)
            .timeout_resolve(stall)
            .timeout_connect(stall)
            .timeout_send_request(stall)
            .timeout_recv_response(stall)
            .timeout_per_read(stall)
            .input_buffer_size(BUFFER)
            .output_buffer_size(REQUEST)
            .max_idle_connections_per_host(IDLE)
            .max_idle_connections(IDLE);
        let to_proxy = proxy.is_some_and(|proxy| proxy.protocol() == ProxyProtocol::Https);
        if tls || to_proxy {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let tls = TlsConfig::builder()
                .root_certs(roots::load(self.ca.as_deref())?)
                .unversioned_rustls_crypto_provider(provider);
            config = config.tls_config(tls.build());
        }
        let agent = match proxy {
            Some(proxy) if forwards(uri, proxy) => {
                let connector = ().chain(TcpConnector::default()).chain(proxy::WholeAddress);
                Agent::with_parts(config.build(), connector, proxy::AtProxy::new(proxy))
            }
            proxy => config.proxy(proxy.cloned()).build().new_agent(),
        };
        agents.insert(way, agent.clone());
        Ok(agent)
    }

    fn failure(&self, error: ureq::Error) -> Failure {
        use ureq::Error as E;
        let io = match &error {
            E::Io(error) => error.get_ref(),
            _ => None,
        };
        let tls = match &error {
            E::Rustls(error) => Some(error),
            _ => io.and_then(|inner| inner.downcast_ref::<rustls::Error>()),
        };
        if let Some(rustls::Error::InvalidCertificate(why)) = tls {
            let found = format!("{}: the certificate of the server: {why}", self.name);
            let error = Error::new(Exit::Network, "bad-certificate", found);
            return Failure::Final(error.advice(
                "name its authority as `ca` of [source] in slotctl.toml, or look at the clock",
            ));
        }
        match error {
            E::BadUri(_) | E::Http(_) | E::InvalidProxyUrl => Failure::Final(self.error(error)),
            other => Failure::again(words(&other, self.patience.stall)),
        }
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}

/// Whether a proxy is given the request itself, and not asked for a tunnel.
fn forwards(uri: &Uri, proxy: &Proxy) -> bool {
    !address::is_tls(uri) && proxy.protocol() == ProxyProtocol::Http
}

fn words(error: &ureq::Error, stall: Duration) -> String {
    match error {
        ureq::Error::Io(error) => io_words(error, stall),
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            format!("no connection within {}", crate::duration::spell(stall))
        }
        ureq::Error::Timeout(_) => format!("not a byte for {}", crate::duration::spell(stall)),
        other => other.to_string(),
    }
}

fn io_words(error: &io::Error, stall: Duration) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(inner) => words(inner, stall),
        None => error.to_string(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The body of an answer: no faster than allowed, and counted.
pub(super) struct Body {
    reader: Box<dyn Read + Send>,
    client: Arc<Client>,
}

impl Body {
    /// After the last byte: gives the connection back for the next request.
    pub(super) fn finish(mut self) {
        // It is only read that the answer is over. Whatever else comes ends the
        // connection, which is all that there is to do about it.
        let _ = self.reader.read(&mut [0]);
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let client = &self.client;
        let part = client.bucket.as_ref().map_or(BUFFER, Bucket::part);
        let room = buffer.len().min(part);
        let room = buffer.get_mut(..room).unwrap_or_default();
        if let Some(bucket) = &client.bucket {
            std::thread::sleep(bucket.take(room.len(), Instant::now()));
        }
        let asked = room.len();
        let read = self.reader.read(room);
        let came = *read.as_ref().unwrap_or(&0);
        if let Some(bucket) = &client.bucket {
            bucket.give_back(asked.saturating_sub(came));
        }
        client.fetched.fetch_add(came as u64, Ordering::Relaxed);
        read.map_err(|error| io::Error::new(error.kind(), io_words(&error, client.patience.stall)))
    }
}
