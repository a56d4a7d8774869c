//! The firmware's tables, where it keeps them ([`bootshim::hardware::acpi`]).

use alloc::vec::Vec;
use bootshim::hardware::acpi::{self, ROOT_LEN};
use uefi::system;
use uefi::table::cfg::ConfigTableEntry;

/// The bytes of the first table with this signature: from the firmware's
/// configuration table over the root pointer to the list of tables.
pub fn table(signature: [u8; 4]) -> Option<Vec<u8>> {
    let roots = [ConfigTableEntry::ACPI2_GUID, ConfigTableEntry::ACPI_GUID];
    let root = system::with_config_table(|entries| {
        let of = |guid| entries.iter().find(|entry| entry.guid == guid);
        roots.into_iter().find_map(of).map(|entry| entry.address)
    })?;
    let root = root.addr() as u64;
    // SAFETY: where the firmware says its root pointer is; 20 bytes from the first
    // ACPI on.
    let first = unsafe { bytes_at::<ROOT_LEN>(root)? };
    // SAFETY: the same; as long as a root pointer of its revision is.
    let root = unsafe { bytes(root, acpi::root_len(&first))? };
    // SAFETY: as the root pointer says, whose checksum is right.
    let list = |address| acpi::addresses(&unsafe { table_at(address)? });
    let lists = acpi::list_addresses(&root).into_iter().flatten();
    lists.filter_map(list).flatten().find_map(|address| {
        // SAFETY: as the list says, whose checksum is right.
        let header = unsafe { bytes_at(address)? };
        let (found, _) = acpi::extent(&header)?;
        (found == signature).then_some(())?;
        // SAFETY: the same.
        unsafe { table_at(address) }
    })
}

/// A whole table, as long as its header says.
///
/// # Safety
/// A table of ACPI is at this address. Firmware keeps them in memory that nobody
/// else gets and that is seen where it is (UEFI 2.10, 2.3.4).
unsafe fn table_at(address: u64) -> Option<Vec<u8>> {
    // SAFETY: the caller's.
    let header = unsafe { bytes_at(address)? };
    let (_, length) = acpi::extent(&header)?;
    // SAFETY: the caller's; the length is that of the table, and not unlikely.
    unsafe { bytes(address, length) }
}

/// So many bytes of what is there.
///
/// # Safety
/// As for [`table_at`], and it is as long.
unsafe fn bytes(address: u64, length: usize) -> Option<Vec<u8>> {
    let start = usize::try_from(address).ok()? as *const u8;
    // SAFETY: the caller's.
    (!start.is_null()).then(|| unsafe { core::slice::from_raw_parts(start, length) }.to_vec())
}

/// The first bytes of what is there.
///
/// # Safety
/// As for [`table_at`].
unsafe fn bytes_at<const N: usize>(address: u64) -> Option<[u8; N]> {
    let start = usize::try_from(address).ok()? as *const [u8; N];
    // SAFETY: the caller's; bytes need no alignment.
    (!start.is_null()).then(|| unsafe { start.read() })
}
