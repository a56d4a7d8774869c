//! How much comes over the network in a second: a limit over all connections,
//! and the least that one must bring.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So much may come at once after a rest, as a part of what comes in a second.
const BURST: u64 = 20;
/// What is read at once where nothing is limited.
const PART: usize = 64 << 10;

/// So many bytes a second a connection must bring, over [`Patience::window`]: an
/// install that only waits holds the lock.
///
/// [`Patience::window`]: super::tries::Patience::window
const LEAST: u64 = 512;

/// How many bytes a connection must bring while it is waited for so long.
pub(super) fn least(window: Duration) -> u64 {
    let millis = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
    millis.saturating_mul(LEAST) / 1000
}

/// Whether what came is worth the time for which it was waited.
pub(super) fn suffices(came: u64, waited: Duration) -> bool {
    came > 0 && came >= least(waited)
}

/// How fast a connection is while somebody waits for it. What lies here already
/// is not waited for, so a limit of one's own never makes it slow.
#[derive(Debug, Default)]
pub(super) struct Pace {
    waited: Duration,
    came: u64,
}

impl Pace {
    /// So many bytes came after waiting so long; whether that goes on well.
    pub(super) fn keeps(&mut self, came: usize, waited: Duration, window: Duration) -> bool {
        self.waited = self.waited.saturating_add(waited);
        self.came = self.came.saturating_add(came as u64);
        if self.waited < window {
            return true;
        }
        std::mem::take(self).came >= least(window)
    }
}

/// Tokens, one for each byte, that come back at a fixed rate.
pub(super) struct Bucket {
    rate: u64,
    /// When the last token that was given away will have come.
    paid: Mutex<Option<Instant>>,
}

impl Bucket {
    /// So many bytes a second.
    pub(super) fn new(rate: u64) -> Bucket {
        Bucket {
            rate: rate.max(1),
            paid: Mutex::new(None),
        }
    }

    /// How many bytes are best read at once.
    pub(super) fn part(&self) -> usize {
        let part = usize::try_from(self.rate / BURST).unwrap_or(PART);
        part.clamp(1, PART)
    }

    /// Takes a token for each of `bytes`; how long to wait before reading them.
    pub(super) fn take(&self, bytes: usize, now: Instant) -> Duration {
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = self.time(self.part());
        let oldest = now.checked_sub(rest).unwrap_or(now);
        let from = paid.unwrap_or(now).max(oldest);
        let until = from.checked_add(self.time(bytes)).unwrap_or(from);
        *paid = Some(until);
        until.saturating_duration_since(now)
    }

    /// Puts back what was taken and not needed.
    pub(super) fn give_back(&self, bytes: usize) {
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        *paid = paid.and_then(|paid| paid.checked_sub(self.time(bytes)));
    }

    fn time(&self, bytes: usize) -> Duration {
        let nanos = (bytes as u128).saturating_mul(1_000_000_000) / u128::from(self.rate);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever reads, and in whatever parts, so much comes in ten seconds.
    #[test]
    fn over_ten_seconds_the_rate_is_kept_within_a_tenth() {
        for rate in [1, 999, 500 << 10, 2 << 20, 1 << 30] {
            let bucket = Bucket::new(rate);
            let start = Instant::now();
            let mut now = start;
            let mut read = 0u64;
            while now < start + Duration::from_secs(10) {
                let part = bucket.part();
                now += bucket.take(part, now);
                // Half of it does not come, and is not paid for.
                let came = part.div_ceil(2);
                bucket.give_back(part - came);
                read += came as u64;
            }
            let expected = rate * 10;
            assert!(read.abs_diff(expected) <= expected / 10, "{read} at {rate}");
        }
    }

    #[test]
    fn a_rest_is_not_made_up_for() {
        let bucket = Bucket::new(1000);
        let start = Instant::now();
        bucket.take(10, start);
        let later = start + Duration::from_secs(3600);
        let waited: Duration = (0..100).map(|_| bucket.take(10, later)).max().unwrap();
        assert!(waited >= Duration::from_millis(900), "{waited:?}");
    }

    #[test]
    fn a_byte_is_worth_no_more_than_a_moment() {
        let waited = Duration::from_millis;
        assert!(suffices(1, waited(0)) && suffices(1, waited(3)) && !suffices(1, waited(20)));
        assert!(!suffices(0, waited(0)));
        assert!(suffices(1 << 20, waited(60_000)));
    }

    #[test]
    fn a_connection_must_bring_512_bytes_a_second_while_it_is_waited_for() {
        let (second, window) = (Duration::from_secs(1), Duration::from_secs(30));
        let seconds = |bytes: usize, count: usize| {
            let mut pace = Pace::default();
            (0..count).all(|_| pace.keeps(bytes, second, window))
        };
        assert!(seconds(512, 1000));
        assert!(seconds(511, 29) && !seconds(511, 30));
        let mut pace = Pace::default();
        assert!((0..10_000).all(|_| pace.keeps(1, Duration::ZERO, window)));
    }
}
