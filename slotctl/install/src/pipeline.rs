//! From the source into the slot: reading, checking, decompressing or patching,
//! checking again and writing, at the same time and on all cores.
//!
//! Memory is bounded by what circulates: [`QUEUE`] groups of packed chunks, and
//! in each thread one group of content and the ground of one patch.

use super::reuse::{Origin, Origins, Reuse, range};
use super::target::Writing;
use crate::source::Source;
use bootshim::medium::Medium;
use bootshim::record::SlotId;
use controller::code::Code;
use controller::content::{self, FirstError};
use controller::disk::Slice;
use controller::error::{Error, Result};
use controller::medium::Aligned;
use controller::progress::{Phase, Progress};
use images::Part;
use images::chunk::{Ground, UnpackError, Unpacker};
use images::group::{self, Group};
use images::head::Head;
use images::index;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;

/// Groups whose chunks are read ahead of the workers.
const QUEUE: usize = 8;

/// What is installed, from where, to where.
pub(super) struct Copy<'a, M> {
    pub(super) head: &'a Head,
    pub(super) target: &'a Writing<M>,
    pub(super) reuse: &'a Reuse,
    pub(super) progress: &'a dyn Progress,
    /// Bytes of content that were written.
    pub(super) written: AtomicU64,
    /// Bytes of content that were copied from other slots.
    pub(super) reused: AtomicU64,
}

/// A group, and the packed bytes of its chunks that were read, one behind the
/// other.
type Job<'a> = (Group<'a>, Vec<u8>);

/// Why a group has to be made another way, by its first piece.
type Failed = BTreeMap<usize, Failure>;

/// What the workers found in one way through the groups.
#[derive(Default)]
struct Failures {
    /// What ends the install.
    error: FirstError,
    failed: Mutex<Failed>,
}

/// What did not give a group.
#[derive(Clone)]
enum Failure {
    /// Another slot does not hold what its index says.
    Held,
    /// What a patch is made against is not there, or not what it was.
    Ground(Error),
}

impl Failure {
    fn error(self) -> Option<Error> {
        match self {
            Failure::Held => None,
            Failure::Ground(error) => Some(error),
        }
    }
}

