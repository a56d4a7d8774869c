//! Installing an image: into a slot that is not in use, every byte checked
//! before it is written and read back after, then one durable flip.

#![forbid(unsafe_code)]

pub mod activation;
mod compatible;
mod fit;
mod pipeline;
mod ready;
mod reuse;
pub mod source;
mod target;

use crate::source::Source;
pub use compatible::{Compatible, of as compatible};
use controller::code::{Code, Exit};
use controller::disk::{Disk, Slice};
use controller::efi_program::Machine;
use controller::error::{Error, Result};
use controller::floor;
use controller::found::Found;
use controller::lock::What;
use controller::medium::Mode;
use controller::memory;
use controller::progress::Progress;
use controller::verify;

use bootshim::copies::Durable;
use bootshim::medium::Medium;
use bootshim::record::{Record, SlotId, State};
use bootshim::state::{self, Next};
use images::head::Head;
use images::manifest::Manifest;
use images::trust::Trust;
use pipeline::Copy;
use ready::Ready;
use reuse::{Origins, Reuse};
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

/// Installs the image that `source` gives. It is for the machine that
/// `compatible` says.
///
/// # Errors
/// What is wrong with image, disk or device, with what was changed: before the
/// first chunk nothing, after it only the slot that is `writing`.
pub fn install(
    disk: &Disk,
    trusted: &Trust,
    compatible: &Compatible,
    source: &mut Source,
    request: &Request,
    progress: &dyn Progress,
) -> Result<Outcome> {
    let _lock = if request.dry_run {
        None
    } else {
        let lock = disk.lock(What::Install);
        lock.map_err(|error| vanished(disk, error).changed(NOTHING))?
    };
    let head = read_head(source, trusted).map_err(|error| error.changed(NOTHING))?;
    let signed = Signed {
        disk,
        trusted,
        head: &head,
        request,
        progress,
    };
    let checked = signed.check(compatible)?;
    if let Some(known) = checked.already_here()? {
        return Ok(known);
    }
    let chosen = checked.choose(source)?;
    if request.dry_run {
        return Ok(signed.outcome(chosen.slot, chosen.state, Moved::default()));
    }
    chosen.claim()?.fill(source)?.commit()
}

const NOTHING: &str = "nothing was written";

fn read_head(source: &mut Source, trusted: &Trust) -> Result<Head> {
    let (header, rest) = source.head()?;
    Head::open(&header, &rest, trusted).map_err(|refused| source.failed(refused.into()))
}

/// An install whose image is signed. The phases after it are types that only the one
/// before gives, so that none is left out or comes too early:
///
/// | type | what holds | what was changed where it stops |
/// |---|---|---|
/// | [`Checked`] | the image is one for this controller | nothing |
/// | [`Chosen`] | a slot may be written, and is large enough | no slot |
/// | [`Claimed`] | the record says `writing`, durably | this slot, which does not boot |
/// | [`Filled`] | the slot holds the whole image, proven | whether it starts is to be seen |
struct Signed<'a> {
    disk: &'a Disk,
    trusted: &'a Trust,
    head: &'a Head,
    request: &'a Request,
    progress: &'a dyn Progress,
}

struct Checked<'a> {
    signed: &'a Signed<'a>,
    found: Found<'a>,
}

struct Chosen<'a> {
    signed: &'a Signed<'a>,
    slot: SlotId,
    state: State,
    reuse: Reuse,
}

struct Claimed<'a> {
    signed: &'a Signed<'a>,
    slot: SlotId,
    reuse: Reuse,
    medium: Slice,
    proof: Durable,
}

struct Filled<'a> {
    signed: &'a Signed<'a>,
    complete: Complete,
    moved: Moved,
}

