//! The slot that is being written, step by step (which one it is, `bootshim::state`
//! decides). Each step is a type that only
//! the step before gives, so that none can be left out or come too early:
//!
//! | type | what is durable |
//! |---|---|
//! | [`Writing`] | the record says `writing`, and no digest; then no manifest lies in the slot |
//! | [`Written`] | all pieces and the index were flushed |
//! | [`Proven`] | they were read back from the device and are right |
//! | [`Complete`] | the manifest was flushed and read back too |
//!
//! A cut at any of them leaves a slot that is `writing`: it never boots, and the
//! next install begins again. Only what is [`Complete`] can be committed.

use bootshim::boot::Defect;
use bootshim::copies::Durable;
use bootshim::medium::{BLOCK, Cause, Fault, Medium};
use bootshim::record::{SlotId, State};
use bootshim::slot::Area;
use controller::code::Code;
use controller::content;
use controller::disk::Slice;
use controller::error::{Error, Result};
use controller::progress::{Phase, Progress};
use images::head::Head;
use images::trust::Trust;
use images::{Digest, SLOT_AREA_LEN};

/// A slot whose bytes may change.
#[derive(Debug)]
pub struct Writing<M = Slice> {
    slot: SlotId,
    medium: M,
}

impl<M: Medium + Sync> Writing<M> {
    /// A slot, opened for writing, of which a durable record says that it is
    /// writing. Its manifest is taken away, first of all: whatever else still
    /// lies there is no image from here on, even if the record is lost.
    pub fn begin(medium: M, proof: &Durable, slot: SlotId) -> Result<Writing<M>> {
        if proof.record().slot(slot).state != State::Writing {
            let found = format!("slot {slot} is to be written and its record does not say so");
            return Err(Error::new(Code::Internal, found));
        }
        let writing = Writing { slot, medium };
        writing.put(writing.area_offset()?, &[0; SLOT_AREA_LEN])?;
        writing.flush()?;
        Ok(writing)
    }

    /// Writes some pieces of the content, whose bytes were checked.
    pub fn write(&self, offset: u64, content: &[u8]) -> Result<()> {
        self.put(offset, content)
    }

    /// Reads content that was written, or lay there; whether it is right is for
    /// the caller to check.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.medium
            .read_at(offset, buffer)
            .map_err(|fault| self.failed(fault))
    }

    /// Which of the pieces lie in the slot already, of those that may; each was
    /// read from the device. What cannot be read does not lie there.
    pub fn kept(
        &self,
        head: &Head,
        may: impl Fn(usize) -> bool + Sync,
        progress: &dyn Progress,
    ) -> Result<Vec<bool>> {
        content::matching(&self.medium, &head.index, may, progress)
    }

    /// Writes the index behind the content and makes everything durable.
    ///
    /// # Errors
    /// The device's; an error of the flush is an error of the install.
    pub fn finish(self, head: &Head) -> Result<Written<M>> {
        let mut index = head.index_bytes.clone();
        let block = usize::try_from(BLOCK).unwrap_or(4096);
        index.resize(index.len().next_multiple_of(block), 0);
        self.put(head.manifest.index_offset(), &index)?;
        self.flush()?;
        Ok(Written {
            index,
            target: self,
        })
    }

    fn area_offset(&self) -> Result<u64> {
        bootshim::slot::area_offset(self.medium.len()).ok_or_else(|| {
            let found = format!("slot {} has only {} bytes", self.slot, self.medium.len());
            Error::new(Code::SlotTooSmall, found)
        })
    }

    fn put(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.medium
            .write_at(offset, bytes)
            .map_err(|fault| self.failed(fault))
    }

    fn flush(&self) -> Result<()> {
        self.medium.flush().map_err(|fault| self.failed(fault))
    }

    fn read_back(&self, offset: u64, expected: &[u8]) -> Result<()> {
        let mut found = vec![0; expected.len()];
        self.read_at(offset, &mut found)?;
        self.compare(offset, &found, expected)
    }

    fn compare(&self, offset: u64, found: &[u8], expected: &[u8]) -> Result<()> {
        if found == expected {
            return Ok(());
        }
        Err(self.failed(Fault {
            access: bootshim::medium::Access::Write,
            offset,
            length: u64::try_from(expected.len()).unwrap_or(u64::MAX),
            cause: Cause::Differs,
        }))
    }

    fn failed(&self, fault: Fault) -> Error {
        Error::fault(format_args!("slot {}", self.slot), fault)
    }
}

/// A slot whose content and index are durable.
#[derive(Debug)]
pub struct Written<M> {
    target: Writing<M>,
    index: Vec<u8>,
}

impl<M: Medium + Sync> Written<M> {
    /// Reads all of it back from the device, past the cache, and compares it
    /// with what was signed.
    ///
    /// # Errors
    /// The device's; a byte that is not what was written; an image whose content is
    /// not what its own manifest says.
    pub fn prove(self, head: &Head, progress: &dyn Progress) -> Result<Proven<M>> {
        let medium = &self.target.medium;
        let wrong = |error| back_differs(self.target.slot, error);
        let (index, manifest) = (&head.index, &head.manifest);
        content::check(medium, index, manifest, Phase::ReadingBack, progress).map_err(wrong)??;
        self.target
            .read_back(manifest.index_offset(), &self.index)?;
        Ok(Proven {
            target: self.target,
        })
    }
}

/// What was written right and comes back wrong is the device's fault.
fn back_differs(slot: SlotId, error: Error) -> Error {
    if error.code != Code::NotIntact {
        let found = format!("slot {slot}: {}", error.found);
        return Error { found, ..error };
    }
    let found = format!("slot {slot}: read back, {}", error.found);
    Error::new(Code::ReadBackDiffers, found)
        .advice("the device does not keep what is written to it; replace it")
}

/// A slot whose content and index are proven.
#[derive(Debug)]
pub struct Proven<M> {
    target: Writing<M>,
}

impl<M: Medium + Sync> Proven<M> {
    /// Writes the manifest with its signatures, last of all, and verifies the
    /// slot as bootshim will.
    pub fn complete(self, head: &Head, trusted: &Trust) -> Result<Complete> {
        let target = self.target;
        let (at, area) = (target.area_offset()?, head.slot_area()?);
        target.put(at, &area)?;
        target.flush()?;
        let back = Area::read(&target.medium);
        let differs = |defect: Defect| match defect {
            Defect::Unreadable(fault) => target.failed(fault),
            Defect::Bad(..) => {
                let found = format!("the manifest at {at}: {defect}");
                back_differs(target.slot, Error::new(Code::NotIntact, found))
            }
        };
        let back = back.map_err(differs)?;
        target.compare(at, back.bytes(), &area)?;
        back.open(trusted).map_err(differs)?;
        Ok(Complete {
            slot: target.slot,
            manifest: head.digest,
        })
    }
}

/// A slot that holds a whole image, durable and proven.
#[derive(Debug)]
pub struct Complete {
    slot: SlotId,
    manifest: Digest,
}

impl Complete {
    /// Which slot.
    pub fn slot(&self) -> SlotId {
        self.slot
    }

    /// The digest of its image.
    pub fn manifest(&self) -> Digest {
        self.manifest
    }
}
