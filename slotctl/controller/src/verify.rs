//! Reading a slot back and checking every byte against its signed manifest.

use crate::code::Code;
use crate::content;
use crate::error::{Error, Result};
use crate::found::{Found, in_slot};
use crate::medium::Mode;
use crate::progress::{Phase, Progress};
use bootshim::medium::Medium;
use bootshim::record::{NO_DIGEST, Record, SlotId};
use images::index::Index;
use images::manifest::Manifest;

/// Checks a slot whole: signature, index, every byte, and that it is the image
/// which the record says was installed there.
pub fn slot<'a>(
    found: &'a Found<'_>,
    slot: SlotId,
    progress: &dyn Progress,
) -> Result<&'a Manifest> {
    let medium = found.disk.slot(slot, Mode::Read)?;
    let known = found.record.slot(slot);
    if known.manifest == NO_DIGEST {
        let found = format!("slot {slot} is {}", known.state);
        return Err(Error::new(Code::NotInstalled, found).expected("it holds no image"));
    }
    let manifest = found.manifest(slot)?;
    let index = read_index(&medium, slot, manifest)?;
    content::check(&medium, &index, manifest, Phase::Verifying, progress)
        .and_then(|content| Ok(content?))
        .map_err(|error| in_slot(slot, error))?;
    Ok(manifest)
}

/// What was looked at, without the record's lock, must still be so when it is
/// acted on under it: a slot that turned bad meanwhile was not verified for that.
pub fn unchanged(before: &Record, now: &Record, slot: SlotId) -> Result<()> {
    let (was, is) = (before.slot(slot), now.slot(slot));
    if (was.state, was.manifest) == (is.state, is.manifest) {
        return Ok(());
    }
    let found = format!(
        "slot {slot} was {} and is {} now: another command changed it",
        was.state, is.state
    );
    Err(Error::new(Code::Busy, found)
        .advice("try again")
        .changed("nothing was written"))
}

/// The index of the image that a slot holds, whatever the record says of it.
pub fn index(found: &Found<'_>, slot: SlotId) -> Result<Index> {
    let medium = found.disk.slot(slot, Mode::Read)?;
    read_index(&medium, slot, &found.installed(slot)?.manifest)
}

fn read_index<M: Medium>(medium: &M, slot: SlotId, manifest: &Manifest) -> Result<Index> {
    let read = || {
        let length = usize::try_from(manifest.index_len)
            .map_err(|_| Error::new(Code::NotIntact, "an index beyond memory"))?;
        let mut bytes = vec![0; length];
        medium
            .read_at(manifest.index_offset(), &mut bytes)
            .map_err(|fault| Error::fault("reading the index", fault))?;
        Ok(Index::parse(&bytes, manifest)?)
    };
    read().map_err(|error| in_slot(slot, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Exit;
    use bootshim::guid::Guid;
    use bootshim::record::{Slot, State};

    #[test]
    fn a_slot_that_another_command_changed_meanwhile_is_not_acted_on() {
        let slot = SlotId::new(1).unwrap();
        let record = |state, fill: u8| {
            let mut record = Record::new(Guid([7; 16]), 3);
            let manifest = [fill; 32];
            record.set_slot(
                slot,
                Slot {
                    state,
                    manifest,
                    ..Slot::EMPTY
                },
            );
            record
        };
        let before = record(State::Ready, 1);
        assert!(unchanged(&before, &record(State::Ready, 1), slot).is_ok());
        for now in [record(State::Ready, 2), record(State::Bad, 1)] {
            assert_eq!(
                unchanged(&before, &now, slot).unwrap_err().exit(),
                Exit::Busy
            );
        }
    }
}
