//! Fetching segments over several connections at once, for one that reads them
//! in order.
//!
//! Memory is bounded by [`WINDOW`]: so many segments, from the one that is being
//! read on, are on their way or wait. A segment that breaks off goes on at the
//! byte where it did, over whichever connection is free first.

use super::client::{Again, Client, Failure};
use super::incoming::{self, Given, Incoming};
use super::rate;
use super::tries::Tries;
use controller::code::Code;
use controller::error::{Error, Result};
use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Connections at once.
const LANES: usize = 4;
/// Segments in memory at once, of 1 MiB at most; with the buffers of the
/// connections that stays below 8 MiB.
const WINDOW: usize = 7;
/// What one request asks for at most. Several of them are in flight, so the time
/// from asking to the first byte hides behind the others.
const SEGMENT: u64 = 1 << 20;
/// A gap up to this is fetched with its neighbours: a request of its own costs
/// about as much in headers and waiting.
const GAP: u64 = 8 << 10;
/// Threads that an install from a server may have at once: each lane with one that
/// looks up a name, those of a way through the image that are about to end, and the
/// workers.
const THREADS: usize = 4 * LANES;

/// Whether so many threads can be had: before anything depends on them, since a lane
/// that cannot start later on would cost a slot for nothing.
pub(super) fn check_threads() -> Result<()> {
    let mut held = Vec::new();
    for had in 0..THREADS {
        let (hold, wait) = channel::<()>();
        let thread = std::thread::Builder::new().spawn(move || wait.recv().is_ok());
        let thread = thread.map_err(|error| {
            let doing = format_args!("starting thread {had} of {THREADS}");
            Error::io(doing, &error).advice("allow more (`ulimit -u`, TasksMax= of a unit)")
        })?;
        held.push((hold, thread));
    }
    for (hold, thread) in held {
        drop(hold);
        // It has nothing to say; but its place has to be free again.
        let _ = thread.join();
    }
    Ok(())
}

/// The segments for ascending ranges that do not overlap, and how many of their bytes
/// nobody wants; what comes before `from` is here already.
pub(super) fn segments(ranges: &[Range<u64>], from: u64) -> (Vec<Range<u64>>, u64) {
    let mut runs: Vec<Range<u64>> = Vec::new();
    let mut bridged = 0_u64;
    let ranges = ranges.iter().map(|range| range.start.max(from)..range.end);
    for range in ranges.filter(|range| !range.is_empty()) {
        match runs.last_mut() {
            Some(run) if range.start.saturating_sub(run.end) <= GAP => {
                bridged = bridged.saturating_add(range.start.saturating_sub(run.end));
                run.end = range.end;
            }
            _ => runs.push(range),
        }
    }
    // Each in equal parts, so that no request is for a rest of a few bytes.
    let cut = |run: Range<u64>| {
        let length = run.end.saturating_sub(run.start);
        let part = length.div_ceil(length.div_ceil(SEGMENT).max(1)).max(1);
        let starts = (0..length.div_ceil(part)).map(move |number| number.saturating_mul(part));
        starts.map(move |at| {
            let start = run.start.saturating_add(at);
            start..start.saturating_add(part).min(run.end)
        })
    };
    (runs.into_iter().flat_map(cut).collect(), bridged)
}

/// Segments on their way. The connections are given up when it is dropped.
pub(in crate::source) struct Fetch {
    shared: Arc<Shared>,
    /// The segment that is being read, and its bytes.
    current: Option<(Range<u64>, Vec<u8>)>,
    /// The number of the next.
    next: usize,
}

struct Shared {
    client: Arc<Client>,
    segments: Vec<Range<u64>>,
    state: Mutex<State>,
    moved: Condvar,
}

struct State {
    /// The first segment that nobody took yet.
    next: usize,
    /// Those that broke off, by number.
    broken: BTreeMap<usize, Job>,
    /// Those that are whole and not read.
    done: BTreeMap<usize, Vec<u8>>,
    /// The number of the one that is being read.
    reading: usize,
    active: usize,
    /// How many may be active: one after another, when the server does not answer.
    lanes: usize,
    /// What the server puts up with.
    most: usize,
    tries: Tries,
    /// The whole file, from a server that gave it instead of a part: it is read
    /// on from segment to segment.
    whole: Option<Incoming>,
    /// How often a server did.
    wholes: u32,
    /// Counts the failures. Requests that were made before the last one do not
    /// count as another.
    failures: u64,
    resume_at: Option<Instant>,
    error: Option<Error>,
    closed: bool,
}

