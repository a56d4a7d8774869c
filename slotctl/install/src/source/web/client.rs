//! Asking a server: connections, redirects, proxies, TLS, and what is said when
//! that fails.

use super::address::{self, Address, is_tls};
use super::answer::Identity;
use super::dial::Dial;
use super::rate::{self, Bucket, Pace};
use super::silence::Silence;
use super::tries::Patience;
use super::{answer, proxy};
use crate::source::Settings;
use controller::code::Code;
use controller::error::{Error, Result};
use controller::progress::Progress;
use controller::size;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use ureq::http::{HeaderMap, StatusCode, Uri};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector, RustlsConnector};
use ureq::{Agent, Proxy, ProxyProtocol};

/// Redirects in a row.
const REDIRECTS: usize = 10;
/// What is read from a connection at once.
const BUFFER: usize = 64 << 10;
/// How long a connection may take to be there.
const CONNECT: Duration = Duration::from_secs(20);
/// More than any request needs.
const REQUEST: usize = 16 << 10;
/// Connections that are kept for the next request.
const IDLE: usize = 8;

/// Everything that all connections for one image share.
pub(in crate::source) struct Client {
    /// What a person calls the file.
    pub(in crate::source) name: String,
    address: Address,
    ca: Option<PathBuf>,
    pub(super) patience: Patience,
    proxies: proxy::Proxies,
    bucket: Option<Bucket>,
    /// Those for connections of one kind, by whether they have TLS, and a proxy.
    agents: Mutex<BTreeMap<(bool, bool), Agent>>,
    /// Where the last redirect led: the next request goes there at once, until
    /// one fails.
    moved: Mutex<Option<Address>>,
    /// Which of the addresses of a host is tried first.
    first: Arc<AtomicUsize>,
    seen: Mutex<Seen>,
    answered: AtomicBool,
    fetched: AtomicU64,
    progress: Arc<dyn Progress + Send>,
    silence: Silence,
}

