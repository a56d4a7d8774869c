//! Installing an image: into a slot that is not in use, every byte checked
//! before it is written and read back after, then one durable flip.

#![forbid(unsafe_code)]

pub mod activation;
mod compatible;
mod fit;
mod ground;
mod holdings;
mod pipeline;
mod plan;
pub mod source;
mod target;

use crate::source::Source;
pub use compatible::{Compatible, of as compatible};
use controller::code::{Code, Exit};
use controller::disk::{Committed, Disk};
use controller::efi_program::Machine;
use controller::error::{Error, Result};
use controller::floor;
use controller::lock::What;
use controller::medium::Mode;
use controller::memory;
use controller::progress::Progress;
use controller::verify;

use bootshim::medium::Medium;
use bootshim::record::{MAJOR, Record, SlotId, State};
use bootshim::state;
use ground::Ground;
use images::head::Head;
use images::manifest::Manifest;
use images::trust::Trust;
use pipeline::Copy;
use plan::Plan;
use std::sync::atomic::AtomicU64;
use target::{Complete, Writing};

/// What to install, and how.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The slot to write, instead of the one that is chosen.
    pub slot: Option<SlotId>,
    /// Tries of the trial, instead of the record's default.
    pub tries: Option<u8>,
    /// Whether the slot becomes the trial.
    pub activate: bool,
    /// Whether an image that failed here before is tried again.
    pub retry: bool,
    /// Whether everything is checked and nothing is written.
    pub dry_run: bool,
    /// Whether an image may be older than what runs.
    pub allow_downgrade: bool,
    /// The processor for which the kernel must be, where it is known.
    pub machine: Option<Machine>,
}

/// How an install ended.
#[derive(Debug)]
pub struct Outcome {
    /// The slot that holds the image, or that would be written.
    pub slot: SlotId,
    /// Its state.
    pub state: State,
    /// What the image says of itself.
    pub manifest: Manifest,
    /// Its digest.
    pub digest: images::Digest,
    /// Whether the slot held the image before.
    pub already: bool,
    /// Whether anything was written.
    pub changed: bool,
    /// How it came into the slot.
    pub moved: Moved,
}

/// How content came into a slot, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Content that was written.
    pub written: u64,
    /// Content that lay there already.
    pub kept: u64,
    /// Content that was copied from other slots.
    pub reused: u64,
    /// What the source gave: the head of the image and packed chunks.
    pub fetched: u64,
}

/// Installs the image that `source` gives. `compatible` is `None` on a disk that
/// never said for what machine it is.
///
/// # Errors
/// What is wrong with image, disk or device, with what was changed: before the
/// first chunk nothing, after it only the slot that is `writing`.
pub fn install(
    disk: &Disk,
    trusted: &Trust,
    compatible: Option<&Compatible>,
    source: &mut Source,
    request: &Request,
    progress: &dyn Progress,
) -> Result<Outcome> {
    let untouched = |error: Error| error.changed("nothing was written");
    let gone = |error| untouched(vanished(disk, error));
    let _lock = if request.dry_run {
        None
    } else {
        disk.lock(What::Install).map_err(gone)?
    };
    let (header, rest) = source.head().map_err(untouched)?;
    let head = Head::open(&header, &rest, trusted)
        .map_err(|refused| untouched(source.failed(refused.into())))?;
    drop(rest);
    let record = disk.record_to_change().map_err(gone)?;
    check_compatible(&head.manifest, compatible).map_err(untouched)?;
    check_record_format(&head.manifest).map_err(untouched)?;
    check_epoch(disk, &record, trusted, &head.manifest).map_err(untouched)?;
    floor::check(disk, &record, trusted, &head.manifest, "image")
        .map_err(|refused| untouched(refused.advice("install a newer image")))?;
    if !request.allow_downgrade {
        fit::check_age(disk, &record, trusted, &head.manifest).map_err(untouched)?;
    }
    if let Some(known) =
        already_here(disk, trusted, &head, &record, request, progress).map_err(gone)?
    {
        return Ok(known);
    }
    let in_use = disk.handover().map(|handover| handover.slot);
    let slot = state::write_target(&record, in_use, request.slot)
        .map_err(|refusal| untouched(refusal.into()))?;
    fit::check_room(&head.manifest, disk.layout(), slot).map_err(untouched)?;
    disk.check_whole(slot).map_err(untouched)?;
    let outcome = |state, changed, moved| Outcome {
        slot,
        state,
        manifest: head.manifest.clone(),
        digest: head.digest,
        already: false,
        changed,
        moved,
    };
    let ground = Ground::find(disk, &record, slot, source, &head, trusted).map_err(untouched)?;
    if let Some(words) = memory::warning(disk, &head.manifest) {
        progress.say(&words);
    }
    if request.dry_run {
        return Ok(outcome(record.slot(slot).state, false, Moved::default()));
    }
    // Opened before anything is committed: a slot that is mounted stays as it is.
    let medium = disk.slot(slot, Mode::WriteExclusive).map_err(gone)?;
    let begun = disk
        .update(|record, note| Ok((state::begin_writing(record, slot, in_use)?, note)))
        .map_err(|error| vanished(disk, error).changed("no slot was changed"))?;
    let half = |error: Error| {
        vanished(disk, error).changed(format!(
            "slot {slot} is being written and does not boot; all others are untouched"
        ))
    };
    let target = Writing::begin(medium, &begun.durable, slot).map_err(half)?;
    let (complete, moved) =
        write(target, trusted, source, &head, &ground, request, progress).map_err(half)?;
    // A commit that failed half-way may count all the same.
    let committed = commit(disk, &head, &complete, request)
        .map_err(|error| vanished(disk, error).changed(unsure(slot)))?;
    let state = committed.durable.record().slot(slot).state;
    Ok(outcome(state, true, moved))
}

