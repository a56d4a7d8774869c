//! Connecting to a host that has several addresses, of which one may be dead.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use ureq::unversioned::resolver::ResolvedSocketAddrs;
use ureq::unversioned::transport::{
    ConnectionDetails, Connector, Either, NextTimeout, TcpConnector, Transport,
};

/// How long an address is waited for that has others beside it, at first.
const SHORT: Duration = Duration::from_secs(2);

/// Tries one address after another, each for a short time, before it waits for
/// any of them for long.
#[derive(Debug)]
pub(super) struct Dial {
    inner: TcpConnector,
    /// Which address is tried first: the one that was connected to last, until it
    /// brought nothing.
    first: Arc<AtomicUsize>,
}

impl Dial {
    pub(super) fn new(first: &Arc<AtomicUsize>) -> Dial {
        Dial {
            inner: TcpConnector::default(),
            first: Arc::clone(first),
        }
    }
}

impl<In: Transport> Connector<In> for Dial {
    type Out = <TcpConnector as Connector<In>>::Out;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        if let Some(connected) = chained {
            return Ok(Some(Either::A(connected)));
        }
        let count = details.addrs.len();
        let first = self.first.load(Ordering::Relaxed);
        let order = (0..count).map(|step| first.wrapping_add(step).checked_rem(count).unwrap_or(0));
        let timeout = NextTimeout {
            after: SHORT.min(*details.timeout.after).into(),
            ..details.timeout
        };
        if count > 1 {
            for number in order.clone() {
                let one = pick(details, std::iter::once(number), timeout);
                if let Ok(connected) = Connector::<In>::connect(&self.inner, &one, None) {
                    self.first.store(number, Ordering::Relaxed);
                    return Ok(connected);
                }
            }
        }
        self.inner
            .connect(&pick(details, order, details.timeout), None)
    }
}

/// The same connection, to some of the addresses.
fn pick<'a>(
    details: &ConnectionDetails<'a>,
    numbers: impl Iterator<Item = usize>,
    timeout: NextTimeout,
) -> ConnectionDetails<'a> {
    let mut addrs: ResolvedSocketAddrs = details.resolver.empty();
    for address in numbers.filter_map(|number| details.addrs.get(number)) {
        addrs.push(*address);
    }
    ConnectionDetails {
        uri: details.uri,
        addrs,
        resolver: details.resolver,
        config: details.config,
        request_level: details.request_level,
        now: (details.current_time)(),
        timeout,
        current_time: Arc::clone(&details.current_time),
        run_connector: Arc::clone(&details.run_connector),
        register_shutdown: Arc::clone(&details.register_shutdown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::thread;
    use ureq::Agent;
    use ureq::config::Config;
    use ureq::http::Uri;
    use ureq::unversioned::resolver::{DefaultResolver, Resolver};

    /// A host with these addresses.
    #[derive(Debug)]
    struct Host(Vec<SocketAddr>);

    impl Resolver for Host {
        fn resolve(
            &self,
            _: &Uri,
            _: &Config,
            _: NextTimeout,
        ) -> Result<ResolvedSocketAddrs, ureq::Error> {
            let mut found = DefaultResolver::default().empty();
            self.0.iter().for_each(|address| found.push(*address));
            Ok(found)
        }
    }

    fn agent(addresses: &[SocketAddr], first: &Arc<AtomicUsize>) -> Agent {
        // Whoever waits for a dead address for long never comes to the next.
        let patience = Some(Duration::from_secs(20_000));
        let config = Agent::config_builder().timeout_connect(patience).build();
        let connector = ().chain(Dial::new(first));
        Agent::with_parts(config, connector, Host(addresses.to_vec()))
    }

    /// Answers each connection once, and gives what it is.
    fn server() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let _ = client.read(&mut [0; 1024]);
                let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
                let _ = client.write_all(head.as_bytes());
            }
        });
        address
    }

    /// An address that swallows packets: the system drops what knocks at a queue
    /// that is full. Held by what is given.
    fn dead() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let knock = || TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
        let held = std::iter::from_fn(knock).collect();
        (address, listener, held)
    }

    #[test]
    fn an_address_that_swallows_packets_does_not_keep_from_the_next() {
        let (dead, _listener, _held) = dead();
        let first = Arc::new(AtomicUsize::new(0));
        let agent = agent(&[dead, server()], &first);
        agent.get("http://host.example/").call().unwrap();
        assert_eq!(
            first.load(Ordering::Relaxed),
            1,
            "it goes first from now on"
        );
        agent.get("http://host.example/").call().unwrap();
    }

    #[test]
    fn where_nobody_listens_the_next_is_tried_and_all_of_them_before_it_fails() {
        // Port 1 is nobody's.
        let nobody: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let first = Arc::new(AtomicUsize::new(1));
        let addresses = [server(), nobody, nobody];
        agent(&addresses, &first)
            .get("http://host.example/")
            .call()
            .unwrap();
        let failed = agent(&addresses[1..], &first)
            .get("http://host.example/")
            .call();
        assert!(
            matches!(failed, Err(ureq::Error::Io(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused)
        );
    }

    #[test]
    fn what_brought_nothing_is_not_first_the_next_time() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let first = Arc::new(AtomicUsize::new(0));
        let agent = agent(&[silent.local_addr().unwrap(), server()], &first);
        let asking = thread::spawn({
            let agent = agent.clone();
            move || agent.get("http://host.example/").call().is_ok()
        });
        drop(silent.accept().unwrap());
        assert!(!asking.join().unwrap());
        first.fetch_add(1, Ordering::Relaxed);
        agent.get("http://host.example/").call().unwrap();
    }
}
