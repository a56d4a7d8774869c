//! How often, and after which pause, something that failed is tried again.

use super::client::Again;
use std::fmt;
use std::time::Duration;

/// The longest pause that is our own choice.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest that a server may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(5 * 60);
/// Attempts to reach a server that never answered, as who mistyped its name does
/// not want to wait; and at one that only trickles.
const FEW: u32 = 4;

/// With what one puts up from a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long it may say nothing.
    pub stall: Duration,
    /// Over which time the least that it must bring is counted.
    pub window: Duration,
    /// How many attempts may fail in a row without a byte of progress.
    pub attempts: u32,
    /// The pause after the first of them; each further one is twice as long.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            stall: Duration::from_secs(60),
            window: Duration::from_secs(30),
            attempts: 10,
            pause: Duration::from_millis(200),
        }
    }
}

/// The wait before another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    /// How long.
    pub(super) pause: Duration,
    next: u32,
    most: u32,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pause = controller::duration::spell(self.pause);
        let Wait { next, most, .. } = self;
        write!(f, "asked again in {pause}, attempt {next} of {most}")
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

    /// An attempt failed: the wait before the next one, or `None` if that was
    /// the last. `answered` is whether the server ever said anything.
    pub(super) fn fail(&mut self, again: &Again, answered: bool) -> Option<Wait> {
        self.failed = self.failed.saturating_add(1);
        let most = match answered && !again.slow {
            true => self.patience.attempts,
            false => self.patience.attempts.min(FEW),
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
        let pause = own.max(again.after.unwrap_or_default().min(LONGEST_ASKED));
        let next = self.failed.saturating_add(1);
        Some(Wait { pause, next, most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: u64) -> Again {
        Again {
            after: Some(Duration::from_secs(seconds)),
            ..Again::default()
        }
    }

    #[test]
    fn each_pause_is_up_to_twice_as_long_as_the_one_before_and_the_tenth_failure_ends_it() {
        let mut tries = Tries::new(Patience::default());
        let mut longest = Duration::from_millis(200);
        for next in 2..=10 {
            let wait = tries.fail(&Again::default(), true).unwrap();
            let pause = wait.pause;
            assert!(pause <= longest && pause >= longest / 2, "{pause:?}");
            let words = wait.to_string();
            assert!(words.ends_with(&format!("attempt {next} of 10")), "{words}");
            longest = (longest * 2).min(LONGEST);
        }
        assert_eq!(tries.fail(&Again::default(), true), None);
    }

    #[test]
    fn a_byte_of_progress_gives_all_attempts_back() {
        let mut tries = Tries::new(Patience::default());
        for _ in 0..100 {
            assert!(tries.fail(&Again::default(), true).is_some());
            tries.progress();
        }
    }

    #[test]
    fn what_the_server_asks_for_counts_up_to_five_minutes() {
        let mut tries = Tries::new(Patience::default());
        let ask = |tries: &mut Tries, seconds| {
            tries.progress();
            tries.fail(&after(seconds), true).unwrap().pause
        };
        assert_eq!(ask(&mut tries, 7), Duration::from_secs(7));
        assert_eq!(ask(&mut tries, 86_400), LONGEST_ASKED);
        assert!(ask(&mut tries, 0) >= Duration::from_millis(100));
    }

    #[test]
    fn who_never_answered_or_only_trickles_is_tried_four_times() {
        for (slow, answered) in [(false, false), (true, true)] {
            let again = Again {
                slow,
                ..Again::default()
            };
            let mut tries = Tries::new(Patience::default());
            for _ in 1..4 {
                assert!(tries.fail(&again, answered).is_some());
            }
            assert_eq!(tries.fail(&again, answered), None);
        }
    }
}