impl<M: Medium + Sync> Copy<'_, M> {
    /// Brings everything that `origins` leaves open into the slot. Not one byte
    /// reaches it that was not checked before.
    ///
    /// # Errors
    /// The first of: a failing source, a chunk that is not what was signed, a
    /// failing device. The slot is then half written, and `writing`.
    pub(super) fn run(&self, source: &mut Source, mut origins: Origins) -> Result<()> {
        let sums = origins.sums(self.head);
        let total = self.head.manifest.content_len.saturating_sub(sums.kept);
        self.progress.begin(Phase::Writing, total);
        // What is made of the image's own content begins when that is there.
        let limit = self.head.table.self_limit();
        let done = [0..limit, limit..u64::MAX]
            .into_iter()
            .try_for_each(|span| self.span(source, &mut origins, &span));
        self.progress.end();
        done?;
        source.end(&self.head.header)
    }

    /// All groups of one span, and once more those that failed, another way.
    fn span(&self, source: &mut Source, origins: &mut Origins, span: &Range<u64>) -> Result<()> {
        let inside = |group: &Group<'_>| span.contains(&group.offset());
        let failed = self.pass(source, origins, &inside)?;
        if failed.is_empty() {
            return Ok(());
        }
        for (first, failure) in &failed {
            self.turn(origins, *first, failure)?;
        }
        let again = |group: &Group<'_>| failed.contains_key(&group.first);
        let Some((first, failure)) = self.pass(source, origins, &again)?.pop_first() else {
            return Ok(());
        };
        // A copy in place of a patch that failed too: the patch is to blame.
        let before = failed.get(&first).cloned();
        match [Some(failure), before]
            .into_iter()
            .flatten()
            .find_map(Failure::error)
        {
            Some(error) => Err(error),
            None => Err(Error::new(
                Code::Internal,
                "a group was to be made of what had failed before",
            )),
        }
    }

    /// What is not held is read, what cannot be patched is copied.
    fn turn(&self, origins: &mut Origins, first: usize, failure: &Failure) -> Result<()> {
        let pieces = self.head.index.pieces();
        let all = first..index::group_end(pieces, first);
        let Failure::Ground(error) = failure else {
            origins.change(all, |origin| {
                if matches!(origin, Origin::Held(_)) {
                    *origin = Origin::Chunk;
                }
            });
            return Ok(());
        };
        let mut own = pieces.get(all.clone()).unwrap_or_default().iter();
        let mut nowhere = false;
        origins.change(all, |origin| {
            let place = own
                .next()
                .and_then(|piece| self.reuse.place_of(&piece.hash));
            match (&origin, place) {
                (Origin::Chunk, Some(place)) => *origin = Origin::Held(place),
                (Origin::Chunk, None) => nowhere = true,
                _ => {}
            }
        });
        if nowhere { Err(error.clone()) } else { Ok(()) }
    }

    /// One way through the groups that are wanted and open.
    fn pass(
        &self,
        source: &mut Source,
        origins: &Origins,
        wanted: &(dyn Fn(&Group<'_>) -> bool + Sync),
    ) -> Result<Failed> {
        let open = || group::of(self.head).filter(|group| wanted(group) && origins.is_open(group));
        let start = self.head.header.payload_offset();
        let ranges = open().flat_map(|group| wanted_ranges(&group, origins, start));
        source.want(ranges.collect())?;
        let failures = Failures::default();
        let (to_workers, jobs) = sync_channel::<Job<'_>>(QUEUE);
        let (to_reader, emptied) = sync_channel::<Vec<u8>>(QUEUE.saturating_mul(2));
        let jobs = Mutex::new(jobs);
        let work = || {
            let mut worker = Worker::new(self, origins, &failures);
            while let Some(job) = jobs.lock().ok().and_then(|queue| queue.recv().ok()) {
                // A full return queue only means that the buffer is not needed again.
                let _ = to_reader.try_send(worker.make(job));
            }
        };
        std::thread::scope(|scope| {
            let read = if content::spawn(scope, &work) > 0 {
                read(source, origins, open(), &failures, |job| {
                    let sent = to_workers.send(job);
                    sent.ok().map(|()| emptied.try_recv().unwrap_or_default())
                })
            } else {
                let mut worker = Worker::new(self, origins, &failures);
                read(source, origins, open(), &failures, |job| {
                    Some(worker.make(job))
                })
            };
            if let Err(error) = read {
                failures.error.set(error);
            }
            // The workers end when nothing more can come.
            drop(to_workers);
        });
        failures.error.take()?;
        Ok(failures.failed.into_inner().unwrap_or_default())
    }

    /// What the patches of a group are made of.
    fn ground(&self, group: &Group<'_>) -> SlotGround<'_, M> {
        let table = &self.head.table;
        let limit = table.self_limit();
        SlotGround {
            base: self.reuse.base.as_ref(),
            base_len: table.base().map_or(0, |base| base.content_len),
            target: self.target,
            own: if group.offset() >= limit { limit } else { 0 },
        }
    }
}

/// Which bytes of the file a group needs.
fn wanted_ranges(group: &Group<'_>, origins: &Origins, start: u64) -> Vec<Range<u64>> {
    let chunks = group.chunks.iter();
    let wanted = chunks.filter(|chunk| origins.wants(chunk.first, chunk.pieces.len()));
    let place = |chunk: &images::chunk::Chunk<'_>| {
        let from = start.saturating_add(chunk.entry.offset);
        from..from.saturating_add(u64::from(chunk.entry.length))
    };
    wanted.map(place).collect()
}

/// Reads what is wanted of each group and hands it on; `hand_on` gives a buffer for
/// the next, or nothing when nobody takes any more.
fn read<'a>(
    source: &mut Source,
    origins: &Origins,
    groups: impl Iterator<Item = Group<'a>>,
    failures: &Failures,
    mut hand_on: impl FnMut(Job<'a>) -> Option<Vec<u8>>,
) -> Result<()> {
    let mut packed = Vec::new();
    for group in groups {
        if failures.error.is_set() {
            return Ok(());
        }
        packed.clear();
        for chunk in &group.chunks {
            if !origins.wants(chunk.first, chunk.pieces.len()) {
                continue;
            }
            let start = packed.len();
            // Packed chunks are no longer than their content, and that is at
            // most 1 MiB in a group.
            let length = usize::try_from(chunk.entry.length).unwrap_or(0);
            packed.resize(start.saturating_add(length), 0);
            let room = packed.get_mut(start..).unwrap_or_default();
            source.fill(room, Part::Chunk(chunk.number))?;
        }
        match hand_on((group, packed)) {
            Some(emptied) => packed = emptied,
            None => return Ok(()),
        }
    }
    Ok(())
}

/// Makes groups, one at a time.
struct Worker<'a, M> {
    copy: &'a Copy<'a, M>,
    origins: &'a Origins,
    failures: &'a Failures,
    /// None where it cannot be had, which is noted as the error.
    unpacker: Option<Unpacker>,
    content: Aligned,
    /// Bytes of the group that were copied from other slots.
    reused: u64,
}