/// The order of design, after the record says `writing` and the manifest is
/// away: content, flush, read back, manifest, and only then can it be committed.
/// A piece that lies there already is not written again; it is flushed and read
/// back with the others, so nothing is committed that was only in a cache.
fn write<M: Medium + Sync>(
    target: Writing<M>,
    trusted: &Trust,
    source: &mut Source,
    head: &Head,
    ground: &Ground,
    request: &Request,
    progress: &dyn Progress,
) -> Result<(Complete, Moved)> {
    let may = ground.may_be_kept(&head.index);
    let kept = if may.contains(&true) {
        target.kept(head, |number| may.get(number) == Some(&true), progress)?
    } else {
        may
    };
    // Reading a file costs less than reading another slot; a line does not.
    let copies = source.is_remote() && source.seeks();
    let plan = Plan::new(head, &kept, copies.then_some(&ground.holdings));
    let sums = plan.sums(head);
    for words in ground.announcement(head, &sums, source) {
        progress.say(&words);
    }
    let copy = Copy {
        head,
        target: &target,
        holdings: &ground.holdings,
        base: ground.base.as_ref(),
        progress,
        written: AtomicU64::new(0),
        reused: AtomicU64::new(0),
    };
    let ran = copy.run(source, plan);
    ran.map_err(|error| source.blamed(error))?;
    if let Some(machine) = request.machine {
        fit::check_processor(&target, &head.manifest, machine)?;
    }
    let moved = Moved {
        written: copy.written.into_inner(),
        reused: copy.reused.into_inner(),
        kept: sums.kept,
        fetched: source.fetched(),
    };
    let complete = target
        .finish(head)?
        .prove(head, progress)?
        .complete(head, trusted)?;
    Ok((complete, moved))
}

fn unsure(slot: SlotId) -> String {
    format!("slot {slot} holds the whole image; `slotctl status` says whether it starts next")
}

/// A disk that was there when the install began and is not any more.
fn vanished(disk: &Disk, error: Error) -> Error {
    if error.code != Code::NotFound {
        return error;
    }
    Error::new(Code::Vanished, format!("{} is gone", disk.path().display()))
}

fn commit(disk: &Disk, head: &Head, done: &Complete, request: &Request) -> Result<Committed> {
    let version = head.manifest.security_version;
    disk.update(|record, note| {
        let ready = state::finish_writing(record, done.slot(), done.manifest(), version)?;
        let tries = request.tries.unwrap_or(record.default_tries);
        let next = if request.activate {
            state::activate(&ready, done.slot(), tries)?
        } else {
            ready
        };
        Ok((next, note))
    })
}