/// A segment that is being fetched.
struct Job {
    number: usize,
    bytes: Vec<u8>,
    filled: usize,
    /// How much of it was there before this request.
    before: usize,
}

impl Fetch {
    /// Begins to fetch ascending segments of the file.
    pub(super) fn new(
        client: &Arc<Client>,
        segments: Vec<Range<u64>>,
        lanes: Option<usize>,
    ) -> Result<Fetch> {
        let lanes = lanes.unwrap_or(LANES).min(segments.len());
        let state = State {
            next: 0,
            broken: BTreeMap::new(),
            done: BTreeMap::new(),
            reading: 0,
            active: 0,
            lanes,
            most: lanes,
            tries: Tries::new(client.patience),
            whole: None,
            wholes: 0,
            failures: 0,
            resume_at: None,
            error: None,
            closed: false,
        };
        let shared = Arc::new(Shared {
            client: Arc::clone(client),
            segments,
            state: Mutex::new(state),
            moved: Condvar::new(),
        });
        // Made first, so that those that did start end if one does not.
        let fetch = Fetch {
            shared,
            current: None,
            next: 0,
        };
        for _ in 0..lanes {
            let shared = Arc::clone(&fetch.shared);
            std::thread::Builder::new()
                .name("network".into())
                .spawn(move || shared.work())
                .map_err(|error| Error::io("starting a thread", &error))?;
        }
        Ok(fetch)
    }