impl<'a, M: Medium + Sync> Worker<'a, M> {
    fn new(copy: &'a Copy<'a, M>, origins: &'a Origins, failures: &'a Failures) -> Self {
        let unpacker = Unpacker::new();
        let unpacker = unpacker.map_err(|error| Error::io("preparing to decompress", &error));
        Worker {
            copy,
            origins,
            failures,
            unpacker: unpacker.map_err(|error| failures.error.set(error)).ok(),
            content: content::piece_buffer(),
            reused: 0,
        }
    }

    /// Does a job and notes what came of it; the buffer of its packed bytes. After a
    /// failure jobs are only taken, so that the reader never waits for room.
    fn make(&mut self, (group, packed): Job<'_>) -> Vec<u8> {
        if self.failures.error.is_set() {
            return packed;
        }
        match self.group(&group, &packed) {
            Ok(None) => {}
            Ok(Some(failure)) => {
                if let Ok(mut failed) = self.failures.failed.lock() {
                    failed.insert(group.first, failure);
                }
            }
            Err(error) => self.failures.error.set(error),
        }
        packed
    }

    /// Makes the content of a group and writes what does not lie there.
    fn group(&mut self, group: &Group<'_>, packed: &[u8]) -> Result<Option<Failure>> {
        let mut packed = packed;
        let mut at = 0_usize;
        self.reused = 0;
        for chunk in &group.chunks {
            let length = usize::try_from(chunk.content_len()).unwrap_or(usize::MAX);
            let failure = if self.origins.wants(chunk.first, chunk.pieces.len()) {
                let own = usize::try_from(chunk.entry.length).unwrap_or(usize::MAX);
                let (own, later) = packed.split_at_checked(own).unwrap_or_default();
                packed = later;
                let mut ground = self.copy.ground(group);
                let whole = self.content.get(group.len());
                let Some(unpacker) = &mut self.unpacker else {
                    return Ok(None);
                };
                let made = unpacker.unpack(chunk, own, whole, at, &mut ground);
                self.unpacked(made)?
            } else {
                self.gather(chunk, at)?
            };
            if failure.is_some() {
                return Ok(failure);
            }
            at = at.saturating_add(length);
        }
        self.write(group)?;
        self.copy.reused.fetch_add(self.reused, Ordering::Relaxed);
        Ok(None)
    }

