//! A slot on disk: its manifest and its boot payloads, verified.

use crate::boot::{Defect, Facts};
use crate::buffer::Buffer;
use crate::medium::{Access, Cause, Fault, Medium, read_again};
use crate::record::Reason;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use images::kernel;
use images::manifest::{Kind, Payload};
use images::slot_area::{self, Installed};
use images::trust::Trust;
use images::{Refused, SLOT_AREA_LEN};

/// What starts: bytes in memory that were read once and verified there. These
/// very bytes run, so that a disk which answers differently the second time
/// gains nothing.
#[derive(Debug)]
pub struct BootImage {
    /// The manifest that binds them.
    pub installed: Installed,
    /// The kernel, or the UKI.
    pub kernel: Buffer,
    /// The initrd, where there is one.
    pub initrd: Option<Initrd>,
}

/// The initrd of a verified image.
#[derive(Debug)]
pub enum Initrd {
    /// It, verified.
    Here(Buffer),
    /// Not read yet: where memory is short it is read, once, into the kernel's own,
    /// and verified there ([`fill`]).
    Later(Payload),
}

impl BootImage {
    /// What starts of these. Refused where the kernel would come up without the
    /// initrd.
    pub fn of(
        installed: Installed,
        kernel: Buffer,
        initrd: Option<Initrd>,
    ) -> Result<BootImage, Defect> {
        if initrd.is_some() && kernel::asks_for_initrd(&kernel) == Some(false) {
            let words = "it is older than Linux 5.8 and never asks for its initrd";
            return Err(Defect::Bad(Reason::NotStarted, words.into()));
        }
        Ok(BootImage {
            installed,
            kernel,
            initrd,
        })
    }

    /// What the decision needs to know.
    pub fn facts(&self) -> Facts {
        facts(&self.installed)
    }
}

/// What the decision needs to know of a manifest.
pub fn facts(installed: &Installed) -> Facts {
    Facts {
        manifest: installed.digest,
        security_version: installed.manifest.security_version,
        revoke_below: installed.manifest.revoke_below,
        key_epoch: installed.key_epoch,
        version: installed.manifest.version.clone(),
    }
}

/// Where the manifest area of a slot begins, or `None` where the slot is too
/// small to have one.
pub fn area_offset(slot_len: u64) -> Option<u64> {
    slot_len.checked_sub(u64::try_from(SLOT_AREA_LEN).ok()?)
}

/// Reads the manifest of a slot and checks that those who are trusted signed it.
pub fn manifest<M: Medium + ?Sized>(slot: &M, trusted: &Trust) -> Result<Installed, Defect> {
    Area::read(slot)?.open(trusted)
}

/// The manifest area of a slot, as it was read: nobody has vouched for it until
/// [`Area::open`].
#[derive(Clone, Debug)]
pub struct Area {
    bytes: Vec<u8>,
    slot_len: u64,
}

impl Area {
    /// Reads it, once.
    pub fn read<M: Medium + ?Sized>(slot: &M) -> Result<Area, Defect> {
        let slot_len = slot.len();
        let at = area_offset(slot_len).ok_or_else(|| too_small(slot_len))?;
        let mut bytes = alloc::vec![0; SLOT_AREA_LEN];
        read_again(slot, at, &mut bytes).map_err(Defect::Unreadable)?;
        Ok(Area { bytes, slot_len })
    }

