//! Reading, working and writing at the same time: work on all cores, order
//! kept, memory bounded.

use std::sync::{Mutex, OnceLock};
use std::vec::Vec;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// How many items are worked on at once. Three such batches are in memory: one
/// that is read, one in work, one that is written; with chunks of at most
/// 1 MiB, packed and unpacked, that is 32 MiB, whatever the number of cores.
const BATCH: usize = 8;

/// What the work needs again and again (a compressor), made when all that
/// exist are in use.
#[derive(Debug)]
pub struct Pool<W>(Mutex<Vec<W>>);

impl<W> Default for Pool<W> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<W> Pool<W> {
    /// Nothing made yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lends a worker to `job`, after making one if all are in use.
    ///
    /// # Errors
    /// Those of `make` and of `job`.
    pub fn with<T, E>(
        &self,
        make: impl FnOnce() -> Result<W, E>,
        job: impl FnOnce(&mut W) -> Result<T, E>,
    ) -> Result<T, E> {
        // A poisoned lock still guards a whole list.
        let idle = |pool: &Self| match pool.0.lock() {
            Ok(mut list) => list.pop(),
            Err(poisoned) => poisoned.into_inner().pop(),
        };
        let mut worker = idle(self).map_or_else(make, Ok)?;
        let done = job(&mut worker);
        if let Ok(mut list) = self.0.lock() {
            list.push(worker);
        }
        done
    }
}

/// As many threads as there are cores, or as many as the system gives; `None` where
/// it gives none.
fn threads() -> Option<&'static ThreadPool> {
    static THREADS: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let pool = |count: usize| ThreadPoolBuilder::new().num_threads(count).build().ok();
    let made = THREADS.get_or_init(|| (1..=cores()).rev().find_map(pool));
    made.as_ref()
}

/// Takes items from `next` until there are none, does `work` on all cores, and
/// gives the results to `sink` in the order of the items. Where no thread can be
/// had, the caller's own does everything.
///
/// # Errors
/// The first error in that order; what comes after it is dropped.
pub fn run<T: Send, U: Send, E: Send>(
    mut next: impl FnMut() -> Result<Option<T>, E> + Send,
    work: impl Fn(T) -> Result<U, E> + Sync,
    mut sink: impl FnMut(U) -> Result<(), E> + Send,
) -> Result<(), E> {
    // A pool that the caller is in already is the one that it wants.
    if rayon::current_thread_index().is_some() {
        return in_batches(next, work, sink);
    }
    if let Some(threads) = threads() {
        let work = &work;
        return threads.install(|| in_batches(next, work, sink));
    }
    while let Some(item) = next()? {
        sink(work(item)?)?;
    }
    Ok(())
}

/// [`run`], while threads of the pool are there to share it.
fn in_batches<T: Send, U: Send, E: Send>(
    mut next: impl FnMut() -> Result<Option<T>, E> + Send,
    work: impl Fn(T) -> Result<U, E> + Sync,
    mut sink: impl FnMut(U) -> Result<(), E> + Send,
) -> Result<(), E> {
    let mut read = || {
        let mut batch = Vec::with_capacity(BATCH);
        while batch.len() < BATCH {
            match next() {
                Ok(Some(item)) => batch.push(Ok(item)),
                Ok(None) => break,
                Err(error) => {
                    batch.push(Err(error));
                    break;
                }
            }
        }
        batch
    };
    let mut write = |done: Vec<Result<U, E>>| done.into_iter().try_for_each(|item| sink(item?));
    let mut reading = read();
    let mut written = Vec::new();
    while !reading.is_empty() {
        let working = std::mem::take(&mut reading);
        let failed = working.last().is_some_and(Result::is_err);
        let busy = || {
            let items = working.into_par_iter();
            items.map(|item| item.and_then(&work)).collect()
        };
        let following = || if failed { Vec::new() } else { read() };
        let previous = std::mem::take(&mut written);
        let (wrote, (done, more)) =
            rayon::join(|| write(previous), || rayon::join(busy, following));
        wrote?;
        (written, reading) = (done, more);
    }
    write(written)
}

#[cfg(test)]
mod tests;
