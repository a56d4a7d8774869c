//! Says that a server says nothing, while it is waited for.

use controller::duration;
use controller::error::{Error, Result};
use controller::progress::Progress;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// After so long it is said, and each time again when it has lasted twice as long.
const SAID: Duration = Duration::from_secs(2);

/// Listens to all connections of one client, until it is dropped.
pub(super) struct Silence {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// How many connections are being waited for.
    waiting: usize,
    /// Since when nothing came over any of them.
    since: Option<Instant>,
    /// When it was said the last time, how long it had lasted.
    said: Duration,
    over: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self, say: impl Fn(String)) {
        let mut state = self.lock();
        while !state.over {
            let lasted = match state.since {
                Some(since) if state.waiting > 0 => since.elapsed(),
                _ => Duration::ZERO,
            };
            let next = state.said.saturating_mul(2).max(SAID);
            if lasted < next {
                let rest = next.saturating_sub(lasted);
                let waited = self.changed.wait_timeout(state, rest);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            state.said = next;
            drop(state);
            let lasted = duration::spell(next);
            say(format!("not a byte for {lasted}, waiting on"));
            state = self.lock();
        }
    }
}

impl Silence {
    pub(super) fn new(name: &str, progress: &Arc<dyn Progress + Send>) -> Result<Silence> {
        let shared = Arc::new(Shared::default());
        let (listening, progress) = (Arc::clone(&shared), Arc::clone(progress));
        let name = name.to_owned();
        std::thread::Builder::new()
            .name("silence".into())
            .spawn(move || {
                listening.listen(|words| progress.say(&format!("{name}: {words}")));
            })
            .map_err(|error| Error::io("starting a thread", &error))?;
        Ok(Silence { shared })
    }

    /// From now on something is waited for.
    pub(super) fn waiting(&self) -> Waiting<'_> {
        let mut state = self.shared.lock();
        if state.waiting == 0 {
            state.begin();
        }
        state.waiting = state.waiting.saturating_add(1);
        Waiting(&self.shared)
    }
}

impl State {
    fn begin(&mut self) {
        self.since = Some(Instant::now());
        self.said = Duration::ZERO;
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.changed.notify_all();
    }
}

/// Something that is waited for.
pub(super) struct Waiting<'a>(&'a Shared);

impl Waiting<'_> {
    /// It is over; whether something came.
    pub(super) fn over(self, came: bool) {
        let mut state = self.0.lock();
        state.waiting = state.waiting.saturating_sub(1);
        if came {
            state.begin();
        }
    }
}
