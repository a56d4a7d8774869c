//! When production answers, asked from outside again and again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::web;

/// How often it is asked.
const EVERY: Duration = Duration::from_millis(100);

/// Asks until it is dropped.
#[derive(Debug)]
pub struct Answers {
    seen: Arc<Seen>,
    ending: Arc<AtomicBool>,
}

/// When there were answers, since the machine was switched on.
#[derive(Debug, Default)]
struct Seen {
    times: Mutex<Vec<Duration>>,
    more: Condvar,
}

impl Answers {
    /// Asks for `url`; times are since `begun`.
    pub(super) fn of(url: &str, begun: Instant) -> std::io::Result<Answers> {
        let (seen, ending) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
        let (url, all, end) = (url.to_owned(), Arc::clone(&seen), Arc::clone(&ending));
        let ask = move || {
            while !end.load(Ordering::SeqCst) {
                let (url, seen) = (url.clone(), Arc::clone(&all));
                // Each on its own, so that one that hangs holds up none.
                let _ = thread::Builder::new().spawn(move || {
                    if web::get(&url).is_ok_and(|(status, _)| status == 200) {
                        seen.add(begun.elapsed());
                    }
                });
                thread::sleep(EVERY);
            }
        };
        thread::Builder::new().name("asker".into()).spawn(ask)?;
        Ok(Answers { seen, ending })
    }

    /// The first answer after `moment`, where it comes within `limit`.
    #[must_use]
    pub fn first_after(&self, moment: Duration, limit: Duration) -> Option<Duration> {
        let after = |times: &[Duration]| times.iter().copied().filter(|at| *at > moment).min();
        let waiting = |times: &mut Vec<Duration>| after(times).is_none();
        let waited = self
            .seen
            .more
            .wait_timeout_while(self.seen.lock(), limit, waiting);
        let (times, _) = waited.unwrap_or_else(PoisonError::into_inner);
        after(&times)
    }

    /// The last answer before `moment`.
    #[must_use]
    pub fn last_before(&self, moment: Duration) -> Option<Duration> {
        let times = self.seen.lock();
        times.iter().copied().filter(|at| *at < moment).max()
    }
}

impl Seen {
    fn add(&self, at: Duration) {
        self.lock().push(at);
        self.more.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Duration>> {
        // Each change is a single step, so what a panic left is whole.
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
    }
}
