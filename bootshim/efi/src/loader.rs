//! The Boot Loader Interface of systemd: what `bootctl` and `systemd-analyze` show
//! of the program that started the system
//! (<https://systemd.io/BOOT_LOADER_INTERFACE>).

use crate::clock::Clock;
use crate::console::{Console, say};
use crate::variables::{VOLATILE, set};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use bootshim::layout::Layout;
use bootshim::record::SlotId;
use uefi::runtime::VariableVendor;
use uefi::{Status, guid, system};

const VENDOR: VariableVendor = VariableVendor(guid!("4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"));

/// Tells which program on which partition started which entry, and when.
pub fn tell(layout: &Layout, slot: SlotId, clock: &Clock, console: &Console) {
    if let Err(status) = tell_all(layout, slot, clock) {
        say!(console, "bootctl will not know what started: {status:?}");
    }
}

fn tell_all(layout: &Layout, slot: SlotId, clock: &Clock) -> Result<(), Status> {
    let version = concat!("bootshim ", env!("CARGO_PKG_VERSION"));
    let (major, minor) = parts(system::firmware_revision());
    let firmware = format!("{} {major}.{minor:02}", system::firmware_vendor());
    let uefi = system::uefi_revision();
    let kind = format!("UEFI {}.{:02}", uefi.major(), uefi.minor());
    put("LoaderInfo", [version.into()])?;
    put("LoaderFirmwareInfo", [firmware])?;
    put("LoaderFirmwareType", [kind])?;
    if let Some(esp) = &layout.esp {
        put("LoaderDevicePartUUID", [esp.id.to_string()])?;
    }
    let slots = (0..layout.slots.len()).filter_map(SlotId::new);
    put("LoaderEntries", slots.map(entry))?;
    put("LoaderEntrySelected", [entry(slot)])?;
    let (begun, now) = clock.micros();
    put("LoaderTimeInitUSec", [begun.to_string()])?;
    put("LoaderTimeExecUSec", [now.to_string()])
}

fn entry(slot: SlotId) -> String {
    slot.partition_name()
}

/// How firmware that follows EDK2 counts its own versions.
fn parts(revision: u32) -> (u32, u32) {
    (revision >> 16, revision & 0xffff)
}

/// Texts in UTF-16, each with a zero behind it.
fn put(name: &str, texts: impl IntoIterator<Item = String>) -> Result<(), Status> {
    let mut bytes = Vec::new();
    for text in texts {
        bytes.extend(text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes));
    }
    set(name, &VENDOR, VOLATILE, &bytes)
}