    fn unpacked(&self, made: Result<(), UnpackError<Error>>) -> Result<Option<Failure>> {
        let refused = match made {
            Ok(()) => return Ok(None),
            Err(UnpackError::Refused(refused)) => return Err(refused.into()),
            Err(UnpackError::Ground(error)) => return Ok(Some(Failure::Ground(error))),
            Err(UnpackError::GroundDiffers(refused)) => refused,
        };
        let error = match &self.copy.reuse.base {
            Some((slot, _)) => {
                let found = format!("slot {slot}, which the delta is made against, is damaged");
                Error::new(Code::BaseDamaged, format!("{found}: {refused}")).advice(format!(
                    "`slotctl verify {slot}` says where; install the full image"
                ))
            }
            None => Error::new(
                Code::ReadBackDiffers,
                format!("what was written reads back differently: {refused}"),
            )
            .advice("the device does not keep what is written to it; replace it"),
        };
        Ok(Some(Failure::Ground(error)))
    }

    /// Reads the pieces of a chunk from where they lie: in the slot itself, for
    /// the chunks behind them, or in another.
    fn gather(&mut self, chunk: &images::chunk::Chunk<'_>, at: usize) -> Result<Option<Failure>> {
        let origins = self.origins.of(range(chunk.first, chunk.pieces.len()));
        let mut at = at;
        for (origin, piece) in origins.iter().zip(chunk.pieces) {
            let end = at.saturating_add(content::length(piece));
            let buffer = self.content.get(end).get_mut(at..).unwrap_or_default();
            let read = match origin {
                Origin::Held(place) => self.copy.reuse.read(*place, buffer),
                Origin::Kept => {
                    self.copy.target.read_at(piece.offset, buffer)?;
                    true
                }
                Origin::Chunk => false,
            };
            if !read || (matches!(origin, Origin::Held(_)) && !piece.is(buffer)) {
                return Ok(Some(Failure::Held));
            }
            if matches!(origin, Origin::Held(_)) {
                self.reused = self.reused.saturating_add(u64::from(piece.length));
            }
            at = end;
        }
        Ok(None)
    }

    /// Writes each run of pieces that do not lie there yet.
    fn write(&mut self, group: &Group<'_>) -> Result<()> {
        let origins = self.origins.of(range(group.first, group.pieces.len()));
        let mut pieces = origins.iter().zip(group.pieces).peekable();
        let mut at = 0_usize;
        while let Some((origin, piece)) = pieces.next() {
            let (start, offset) = (at, piece.offset);
            at = at.saturating_add(content::length(piece));
            if *origin == Origin::Kept {
                continue;
            }
            while let Some((_, piece)) = pieces.next_if(|(origin, _)| **origin != Origin::Kept) {
                at = at.saturating_add(content::length(piece));
            }
            let content = self.content.get(at).get(start..).unwrap_or_default();
            self.copy.target.write(offset, content)?;
            let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
            self.copy.written.fetch_add(length, Ordering::Relaxed);
            self.copy.progress.advance(length);
        }
        Ok(())
    }
}

/// What patches are made of: the slot with the base, and what of the image is in
/// the target already.
struct SlotGround<'a, M> {
    base: Option<&'a (SlotId, Slice)>,
    base_len: u64,
    target: &'a Writing<M>,
    own: u64,
}

impl<M: Medium + Sync> Ground for SlotGround<'_, M> {
    type Error = Error;

    fn len(&self) -> u64 {
        self.base_len.saturating_add(self.own)
    }

    fn read(&mut self, at: u64, buffer: &mut [u8]) -> Result<()> {
        let before = usize::try_from(self.base_len.saturating_sub(at)).unwrap_or(usize::MAX);
        let before = before.min(buffer.len());
        let (old, own) = buffer.split_at_mut_checked(before).unwrap_or_default();
        if let Some((slot, base)) = self.base.filter(|_| !old.is_empty()) {
            base.read_at(at, old).map_err(|fault| {
                let doing =
                    format_args!("slot {slot}, which the delta is made against").to_string();
                Error::fault(doing, fault).advice("install the full image")
            })?;
        }
        if !own.is_empty() {
            let skipped = u64::try_from(before).unwrap_or(u64::MAX);
            let place = at.saturating_add(skipped).saturating_sub(self.base_len);
            self.target.read_at(place, own)?;
        }
        Ok(())
    }
}
