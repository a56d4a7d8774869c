//! How often, and after which pause, something that failed is tried again.

use std::time::Duration;

/// The longest pause that is our own choice.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest that a server may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(5 * 60);
/// Attempts to reach a server that never answered: who mistyped its name does
/// not want to wait.
const TO_REACH: u32 = 4;

/// With what one puts up from a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long it may say nothing.
    pub stall: Duration,
    /// How many attempts may fail in a row without a byte of progress.
    pub attempts: u32,
    /// The pause after the first of them; each further one is twice as long.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            stall: Duration::from_secs(60),
            attempts: 10,
            pause: Duration::from_millis(200),
        }
    }
}

/// The attempts that failed since the last byte of progress.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tries {
    patience: Patience,
    failed: u32,
}

impl Tries {
    pub(super) fn new(patience: Patience) -> Tries {
        Tries {
            patience,
            failed: 0,
        }
    }

    /// Something came.
    pub(super) fn progress(&mut self) {
        self.failed = 0;
    }

    /// How many failed since.
    pub(super) fn failed(&self) -> u32 {
        self.failed
    }

    /// An attempt failed: the pause before the next one, or `None` if that was
    /// the last. `asked` is the pause that the server wishes, `answered` whether
    /// it ever said anything.
    pub(super) fn fail(&mut self, asked: Option<Duration>, answered: bool) -> Option<Duration> {
        self.failed = self.failed.saturating_add(1);
        let most = match answered {
            true => self.patience.attempts,
            false => self.patience.attempts.min(TO_REACH),
        };
        if self.failed >= most {
            return None;
        }
        // Half of it by chance, so that a thousand controllers that lost the same
        // server do not all come back at once.
        let doubled = 1u32.checked_shl(self.failed.saturating_sub(1));
        let longest = doubled.and_then(|times| self.patience.pause.checked_mul(times));
        let longest = longest.unwrap_or(LONGEST).min(LONGEST);
        let own = longest.mul_f64(0.5 + fastrand::f64() / 2.0);
        Some(own.max(asked.unwrap_or_default().min(LONGEST_ASKED)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pause_is_up_to_twice_as_long_as_the_one_before_and_the_tenth_failure_ends_it() {
        let mut tries = Tries::new(Patience::default());
        let mut longest = Duration::from_millis(200);
        for _ in 1..10 {
            let pause = tries.fail(None, true).unwrap();
            assert!(pause <= longest && pause >= longest / 2, "{pause:?}");
            longest = (longest * 2).min(LONGEST);
        }
        assert_eq!(tries.fail(None, true), None);
    }

    #[test]
    fn a_byte_of_progress_gives_all_attempts_back() {
        let mut tries = Tries::new(Patience::default());
        for _ in 0..100 {
            assert!(tries.fail(None, true).is_some());
            tries.progress();
        }
    }

    #[test]
    fn what_the_server_asks_for_counts_up_to_five_minutes() {
        let mut tries = Tries::new(Patience::default());
        let ask = |tries: &mut Tries, seconds| {
            tries.progress();
            tries.fail(Some(Duration::from_secs(seconds)), true)
        };
        assert_eq!(ask(&mut tries, 7), Some(Duration::from_secs(7)));
        assert_eq!(ask(&mut tries, 86_400), Some(LONGEST_ASKED));
        assert!(ask(&mut tries, 0).unwrap() >= Duration::from_millis(100));
    }

    #[test]
    fn who_never_answered_is_tried_four_times() {
        let mut tries = Tries::new(Patience::default());
        for _ in 1..4 {
            assert!(tries.fail(None, false).is_some());
        }
        assert_eq!(tries.fail(None, false), None);
    }
}