impl Signed<'_> {
    /// Whether the image is one for this controller.
    fn check(&self, compatible: &Compatible) -> Result<Checked<'_>> {
        let image = &self.head.manifest;
        let check = || {
            let found = Found::new(self.disk, self.disk.record_to_change()?, self.trusted);
            fit::check_compatible(&found, image, compatible)?;
            fit::check_record_format(image)?;
            fit::check_order_keys(self.disk, self.head.key_set.as_ref())?;
            fit::check_epoch(&found, image)?;
            floor::check(&found, image, "image")
                .map_err(|refused| refused.advice("install a newer image"))?;
            if !self.request.allow_downgrade {
                fit::check_age(&found, image)?;
            }
            Ok(Checked {
                signed: self,
                found,
            })
        };
        check().map_err(|error| self.stopped(error, NOTHING))
    }

    fn activate(&self, record: &Record, slot: SlotId) -> Result<Next> {
        let tries = self.request.tries.unwrap_or(record.default_tries);
        Ok(state::activate(record, slot, tries)?)
    }

    /// What the slot keeps is made ready for its trial, which would follow this record.
    fn ready(&self, before: &Record, slot: SlotId) -> Result<Ready> {
        let flip = self.activate(before, slot)?;
        let manifest = || Ok(self.head.manifest.clone());
        Ready::make(self.disk, (before, &flip), slot, manifest, self.progress)
    }

    fn outcome(&self, slot: SlotId, state: State, moved: Moved) -> Outcome {
        Outcome {
            slot,
            state,
            manifest: self.head.manifest.clone(),
            digest: self.head.digest,
            already: false,
            changed: !self.request.dry_run,
            moved,
        }
    }

    /// The slot that runs, whatever lies in it by now.
    fn in_use(&self) -> Option<SlotId> {
        self.disk.handover().map(|handover| handover.slot)
    }

    fn stopped(&self, error: Error, changed: impl Into<String>) -> Error {
        vanished(self.disk, error).changed(changed)
    }
}

impl<'a> Checked<'a> {
    /// The same image twice: what is here already, and still whole, is not written
    /// again; what failed here is not tried again unless somebody says so.
    fn already_here(&self) -> Result<Option<Outcome>> {
        self.look()
            .map_err(|error| self.signed.stopped(error, NOTHING))
    }

