//! A slot on disk: its manifest and its boot payloads, verified.

use crate::boot::{Defect, Facts};
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootImage {
    /// The manifest that binds them.
    pub installed: Installed,
    /// The kernel, or the UKI.
    pub kernel: Vec<u8>,
    /// The initrd, where there is one.
    pub initrd: Option<Vec<u8>>,
}

impl BootImage {
    /// What the decision needs to know.
    #[must_use]
    pub fn facts(&self) -> Facts {
        facts(&self.installed)
    }
}

/// What the decision needs to know of a manifest.
#[must_use]
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
#[must_use]
pub fn area_offset(slot_len: u64) -> Option<u64> {
    slot_len.checked_sub(u64::try_from(SLOT_AREA_LEN).ok()?)
}

/// Reads the manifest of a slot and checks that those who are trusted signed it.
///
/// # Errors
/// [`Defect`].
pub fn manifest<M: Medium + ?Sized>(slot: &M, trusted: &Trust) -> Result<Installed, Defect> {
    let at = area_offset(slot.len()).ok_or_else(|| too_small(slot.len()))?;
    let mut area = alloc::vec![0; SLOT_AREA_LEN];
    read_again(slot, at, &mut area).map_err(Defect::Unreadable)?;
    let installed = slot_area::open(&area, trusted).map_err(not_authentic)?;
    let needed = installed.manifest.slot_bytes_needed();
    if needed.is_none_or(|needed| needed > slot.len()) {
        return Err(too_small(slot.len()));
    }
    Ok(installed)
}

/// Reads manifest and boot payloads of a slot, once, and verifies them.
///
/// # Errors
/// [`Defect`].
pub fn load<M: Medium + ?Sized>(slot: &M, trusted: &Trust) -> Result<BootImage, Defect> {
    read(slot, manifest(slot, trusted)?)?.verify()
}

/// Reads the boot payloads that a manifest binds, once. They are bytes that
/// nobody has vouched for until [`Unverified::verify`].
///
/// # Errors
/// [`Defect`].
pub fn read<M: Medium + ?Sized>(slot: &M, installed: Installed) -> Result<Unverified, Defect> {
    let payload = |kind| installed.manifest.payload(kind);
    let kernel = payload(Kind::Kernel).or_else(|| payload(Kind::Uki));
    let kernel =
        kernel.ok_or_else(|| Defect::Bad(Reason::Damaged, "no kernel in the manifest".into()))?;
    let kernel = Read::of(slot, kernel)?;
    let initrd = payload(Kind::Initrd)
        .map(|initrd| Read::of(slot, initrd))
        .transpose()?;
    Ok(Unverified {
        kernel,
        initrd,
        installed,
    })
}

/// Reads the bootshim that an image brings, once, and verifies it; `None` where it
/// brings none.
///
/// # Errors
/// [`Defect`].
pub fn bootshim<M: Medium + ?Sized>(
    slot: &M,
    installed: &Installed,
) -> Result<Option<Vec<u8>>, Defect> {
    let payload = installed.manifest.payload(Kind::Bootshim);
    payload
        .map(|payload| Read::of(slot, payload)?.verify())
        .transpose()
}

/// Boot payloads in memory, which may be anything.
#[derive(Debug)]
pub struct Unverified {
    installed: Installed,
    kernel: Read,
    initrd: Option<Read>,
}

impl Unverified {
    /// Holds them against the manifest.
    ///
    /// # Errors
    /// [`Defect::Bad`] when a payload is not the one that was signed, or the kernel
    /// would come up without the initrd.
    pub fn verify(self) -> Result<BootImage, Defect> {
        let image = BootImage {
            kernel: self.kernel.verify()?,
            initrd: self.initrd.map(Read::verify).transpose()?,
            installed: self.installed,
        };
        if image.initrd.is_some() && kernel::asks_for_initrd(&image.kernel) == Some(false) {
            let words = "it is older than Linux 5.8 and never asks for its initrd";
            return Err(Defect::Bad(Reason::NotStarted, words.into()));
        }
        Ok(image)
    }
}

/// The bytes of one payload as the disk gave them.
#[derive(Debug)]
struct Read {
    payload: Payload,
    bytes: Vec<u8>,
}

impl Read {
    fn of<M: Medium + ?Sized>(slot: &M, payload: &Payload) -> Result<Read, Defect> {
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
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length).map_err(|_| no_memory())?;
        bytes.resize(length, 0);
        read_again(slot, payload.offset, &mut bytes).map_err(Defect::Unreadable)?;
        let payload = *payload;
        Ok(Read { payload, bytes })
    }

    fn verify(self) -> Result<Vec<u8>, Defect> {
        if images::digest(&self.bytes) != self.payload.hash {
            return Err(Defect::Bad(Reason::Damaged, self.payload.kind.to_string()));
        }
        Ok(self.bytes)
    }
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
