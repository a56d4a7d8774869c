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

/// Which of the addresses of the host goes first: the one that was connected to
/// last, until it brought nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn(Arc<AtomicUsize>);

impl Turn {
    /// The first one is not tried first any more.
    pub(super) fn next(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Tries one address after another, each for a short time, before it waits for
/// any of them for long.
#[derive(Debug)]
pub(super) struct Dial {
    inner: TcpConnector,
    turn: Turn,
}

impl Dial {
    pub(super) fn new(turn: &Turn) -> Dial {
        Dial {
            inner: TcpConnector::default(),
            turn: turn.clone(),
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
        let turn = self.turn.0.load(Ordering::Relaxed);
        let order = (0..count).map(|step| turn.wrapping_add(step).checked_rem(count).unwrap_or(0));
        let timeout = NextTimeout {
            after: SHORT.min(*details.timeout.after).into(),
            ..details.timeout
        };
        if count > 1 {
            for number in order.clone() {
                let one = pick(details, std::iter::once(number), timeout);
                if let Ok(connected) = Connector::<In>::connect(&self.inner, &one, None) {
                    self.turn.0.store(number, Ordering::Relaxed);
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
