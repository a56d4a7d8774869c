//! The variables that firmware made of EDK2 keeps in its flash: records in the
//! order of their writing (EDK2, `MdeModulePkg/Include/Guid/VariableFormat.h`).
//!
//! Enrolling keys by the firmware's own menu takes a person, and Debian 12 has
//! no tool for a file of settings.

use crate::machine::Error;
use bootshim::handover::VARIABLE_VENDOR;
use std::io;
use std::path::Path;

/// As a machine leaves the factory: without keys.
const FACTORY: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/// `EFI_FIRMWARE_VOLUME_HEADER.HeaderLength`.
const VOLUME_HEADER_LENGTH: usize = 48;
/// `VARIABLE_STORE_HEADER`, at whose beginning the kind of the store stands.
const STORE_HEADER: usize = 28;
/// `EFI_AUTHENTICATED_VARIABLE_GUID`.
const AUTHENTICATED: [u8; 16] = [
    0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43, 0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92,
];
/// `VARIABLE_DATA`, with which every record begins.
const RECORD: u16 = 0x55aa;
/// `VAR_ADDED`: the record is whole.
const ADDED: u8 = 0x3f;
/// Records begin at multiples of it.
const ALIGNMENT: usize = 4;
/// What flash holds where nothing was written.
const BLANK: u8 = 0xff;

/// Attributes (UEFI specification, 8.2.1).
const NON_VOLATILE: u32 = 1;
const BOOT_SERVICES: u32 = 2;
const RUNTIME: u32 = 4;
const TIME_BASED_AUTHENTICATION: u32 = 0x20;

/// `AUTHENTICATED_VARIABLE_HEADER`, without name and data.
const HEADER: usize = 60;
/// What fills a store, a piece: less than any firmware's limit for a variable.
const FILLING: usize = 8 * 1024;

