//! Whether an image fits: the slot, the processor, and what runs already.

use super::target::Writing;
use bootshim::layout::Layout;
use bootshim::medium::Medium;
use bootshim::record::{Record, SlotId};
use controller::code::Code;
use controller::disk::Disk;
use controller::efi_program::Machine;
use controller::error::{Error, Result};
use controller::size;
use images::kernel::processor;
use images::manifest::{Kind, Manifest};
use images::trust::Trust;
use images::version;

/// As much of a program as has its PE header.
const PE_HEAD: usize = 4096;

/// An older image is never installed by mistake: what is compared is what runs, or
/// else the good slot that boots, first by security version and then by version.
pub(super) fn check_age(
    disk: &Disk,
    record: &Record,
    trusted: &Trust,
    image: &Manifest,
) -> Result<()> {
    let runs = disk.running(record).map(|slot| (slot, "runs"));
    let boots = record.known_good().map(|slot| (slot, "is good"));
    let installed = |(slot, how)| Some((slot, how, disk.manifest(slot, trusted).ok()?.manifest));
    let Some((slot, how, here)) = runs.into_iter().chain(boots).find_map(installed) else {
        return Ok(());
    };
    let by_version = || version::compare(&image.version, &here.version);
    let order = (image.security_version.cmp(&here.security_version)).then_with(by_version);
    if order.is_ge() {
        return Ok(());
    }
    let words =
        |of: &Manifest| format!("{} (security version {})", of.version, of.security_version);
    let found = format!(
        "the image is older than what {how} in slot {slot}: {}",
        words(image)
    );
    Err(Error::new(Code::Downgrade, found)
        .expected(format!("expected {} or newer", words(&here)))
        .advice("`slotctl rollback` goes back to a good slot; --allow-downgrade installs an older image all the same"))
}

/// A kernel for another processor never starts; what is no PE program says
/// nothing about itself.
pub(super) fn check_processor<M: Medium + Sync>(
    target: &Writing<M>,
    image: &Manifest,
    machine: Machine,
) -> Result<()> {
    let payload = |kind| image.payload(kind);
    let Some(kernel) = payload(Kind::Kernel).or_else(|| payload(Kind::Uki)) else {
        return Ok(());
    };
    let mut head = [0; PE_HEAD];
    let length = usize::try_from(kernel.length).map_or(PE_HEAD, |len| len.min(PE_HEAD));
    let head = head.get_mut(..length).unwrap_or_default();
    target.read_at(kernel.offset, head)?;
    match processor(head) {
        Some(found) if found != machine.processor() => {
            let found = format!("the kernel of the image is for {found}");
            Err(Error::new(Code::WrongProcessor, found)
                .expected(format!(
                    "the bootshim of this disk is for {}",
                    machine.processor()
                ))
                .advice("install an image for this processor"))
        }
        _ => Ok(()),
    }
}

/// A slot has room for the image, to the byte.
pub(super) fn check_room(image: &Manifest, layout: &Layout, slot: SlotId) -> Result<()> {
    let has = layout
        .slot(slot)
        .map_or(0, |partition| partition.extent.len);
    match image.slot_bytes_needed() {
        Some(needed) if needed <= has => Ok(()),
        needed => {
            let needed = needed.map_or("more than can be".into(), |n| {
                format!("{n} bytes ({})", size::words(n))
            });
            let found = format!("image needs {needed} in its slot");
            Err(Error::new(Code::SlotTooSmall, found)
                .expected(format!("slot {slot} has {has}"))
                .advice(format!(
                    "build an image of at most {}, or make a disk with larger slots",
                    size::words(has)
                )))
        }
    }
}