    fn look(&self) -> Result<Option<Outcome>> {
        let (head, request) = (self.signed.head, self.signed.request);
        let record = &self.found.record;
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
        match verify::slot(&self.found, slot, self.signed.progress) {
            Ok(_) => {}
            Err(error) if error.exit() == Exit::NotAuthentic => return Ok(None),
            Err(error) => return Err(error),
        }
        let kept = head.manifest.content_len;
        let mut outcome = Outcome {
            already: true,
            changed: false,
            ..self.signed.outcome(
                slot,
                known.state,
                Moved {
                    kept,
                    ..Moved::default()
                },
            )
        };
        if request.activate && !request.dry_run {
            let ready = self.signed.ready(record, slot)?;
            let committed = self.signed.disk.update(|now, note| {
                verify::unchanged(record, now, slot)?;
                let flip = self.signed.activate(now, slot)?;
                Ok((ready.number(now, flip), note))
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

    /// Which slot is written, and what of the image lies on the disk.
    fn choose(self, source: &Source) -> Result<Chosen<'a>> {
        let Checked { signed, found } = self;
        let choose = || {
            let (disk, in_use) = (signed.disk, signed.in_use());
            let slot = state::write_target(&found.record, in_use, signed.request.slot)?;
            fit::check_room(&signed.head.manifest, disk.layout(), slot)?;
            disk.check_whole(slot)?;
            let reuse = Reuse::find(&found, slot, source, signed.head)?;
            if let Some(words) = memory::warning(disk, &signed.head.manifest) {
                signed.progress.say(&words);
            }
            let state = found.record.slot(slot).state;
            Ok(Chosen {
                signed,
                slot,
                state,
                reuse,
            })
        };
        choose().map_err(|error| signed.stopped(error, NOTHING))
    }
}

impl<'a> Chosen<'a> {
    /// The record says that the slot is being written. It is opened before anything is
    /// committed: one that is mounted stays as it is.
    fn claim(self) -> Result<Claimed<'a>> {
        let Chosen {
            signed,
            slot,
            reuse,
            ..
        } = self;
        let medium = signed.disk.slot(slot, Mode::WriteExclusive);
        let medium = medium.map_err(|error| signed.stopped(error, NOTHING))?;
        let claim = |record: &Record, note| {
            let writing = state::begin_writing(record, slot, signed.in_use())?;
            Ok((writing, note))
        };
        let begun = signed.disk.update(claim);
        let begun = begun.map_err(|error| signed.stopped(error, "no slot was changed"))?;
        let proof = begun.durable;
        Ok(Claimed {
            signed,
            slot,
            reuse,
            medium,
            proof,
        })
    }
}

impl<'a> Claimed<'a> {
    fn fill(self, source: &mut Source) -> Result<Filled<'a>> {
        let Claimed { signed, slot, .. } = self;
        let Signed {
            trusted,
            head,
            request,
            progress,
            ..
        } = *signed;
        let filled = Writing::begin(self.medium, &self.proof, slot).and_then(|target| {
            write(
                target,
                trusted,
                source,
                head,
                &self.reuse,
                request,
                progress,
            )
        });
        let changed =
            format!("slot {slot} is being written and does not boot; all others are untouched");
        let (complete, moved) = filled.map_err(|error| signed.stopped(error, changed))?;
        Ok(Filled {
            signed,
            complete,
            moved,
        })
    }
}

impl Filled<'_> {
    /// The image is installed, and the trial where it is to be. Where what the slot keeps
    /// cannot be made ready, it waits. A commit that fails half-way may count all the same.
    fn commit(self) -> Result<Outcome> {
        let (signed, slot) = (self.signed, self.complete.slot());
        let (manifest, request) = (self.complete.manifest(), signed.request);
        let version = signed.head.manifest.security_version;
        let filled = |record: &Record| {
            Ok::<Next, Error>(state::finish_writing(record, slot, manifest, version)?)
        };
        let ready = request.activate.then(|| {
            let (record, _) = signed.disk.read_record()?;
            let before = filled(&record)?;
            signed.ready(&before, slot)
        });
        let committed = signed.disk.update(|record, note| {
            let filled = filled(record)?;
            let next = match &ready {
                Some(Ok(ready)) => ready.number(&filled, signed.activate(&filled, slot)?),
                _ => filled,
            };
            Ok((next, note))
        });
        let committed = committed.map_err(|error| signed.stopped(error, unsure(slot)))?;
        if let Some(Err(refused)) = ready {
            let changed = format!("slot {slot} holds the whole image, and does not start next");
            return Err(signed.stopped(refused, changed));
        }
        let state = committed.durable.record().slot(slot).state;
        Ok(signed.outcome(slot, state, self.moved))
    }
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
    reuse: &Reuse,
    request: &Request,
    progress: &dyn Progress,
) -> Result<(Complete, Moved)> {
    let may = reuse.may_be_kept(&head.index);
    let kept = if may.contains(&true) {
        target.kept(head, |number| may.get(number) == Some(&true), progress)?
    } else {
        may
    };
    // Reading a file costs less than reading another slot; a line does not.
    let copies = source.is_remote() && source.seeks();
    let origins = Origins::new(head, &kept, copies.then_some(reuse));
    let sums = origins.sums(head);
    for words in reuse.announcement(head, &sums, source) {
        progress.say(&words);
    }
    let copy = Copy {
        head,
        target: &target,
        reuse,
        progress,
        written: AtomicU64::new(0),
        reused: AtomicU64::new(0),
    };
    let ran = copy.run(source, origins);
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

#[cfg(test)]
mod tests;