/// `EFI_CERT_X509_GUID` (UEFI specification, 32.4.1).
const X509: [u8; 16] = [
    0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72,
];
/// Who enrolled a certificate; firmware asks nothing of it.
const ENROLLED_BY: [u8; 16] = *b"slotctl hw-tests";
/// `EFI_TIME` of the first of January 2020, at midnight: later updates have to
/// be later.
const ENROLLED_AT: [u8; 16] = [0xe4, 0x07, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// To whom a variable belongs.
#[derive(Clone, Copy, Debug)]
pub struct Vendor([u8; 16]);

impl Vendor {
    /// `EFI_GLOBAL_VARIABLE`: PK and KEK.
    pub const GLOBAL: Vendor = Vendor([
        0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b,
        0x8c,
    ]);
    /// `EFI_IMAGE_SECURITY_DATABASE_GUID`: db and dbx.
    pub const IMAGE_SECURITY: Vendor = Vendor([
        0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45, 0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65,
        0x6f,
    ]);
    /// `SHIM_LOCK_GUID`: what shim keeps.
    pub const SHIM: Vendor = Vendor([
        0x50, 0xab, 0x5d, 0x60, 0x46, 0xe0, 0x00, 0x43, 0xab, 0xb6, 0x3d, 0xd8, 0x10, 0xdd, 0x8b,
        0x23,
    ]);
    /// `LINUX_EFI_CRASH_GUID`: what Linux kept of a panic.
    pub const LINUX_CRASH: Vendor = Vendor([
        0x79, 0xfc, 0xc8, 0xcf, 0x2e, 0xbe, 0xdc, 0x4d, 0x97, 0xf0, 0x9f, 0x98, 0xbf, 0xe3, 0x02,
        0xa0,
    ]);
    /// bootshim.
    pub const BOOTSHIM: Vendor = Vendor(VARIABLE_VENDOR.0);
}

/// The settings of a firmware.
#[derive(Debug)]
pub struct Store {
    bytes: Vec<u8>,
    /// Behind the last record.
    free: usize,
    /// Behind the store.
    end: usize,
}

impl Store {
    /// Those of a machine that leaves the factory.
    pub fn factory() -> Result<Store, Error> {
        let what = || format!("{FACTORY} (package ovmf)");
        let bytes = std::fs::read(FACTORY).map_err(Error::host(what()))?;
        Store::parse(bytes)
            .ok_or_else(|| Error::host(what())(io::Error::other("no store that takes variables")))
    }

    fn parse(bytes: Vec<u8>) -> Option<Store> {
        let begin = usize::from(u16::from_le_bytes(array(&bytes, VOLUME_HEADER_LENGTH)?));
        if array(&bytes, begin)? != AUTHENTICATED {
            return None;
        }
        let size = u32::from_le_bytes(array(&bytes, begin.checked_add(16)?)?);
        let end = begin.checked_add(usize::try_from(size).ok()?)?;
        let free = begin.checked_add(STORE_HEADER)?.next_multiple_of(ALIGNMENT);
        // Of the factory's settings it is known that they are blank.
        let blank = bytes.get(free..end)?.iter().all(|byte| *byte == BLANK);
        blank.then_some(Store { bytes, free, end })
    }

    /// Writes the file for the machine.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        std::fs::write(path, &self.bytes).map_err(Error::host(path.display().to_string()))
    }

    /// Puts one certificate (DER) into a database of keys.
    pub fn enroll(&mut self, name: &str, vendor: Vendor, der: &[u8]) -> Result<(), Error> {
        let list = signature_list(der).ok_or_else(|| full(name))?;
        self.set_under_key(name, vendor, &list)
    }

    /// Sets a variable that is seen before an operating system runs, and no more
    /// after.
    pub fn set_for_boot(&mut self, name: &str, vendor: Vendor, data: &[u8]) -> Result<(), Error> {
        self.add(name, vendor, NON_VOLATILE | BOOT_SERVICES, data)
    }

    /// Sets a variable as a running system can.
    pub fn set_at_runtime(&mut self, name: &str, vendor: Vendor, data: &[u8]) -> Result<(), Error> {
        self.add(name, vendor, NON_VOLATILE | BOOT_SERVICES | RUNTIME, data)
    }

    /// Sets a variable that only the holder of some key can change or delete.
    pub fn set_under_key(&mut self, name: &str, vendor: Vendor, data: &[u8]) -> Result<(), Error> {
        let attributes = NON_VOLATILE | BOOT_SERVICES | RUNTIME | TIME_BASED_AUTHENTICATION;
        self.add(name, vendor, attributes, data)
    }

    /// Fills it, but for `left` bytes, with what fills it on real machines: the
    /// panics that Linux keeps there.
    pub fn fill(&mut self, left: usize) -> Result<(), Error> {
        let end = self.end.saturating_sub(left);
        for number in 1.. {
            let name = format!("dump-type0-{number}-1-1700000000-C");
            let before = HEADER.saturating_add(2 * (name.len() + 1));
            let room = end.saturating_sub(self.free).checked_sub(before);
            let Some(length) = room.filter(|length| *length > 0) else {
                break;
            };
            let data = vec![BLANK; length.min(FILLING)];
            self.set_at_runtime(&name, Vendor::LINUX_CRASH, &data)?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        name: &str,
        vendor: Vendor,
        attributes: u32,
        data: &[u8],
    ) -> Result<(), Error> {
        let record = record(name, vendor, attributes, data).ok_or_else(|| full(name))?;
        let end = self.free.saturating_add(record.len());
        let place = self.bytes.get_mut(self.free..end);
        let place = place
            .filter(|_| end <= self.end)
            .ok_or_else(|| full(name))?;
        place.copy_from_slice(&record);
        self.free = end.next_multiple_of(ALIGNMENT);
        Ok(())
    }
}

/// The header, the name, the data.
fn record(name: &str, vendor: Vendor, attributes: u32, data: &[u8]) -> Option<Vec<u8>> {
    let name: Vec<u8> = name
        .encode_utf16()
        .chain([0])
        .flat_map(u16::to_le_bytes)
        .collect();
    let mut record = Vec::new();
    record.extend(RECORD.to_le_bytes());
    record.extend([ADDED, 0]);
    record.extend(attributes.to_le_bytes());
    record.extend([0; 8]); // count of writes, of an older kind of authentication
    record.extend(ENROLLED_AT);
    record.extend([0; 4]); // key, of the same
    record.extend(u32::try_from(name.len()).ok()?.to_le_bytes());
    record.extend(u32::try_from(data.len()).ok()?.to_le_bytes());
    record.extend(vendor.0);
    record.extend(name);
    record.extend(data);
    Some(record)
}

/// `EFI_SIGNATURE_LIST` with one certificate (UEFI specification, 32.4.1).
fn signature_list(der: &[u8]) -> Option<Vec<u8>> {
    let signature = der.len().checked_add(ENROLLED_BY.len())?;
    let list = signature.checked_add(28)?;
    let mut bytes = Vec::with_capacity(list);
    bytes.extend(X509);
    bytes.extend(u32::try_from(list).ok()?.to_le_bytes());
    bytes.extend([0; 4]); // no header of its own
    bytes.extend(u32::try_from(signature).ok()?.to_le_bytes());
    bytes.extend(ENROLLED_BY);
    bytes.extend(der);
    Some(bytes)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn full(name: &str) -> Error {
    Error::host(format!("the variable {name}"))(io::Error::other("no room in the settings"))
}