fn check_compatible(image: &Manifest, compatible: Option<&Compatible>) -> Result<()> {
    if let Some(here) = compatible.filter(|here| here.name != image.compatible) {
        let found = format!("image is for \"{}\"", image.compatible);
        return Err(Error::new(Code::WrongCompatible, found).expected(format!(
            "this controller is \"{}\" (compatible in {})",
            here.name, here.from
        )));
    }
    Ok(())
}

/// What the software in the image cannot read it can neither confirm nor change. A
/// minor number is no hindrance: what it adds an older one keeps.
fn check_record_format(image: &Manifest) -> Result<()> {
    if image.record_major == MAJOR {
        return Ok(());
    }
    let found = format!(
        "the software in the image reads boot records of format {}",
        image.record_major
    );
    Err(Error::new(Code::RecordFormat, found)
        .expected(format!("this disk has one of format {MAJOR}"))
        .advice("build the image with a slotctl for this format"))
}

/// From the first good slot of a later key set on, nothing is installed that an
/// earlier one signed: its keys may be the reason for the later one. What was
/// installed before stays, as the way back.
fn check_epoch(disk: &Disk, record: &Record, trusted: &Trust, image: &Manifest) -> Result<()> {
    let Some(epoch) = trusted.epoch(image) else {
        return Ok(());
    };
    let good = record.good().into_iter().filter_map(|slot| {
        let installed = disk.manifest(slot, trusted).ok()?;
        let epoch = trusted.epoch(&installed.manifest)?;
        Some((epoch, slot))
    });
    match good.max_by_key(|(epoch, _)| *epoch) {
        Some((newest, slot)) if epoch < newest => {
            let found = format!("the key set of the image has epoch {epoch}");
            Err(Error::new(Code::OldKeySet, found)
                .expected(format!("the good slot {slot} has epoch {newest}"))
                .advice("sign the image under the newer key set"))
        }
        _ => Ok(()),
    }
}

/// The same image twice: what is here already, and still whole, is not written
/// again; what failed here is not tried again unless somebody says so.
fn already_here(
    disk: &Disk,
    trusted: &Trust,
    head: &Head,
    record: &Record,
    request: &Request,
    progress: &dyn Progress,
) -> Result<Option<Outcome>> {
    let same = record
        .slots()
        .filter(|(_, slot)| slot.manifest == head.digest);
    if let Some((slot, known)) = same.clone().find(|(_, slot)| slot.state == State::Bad)
        && !request.retry
    {
        let found = format!("this image failed in slot {slot} before: {}", known.reason);
        return Err(Error::new(Code::FailedBefore, found)
            .advice("`slotctl status` says more; --retry installs it again"));
    }
    let wanted = |slot: SlotId| request.slot.is_none_or(|wanted| wanted == slot);
    // The trial before a good slot, that before one that waits.
    let worth = |state| match state {
        State::Ready => Some(1),
        State::Good => Some(2),
        State::Trying => Some(3),
        _ => None,
    };
    let here = same.filter(|(id, slot)| worth(slot.state).is_some() && wanted(*id));
    let Some((slot, known)) = here.max_by_key(|(_, slot)| worth(slot.state)) else {
        return Ok(None);
    };
    // The record says what was installed, the disk what is there: a damaged slot
    // is no reason not to install the image again.
    match verify::slot(disk, record, slot, trusted, progress) {
        Ok(_) => {}
        Err(error) if error.exit() == Exit::NotAuthentic => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut outcome = Outcome {
        slot,
        state: known.state,
        manifest: head.manifest.clone(),
        digest: head.digest,
        already: true,
        changed: false,
        moved: Moved {
            kept: head.manifest.content_len,
            ..Moved::default()
        },
    };
    if request.activate && !request.dry_run {
        let tries = request.tries.unwrap_or(record.default_tries);
        let committed = disk.update(|now, note| {
            verify::unchanged(record, now, slot)?;
            Ok((state::activate(now, slot, tries)?, note))
        });
        // As for an install: a commit that failed half-way may count.
        let committed = committed.map_err(|error| match error.exit() {
            Exit::Io => error.changed(unsure(slot)),
            _ => error,
        })?;
        outcome.state = committed.durable.record().slot(slot).state;
        outcome.changed = committed.changed;
    }
    Ok(Some(outcome))
}

#[cfg(test)]
mod tests;
