//! Whether an image fits: the controller, its slots and processor, the format of its
//! record, the key set of its good slots, and the age of what runs.

use super::Compatible;
use super::target::Writing;
use bootshim::layout::Layout;
use bootshim::medium::Medium;
use bootshim::record::{MAJOR, MINOR_ORDERS, SlotId};
use controller::code::Code;
use controller::disk::Disk;
use controller::efi_program::Machine;
use controller::error::{Error, Result};
use controller::found::Found;
use controller::size;
use images::kernel::processor;
use images::key_set::SignedKeySet;
use images::manifest::{Kind, Manifest};
use images::version;

/// As much of a program as has its PE header.
const PE_HEAD: usize = 4096;

/// An image is for this kind of machine.
pub(super) fn check_compatible(
    found: &Found<'_>,
    image: &Manifest,
    compatible: &Compatible,
) -> Result<()> {
    match compatible.name(found)? {
        Some((name, from)) if name != image.compatible => {
            let found = format!("image is for \"{}\"", image.compatible);
            Err(Error::new(Code::WrongCompatible, found).expected(format!(
                "this controller is \"{name}\" (compatible in {from})"
            )))
        }
        _ => Ok(()),
    }
}

/// What the software in the image cannot read it can neither confirm nor change. A
/// minor number is no hindrance: what it adds an older one keeps.
pub(super) fn check_record_format(image: &Manifest) -> Result<()> {
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

/// An older bootshim reads no key set that names order keys, and would not start the slot.
/// That it knows of the orders' floor in the record is the sign that it does.
pub(super) fn check_order_keys(disk: &Disk, key_set: Option<&SignedKeySet>) -> Result<()> {
    let names_some = key_set.is_some_and(|signed| !signed.set.order_keys.is_empty());
    if !names_some || disk.bootshim_reads(MINOR_ORDERS) {
        return Ok(());
    }
    let found = "the key set of the image names order keys";
    Err(Error::new(Code::OldBootshim, found)
        .expected("the bootshim of this disk reads key sets without")
        .advice("first install an image that brings a newer bootshim, under a key set without order keys"))
}

/// From the first good slot of a later key set on, nothing is installed that an
/// earlier one signed: its keys may be the reason for the later one. What was
/// installed before stays, as the way back.
pub(super) fn check_epoch(found: &Found<'_>, image: &Manifest) -> Result<()> {
    let Some(epoch) = found.trusted.epoch(image) else {
        return Ok(());
    };
    let good = found.record.good().into_iter().filter_map(|slot| {
        let epoch = found.slot(slot).ok()?.key_epoch?;
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

/// An older image is never installed by mistake: what is compared is what runs, or
/// else the good slot that boots, first by security version and then by version.
pub(super) fn check_age(found: &Found<'_>, image: &Manifest) -> Result<()> {
    let runs = found.running().map(|slot| (slot, "runs"));
    let boots = found.record.known_good().map(|slot| (slot, "is good"));
    let installed = |(slot, how)| Some((slot, how, &found.slot(slot).ok()?.manifest));
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
        .expected(format!("expected {} or newer", words(here)))
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