    /// Reads what lies at `at`, which is in segments that were not passed yet.
    pub(super) fn read(&mut self, mut at: u64, mut buffer: &mut [u8]) -> Result<()> {
        while !buffer.is_empty() {
            let here = self.current.as_ref().and_then(|(range, bytes)| {
                let offset = usize::try_from(at.checked_sub(range.start)?).ok()?;
                bytes.get(offset..).filter(|rest| !rest.is_empty())
            });
            let Some(mut here) = here else {
                self.current = None;
                self.current = Some(self.shared.wait_for(self.next)?);
                self.next = self.next.saturating_add(1);
                continue;
            };
            let length = here.read(buffer).unwrap_or_default();
            buffer = buffer.get_mut(length..).unwrap_or_default();
            at = at.saturating_add(length as u64);
        }
        Ok(())
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.moved.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let waited = self.moved.wait(state);
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    /// The reader wants this segment, and is done with all before it.
    fn wait_for(&self, number: usize) -> Result<(Range<u64>, Vec<u8>)> {
        let Some(range) = self.segments.get(number) else {
            let found = "a range was read that was not announced";
            return Err(Error::new(Code::Internal, found));
        };
        let mut state = self.lock();
        state.reading = number;
        self.moved.notify_all();
        loop {
            if let Some(bytes) = state.done.remove(&number) {
                return Ok((range.clone(), bytes));
            }
            if let Some(error) = &state.error {
                return Err(error.clone());
            }
            state = self.wait(state);
        }
    }

    /// One connection after another, until there is nothing to do.
    fn work(&self) {
        let _watched = Watched(self);
        while let Some((mut job, failures)) = self.take() {
            let result = self.attempt(&mut job);
            self.put(job, failures, result);
        }
    }

    /// The next thing to do, and how many failures there were until now.
    fn take(&self) -> Option<(Job, u64)> {
        let mut state = self.lock();
        loop {
            if state.closed || state.error.is_some() {
                return None;
            }
            if let Some(at) = state.resume_at {
                let pause = at.saturating_duration_since(Instant::now());
                if !pause.is_zero() {
                    let waited = self.moved.wait_timeout(state, pause);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                    continue;
                }
                state.resume_at = None;
            }
            if state.active < state.lanes
                && let Some(job) = self.choose(&mut state)
            {
                state.active = state.active.saturating_add(1);
                return Some((job, state.failures));
            }
            if state.active == 0 && state.broken.is_empty() && state.next >= self.segments.len() {
                return None;
            }
            state = self.wait(state);
        }
    }

    /// What broke off first: the reader waits for it.
    fn choose(&self, state: &mut State) -> Option<Job> {
        if let Some((_, job)) = state.broken.pop_first() {
            return Some(job);
        }
        let number = state.next;
        if number >= state.reading.saturating_add(WINDOW) {
            return None;
        }
        let range = self.segments.get(number)?;
        state.next = number.saturating_add(1);
        let length = usize::try_from(range.end.saturating_sub(range.start)).ok()?;
        Some(Job {
            number,
            bytes: vec![0; length],
            filled: 0,
            before: 0,
        })
    }

    /// One request; it may bring a part of what is missing and fail all the same.
    fn attempt(&self, job: &mut Job) -> Result<(), Failure> {
        let Some(range) = self.segments.get(job.number) else {
            return Ok(());
        };
        job.before = job.filled;
        let missing = range.start.saturating_add(job.filled as u64)..range.end;
        if let Some(mut whole) = self.whole(missing.start) {
            whole.skip_to(missing.start)?;
            self.receive(job, &mut whole)?;
            self.lock().whole = Some(whole);
            return Ok(());
        }
        match incoming::ask(&self.client, &missing)? {
            (_, Given::Part(mut part)) => {
                self.receive(job, &mut part)?;
                part.finish();
                Ok(())
            }
            (_, Given::Whole(whole)) => self.keep(whole),
            (_, Given::Nothing) => Err(Failure::again("the server has nothing there")),
        }
    }

    /// The whole file that is on its way, if the byte at `at` is still to come, and
    /// nobody fetches what lies before it.
    fn whole(&self, at: u64) -> Option<Incoming> {
        let mut state = self.lock();
        if state.active > 1 {
            return None;
        }
        state.whole.take().filter(|whole| whole.at <= at)
    }

    /// Keeps the whole file for when it is nobody else's turn: read from front to
    /// back by one after another, it costs its length once.
    fn keep(&self, whole: Incoming) -> Result<(), Failure> {
        let mut state = self.lock();
        (state.lanes, state.most) = (1, 1);
        if state.whole.is_some() {
            return Ok(());
        }
        state.whole = Some(whole);
        state.wholes = state.wholes.saturating_add(1);
        let too_often = state.wholes > self.client.patience.attempts;
        drop(state);
        let words = "the server gives the whole file instead of a part";
        if too_often {
            return Err(Failure::Final(
                self.client.error(format_args!("{words}, again and again")),
            ));
        }
        self.client
            .say(format_args!("{words}: it is read from its beginning"));
        Ok(())
    }

    /// Fills what is missing of a segment with what comes, as far as it comes.
    fn receive(&self, job: &mut Job, part: &mut Incoming) -> Result<(), Failure> {
        let solid = rate::least(self.client.patience.window);
        let received = loop {
            let room = job.bytes.get_mut(job.filled..).unwrap_or_default();
            match part.read(room) {
                Ok(0) => break Ok(()),
                Ok(read) => job.filled = job.filled.saturating_add(read),
                Err(failure) => break Err(failure),
            }
            let mut state = self.lock();
            if job.came() >= solid {
                state.tries.progress();
            }
            if state.closed {
                return Err(Failure::again("nobody wants it any more"));
            }
        };
        if job.is_whole() || rate::suffices(job.came(), part.waited()) {
            self.lock().tries.progress();
        } else if received.is_ok() {
            return Err(part.trickles(job.came()));
        }
        received
    }

    fn put(&self, job: Job, failures: u64, result: Result<(), Failure>) {
        let mut state = self.lock();
        state.active = state.active.saturating_sub(1);
        let whole = job.is_whole();
        let came = job.came() > 0;
        if whole {
            state.done.insert(job.number, job.bytes);
        } else {
            state.broken.insert(job.number, job);
        }
        let mut words = None;
        match result {
            Ok(()) if whole => state.lanes = state.lanes.saturating_add(1).min(state.most),
            // The server gave less than was asked for, and said so.
            Ok(()) => {}
            Err(Failure::Final(error)) => drop(state.error.get_or_insert(error)),
            Err(Failure::Again(again)) => {
                words = self.failed(&mut state, failures, &again, came);
            }
        }
        drop(state);
        self.moved.notify_all();
        if let Some(words) = words {
            self.client.say(words);
        }
    }

    /// What there is to say about it.
    fn failed(
        &self,
        state: &mut State,
        failures: u64,
        again: &Again,
        came: bool,
    ) -> Option<String> {
        if again.crowded {
            state.most = state.most.saturating_sub(1).max(1);
            state.lanes = state.lanes.min(state.most);
        }
        // What was asked before the last failure failed with it.
        if state.closed || failures != state.failures && again.after.is_none() {
            return None;
        }
        state.failures = state.failures.saturating_add(1);
        let Some(wait) = state.tries.fail(again, self.client.answered()) else {
            let error = gave_up(&self.client, &again.reason, state.tries.failed());
            state.error.get_or_insert(error);
            return None;
        };
        let at = Instant::now().checked_add(wait.pause);
        state.resume_at = state.resume_at.max(at);
        // One knocks; the others come back when it is let in.
        if !came {
            state.lanes = 1;
        }
        Some(format!("{}; {wait}", again.reason))
    }
}

impl Job {
    fn is_whole(&self) -> bool {
        self.filled >= self.bytes.len()
    }