/// What the answers said of the file.
#[derive(Default)]
struct Seen {
    first: Option<Identity>,
    /// What hints at them being of different files.
    doubt: Option<String>,
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
    /// Whether what came came too slowly.
    pub(super) slow: bool,
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
        let address = Address::parse(address)?;
        let name = address::shown(address.uri());
        Ok(Client {
            silence: Silence::new(&name, &settings.progress)?,
            name,
            address,
            ca: settings.ca.clone(),
            patience,
            proxies: proxy::Proxies::of_environment()?,
            bucket: settings.limit_rate.map(Bucket::new),
            agents: Mutex::default(),
            moved: Mutex::default(),
            first: Arc::default(),
            seen: Mutex::default(),
            answered: AtomicBool::default(),
            fetched: AtomicU64::default(),
            progress: Arc::clone(&settings.progress),
        })
    }

    /// Whether a server ever answered.
    pub(super) fn answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// How many bytes of the file came.
    pub(in crate::source) fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }

    /// Tells a person what is going on.
    pub(super) fn say(&self, words: impl fmt::Display) {
        self.progress.say(&format!("{}: {words}", self.name));
    }

    /// Remembers what an answer said of the file.
    pub(super) fn note(&self, identity: &Identity) {
        let mut seen = lock(&self.seen);
        let Some(first) = &seen.first else {
            seen.first = Some(identity.clone());
            return;
        };
        if seen.doubt.is_none() {
            seen.doubt = first.differs(identity);
        }
    }

    /// What the first answer was made of the file with.
    pub(in crate::source) fn coding(&self) -> Option<String> {
        lock(&self.seen).first.as_ref()?.coding.clone()
    }

    /// An error of the network.
    pub(in crate::source) fn error(&self, reason: impl std::fmt::Display) -> Error {
        Error::new(Code::Network, format!("{}: {reason}", self.name))
    }

    /// What is said instead of `error`, which is one of bytes that are not the
    /// image's, if the answers do not seem to be of one file.
    pub(in crate::source) fn changed(&self, error: &Error) -> Option<Error> {
        let doubt = lock(&self.seen).doubt.clone()?;
        let what = "the file changed while it was read, or its servers hold different ones";
        let found = format!("{}: {what} ({doubt}): {}", self.name, error.found);
        let error = Error::new(Code::ChangedUnderneath, found);
        Some(error.advice("run the same command again; nothing was lost"))
    }

    /// The error of a connection that was lost and cannot be taken up.
    pub(in crate::source) fn lost(&self, reason: &dyn fmt::Display) -> Error {
        let error = self.error(format_args!("the connection was lost: {reason}"));
        error.advice("this server gives no parts of a file, so it begins again; run the same command again: what was written is kept")
    }

    /// Breaks all connections off.
    pub(in crate::source) fn close(&self) {
        for agent in std::mem::take(&mut *lock(&self.agents)).into_values() {
            agent.shutdown();
        }
    }

    /// Asks for a range of the file.
    pub(super) fn get(self: &Arc<Client>, range: &Range<u64>) -> Result<Answer, Failure> {
        let moved = lock(&self.moved).clone();
        let Some(there) = moved else {
            return self.follow(self.address.clone(), range);
        };
        // An address to which a redirect led may be good for a while only.
        self.follow(there, range).map_err(|failure| {
            *lock(&self.moved) = None;
            match failure {
                Failure::Final(error) => Failure::again(error.found),
                again => again,
            }
        })
    }

    fn follow(
        self: &Arc<Client>,
        mut address: Address,
        range: &Range<u64>,
    ) -> Result<Answer, Failure> {
        let begun = Instant::now();
        for _ in 0..=REDIRECTS {
            let response = self.ask(&address, range)?;
            self.answered.store(true, Ordering::Relaxed);
            let status = response.status();
            let (parts, body) = response.into_parts();
            match status.as_u16() {
                200 | 203 | 206 | 416 => {
                    if address != self.address {
                        *lock(&self.moved) = Some(address);
                    }
                    return Ok(Answer {
                        status: status.as_u16(),
                        headers: parts.headers,
                        body: Body {
                            reader: Box::new(body.into_reader()),
                            pace: Pace::default(),
                            waited: begun.elapsed(),
                            client: Arc::clone(self),
                        },
                    });
                }
                301 | 302 | 303 | 307 | 308 => address = self.redirect(&address, &parts.headers)?,
                status_code => {
                    let reason = self.answers(&address, status);
                    let passes = matches!(status_code, 408 | 429 | 500..=599);
                    return Err(match passes {
                        true => Failure::Again(Again {
                            reason,
                            after: answer::retry_after(&parts.headers, now()),
                            crowded: matches!(status_code, 429 | 503),
                            slow: false,
                        }),
                        false => Failure::Final(self.error(reason)),
                    });
                }
            }
        }
        let error = self.error(format_args!("more than {REDIRECTS} redirects"));
        Err(Failure::Final(error))
    }

    /// Who answers with this status.
    fn answers(&self, address: &Address, status: StatusCode) -> String {
        let proxy = self.proxies.of(address.uri());
        match proxy.filter(|proxy| forwards(address.uri(), proxy)) {
            None => format!("the server answers {status}"),
            Some(proxy) if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                format!("{} answers {status}", proxy::shown(proxy))
            }
            Some(proxy) => format!("through {} the answer is {status}", proxy::shown(proxy)),
        }
    }

    fn redirect(&self, from: &Address, headers: &HeaderMap) -> Result<Address, Failure> {
        let location = answer::location(headers);
        let refused = |why: &str| {
            let location = String::from_utf8_lossy(location);
            let error = self.error(format_args!("the redirect to {location:?} {why}"));
            Failure::Final(error)
        };
        let there = from
            .join(location)
            .ok_or_else(|| refused("leads nowhere"))?;
        if from.is_tls() && !there.is_tls() {
            return Err(refused("is refused: it leads away from https://"));
        }
        Ok(there)
    }

    fn ask(
        &self,
        address: &Address,
        range: &Range<u64>,
    ) -> Result<ureq::http::Response<ureq::Body>, Failure> {
        let uri = address.uri();
        let proxy = self.proxies.of(uri);
        let agent = self.agent(uri, proxy).map_err(Failure::Final)?;
        let last = range.end.saturating_sub(1);
        let mut request = agent
            .get(uri.clone())
            .header("range", format!("bytes={}-{last}", range.start))
            .header("accept-encoding", "identity");
        if let Some(value) = address.authorization() {
            request = request.header("authorization", value);
        }
        if let Some(proxy) = proxy.filter(|proxy| forwards(uri, proxy))
            && let Some(value) = proxy::authorization(proxy)
        {
            request = request.header("proxy-authorization", value);
        }
        let waiting = self.silence.waiting();
        let answered = request.call();
        waiting.over(answered.is_ok());
        answered.map_err(|error| {
            // Another address of the host may do better.
            self.first.fetch_add(1, Ordering::Relaxed);
            self.failure(error, uri, proxy)
        })
    }

    fn agent(&self, uri: &Uri, proxy: Option<&Proxy>) -> Result<Agent> {
        let tls = is_tls(uri);
        let kind = (tls, proxy.is_some());
        let mut agents = lock(&self.agents);
        if let Some(agent) = agents.get(&kind) {
            return Ok(agent.clone());
        }
        let stall = Some(self.patience.stall);
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("slotctl/", env!("CARGO_PKG_VERSION")))
            .proxy(None)
            .timeout_resolve(Some(CONNECT.min(self.patience.stall)))
            .timeout_connect(Some(CONNECT.min(self.patience.stall)))
            .timeout_send_request(stall)
            .timeout_recv_response(stall)
            .timeout_per_read(stall)
            .input_buffer_size(BUFFER)
            .output_buffer_size(REQUEST)
            .max_idle_connections_per_host(IDLE)
            .max_idle_connections(IDLE);
        let to_proxy = proxy.is_some_and(|proxy| proxy.protocol() == ProxyProtocol::Https);
        if tls || to_proxy {
            let tls = config::tls::with_authorities(self.ca.as_deref(), "[source]")?;
            config = config.tls_config(tls);
        }
        let dial = Dial::new(&self.first);
        let agent = match proxy {
            Some(proxy) if forwards(uri, proxy) => {
                let connector = ().chain(dial).chain(proxy::WholeAddress);
                Agent::with_parts(config.build(), connector, proxy::AtProxy::new(proxy))
            }
            proxy => {
                let tunnel = ().chain(ConnectProxyConnector::default());
                let connector = tunnel.chain(dial).chain(RustlsConnector::default());
                let config = config.proxy(proxy.cloned()).build();
                Agent::with_parts(config, connector, DefaultResolver::default())
            }
        };
        agents.insert(kind, agent.clone());
        Ok(agent)
    }

    fn failure(&self, error: ureq::Error, uri: &Uri, proxy: Option<&Proxy>) -> Failure {
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
            let secure = proxy.filter(|proxy| proxy.protocol() == ProxyProtocol::Https);
            let whose = match secure.map(proxy::shown) {
                Some(proxy) if !is_tls(uri) => proxy,
                Some(proxy) => format!("the server, or of {proxy}"),
                None => "the server".to_owned(),
            };
            let found = format!("{}: the certificate of {whose}: {why}", self.name);
            let error = Error::new(Code::BadCertificate, found);
            return Failure::Final(error.advice(
                "name its authority as `ca` of [source] in slotctl.toml, or look at the clock",
            ));
        }
        let Some(proxy) = proxy else {
            return match error {
                E::BadUri(_) | E::Http(_) => Failure::Final(self.error(error)),
                other => Failure::again(words(&other, self.patience)),
            };
        };
        let name = proxy::shown(proxy);
        match error {
            E::ConnectProxyFailed(said) => match proxy::answered(&said) {
                Some(status) => {
                    let reason = format!("{name} answers {status}");
                    match status.is_client_error() && !matches!(status.as_u16(), 408 | 429) {
                        true => Failure::Final(self.error(reason)),
                        false => Failure::again(reason),
                    }
                }
                None => Failure::again(format!("{name}: {said}")),
            },
            E::BadUri(_) | E::Http(_) | E::InvalidProxyUrl => Failure::Final(self.error(error)),
            // All that one connects to oneself is the proxy.
            other if forwards(uri, proxy) || never_connected(&other) => {
                Failure::again(format!("{name}: {}", words(&other, self.patience)))
            }
            other => Failure::again(format!("through {name}: {}", words(&other, self.patience))),
        }
    }
}