    /// The manifest in it, if those who are trusted signed it. Nothing is read: no
    /// [`Defect::Unreadable`].
    pub fn open(&self, trusted: &Trust) -> Result<Installed, Defect> {
        let installed = slot_area::open(&self.bytes, trusted).map_err(not_authentic)?;
        let needed = installed.manifest.slot_bytes_needed();
        if needed.is_none_or(|needed| needed > self.slot_len) {
            return Err(too_small(self.slot_len));
        }
        Ok(installed)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads manifest and boot payloads of a slot, once, and verifies them.
pub fn load<M: Medium + ?Sized>(slot: &M, trusted: &Trust) -> Result<BootImage, Defect> {
    boot_image(slot, manifest(slot, trusted)?)
}

/// Reads the boot payloads that a manifest binds, once, and verifies them.
pub fn boot_image<M: Medium + ?Sized>(slot: &M, installed: Installed) -> Result<BootImage, Defect> {
    let kernel = kernel(slot, &installed)?.verify()?;
    let initrd = match initrd(&installed) {
        Some(payload) => Some(Initrd::Here(read(slot, payload)?.verify()?)),
        None => None,
    };
    BootImage::of(installed, kernel, initrd)
}

/// Reads the kernel, or the UKI, that a manifest binds, once.
pub fn kernel<M: Medium + ?Sized>(slot: &M, installed: &Installed) -> Result<Unverified, Defect> {
    let payload = |kind| installed.manifest.payload(kind);
    let kernel = payload(Kind::Kernel).or_else(|| payload(Kind::Uki));
    let kernel =
        kernel.ok_or_else(|| Defect::Bad(Reason::Damaged, "no kernel in the manifest".into()))?;
    read(slot, kernel)
}

/// The initrd that a manifest binds, where there is one.
pub fn initrd(installed: &Installed) -> Option<&Payload> {
    installed.manifest.payload(Kind::Initrd)
}

/// Reads the bootshim that an image brings, once, and verifies it; `None` where it
/// brings none.
pub fn bootshim<M: Medium + ?Sized>(
    slot: &M,
    installed: &Installed,
) -> Result<Option<Buffer>, Defect> {
    let payload = installed.manifest.payload(Kind::Bootshim);
    payload
        .map(|payload| read(slot, payload)?.verify())
        .transpose()
}

/// A payload in memory, which may be anything: nobody has vouched for it until
/// [`Unverified::verify`].
#[derive(Debug)]
pub struct Unverified {
    payload: Payload,
    bytes: Buffer,
}

impl Unverified {
    /// Holds it against the manifest.
    pub fn verify(self) -> Result<Buffer, Defect> {
        check(&self.bytes, &self.payload)?;
        Ok(self.bytes)
    }
}

/// Reads a payload, once.
pub fn read<M: Medium + ?Sized>(slot: &M, payload: &Payload) -> Result<Unverified, Defect> {
    let no_memory = || {
        Defect::Unreadable(Fault {
            access: Access::Read,
            offset: payload.offset,
            length: payload.length,
            cause: Cause::NoMemory,
        })
    };
    // The length was signed, and the manifest keeps it within the slot.
    let length = usize::try_from(payload.length).map_err(|_| no_memory())?;
    let mut bytes = Buffer::new(length).map_err(|_| no_memory())?;
    read_again(slot, payload.offset, &mut bytes).map_err(Defect::Unreadable)?;
    let payload = *payload;
    Ok(Unverified { payload, bytes })
}

/// Reads a payload, once, to where it is going to be used, which holds just that,
/// and verifies it there. What is not what was signed does not stay.
pub fn fill<M: Medium + ?Sized>(
    slot: &M,
    payload: &Payload,
    target: &mut [u8],
) -> Result<(), Defect> {
    let filled = read_again(slot, payload.offset, target)
        .map_err(Defect::Unreadable)
        .and_then(|()| check(target, payload));
    if filled.is_err() {
        target.fill(0);
    }
    filled
}

fn check(bytes: &[u8], payload: &Payload) -> Result<(), Defect> {
    if images::digest(bytes) != payload.hash {
        return Err(Defect::Bad(Reason::Damaged, payload.kind.to_string()));
    }
    Ok(())
}

fn not_authentic(refused: Refused) -> Defect {
    let reason = match refused {
        Refused::KeySetBelowFloor { .. } => Reason::BelowFloor,
        _ => Reason::NotAuthentic,
    };
    Defect::Bad(reason, refused.to_string())
}

fn too_small(len: u64) -> Defect {
    let words: String = alloc::format!("the slot of {len} bytes is too small for its image");
    Defect::Bad(Reason::Damaged, words)
}

#[cfg(test)]
mod tests;