    /// How much this request brought.
    fn came(&self) -> u64 {
        self.filled.saturating_sub(self.before) as u64
    }
}

/// The error after the last attempt.
pub(super) fn gave_up(client: &Client, reason: &str, attempts: u32) -> Error {
    client
        .error(reason)
        .expected(format!("for the {attempts}th time in a row"))
        .advice("run the same command again: what was written is kept")
}

/// A connection whose thread dies must not leave the reader waiting.
struct Watched<'a>(&'a Shared);

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let error = Error::new(Code::Internal, "a connection ended unexpectedly");
            self.0.lock().error.get_or_insert(error);
            self.0.moved.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn neighbours_are_one_request_and_a_large_gap_is_not_fetched() {
        let ranges = [0..10, 10..20, 20 + GAP..40 + GAP, 100_000..100_001];
        let expected = vec![0..40 + GAP, 100_000..100_001];
        assert_eq!(segments(&ranges, 0), (expected, GAP));
    }

    #[test]
    fn what_is_here_already_is_not_asked_for() {
        let ranges = [0..10, 10..20, 50_000..50_001];
        assert_eq!(segments(&ranges, 15).0, [15..20, 50_000..50_001]);
        assert_eq!(segments(&ranges, 50_001), (vec![], 0));
    }

    proptest! {
        #[test]
        fn every_wanted_byte_is_in_exactly_one_segment(
            steps in prop::collection::vec((0u64..3 * GAP, 0u64..3 * SEGMENT), 0..20),
            from in 0u64..SEGMENT,
        ) {
            let mut at = 0;
            let ranges: Vec<Range<u64>> = steps.iter().map(|(gap, length)| {
                let start = at + gap;
                at = start + length;
                start..at
            }).collect();
            let (segments, bridged) = segments(&ranges, from);
            let ascending = segments.windows(2).all(|pair| pair[0].end <= pair[1].start);
            prop_assert!(ascending);
            for segment in &segments {
                prop_assert!(!segment.is_empty() && segment.end - segment.start <= SEGMENT);
            }
            let all = |ranges: &[Range<u64>]| ranges.iter().map(|r| r.end.saturating_sub(r.start)).sum::<u64>();
            let clipped: Vec<Range<u64>> = ranges.iter().map(|r| r.start.max(from)..r.end).collect();
            prop_assert_eq!(all(&segments), all(&clipped) + bridged);
            for range in clipped.iter().filter(|range| !range.is_empty()) {
                for byte in [range.start, range.end - 1] {
                    prop_assert!(segments.iter().any(|segment| segment.contains(&byte)));
                }
            }
        }
    }
}