fn never_connected(error: &ureq::Error) -> bool {
    use io::ErrorKind as K;
    match error {
        ureq::Error::Io(error) => !matches!(
            error.kind(),
            K::UnexpectedEof | K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe
        ),
        ureq::Error::HostNotFound | ureq::Error::Timeout(ureq::Timeout::Resolve) => true,
        _ => false,
    }
}

/// A connection brought less than it must.
#[derive(Debug)]
struct Slow {
    window: Duration,
}

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let least = size::words(rate::least(self.window));
        let window = controller::duration::spell(self.window);
        write!(f, "it brought fewer than {least} in {window}")
    }
}

impl std::error::Error for Slow {}

/// Whether a connection was given up because it only trickled.
pub(super) fn is_slow(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Slow>())
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}

/// Whether a proxy is given the request itself, and not asked for a tunnel.
fn forwards(uri: &Uri, proxy: &Proxy) -> bool {
    !is_tls(uri) && proxy.protocol() == ProxyProtocol::Http
}

fn words(error: &ureq::Error, patience: Patience) -> String {
    let spell = controller::duration::spell;
    match error {
        ureq::Error::Io(error) => io_words(error, patience),
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            format!(
                "no connection within {}",
                spell(CONNECT.min(patience.stall))
            )
        }
        ureq::Error::Timeout(_) => format!("not a byte for {}", spell(patience.stall)),
        other => other.to_string(),
    }
}

fn io_words(error: &io::Error, patience: Patience) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(inner) => words(inner, patience),
        None => error.to_string(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The body of an answer: no faster than allowed, no slower than can be borne, and
/// counted.
pub(super) struct Body {
    reader: Box<dyn Read + Send>,
    pace: Pace,
    /// How long it was waited for, from the question on.
    pub(super) waited: Duration,
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
        let begun = Instant::now();
        let waiting = client.silence.waiting();
        let read = self.reader.read(room);
        waiting.over(matches!(read, Ok(1..)));
        let waited = begun.elapsed();
        self.waited = self.waited.saturating_add(waited);
        let came = *read.as_ref().unwrap_or(&0);
        if let Some(bucket) = &client.bucket {
            bucket.give_back(asked.saturating_sub(came));
        }
        client.fetched.fetch_add(came as u64, Ordering::Relaxed);
        let window = client.patience.window;
        let read =
            read.map_err(|error| io::Error::new(error.kind(), io_words(&error, client.patience)))?;
        match self.pace.keeps(read, waited, window) {
            true => Ok(read),
            false => Err(io::Error::other(Slow { window })),
        }
    }
}
