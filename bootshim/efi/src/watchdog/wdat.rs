//! A watchdog that the firmware describes in ACPI's table WDAT
//! ([`bootshim::wdat`]).

use super::Watchdog;
use super::registers::Board;
use alloc::vec::Vec;
use bootshim::acpi;
use bootshim::reset::Cause;
use bootshim::watchdog::Chip;
use bootshim::wdat::{Action, SIGNATURE, Table};
use core::fmt;
use uefi::table::cfg::ConfigTableEntry;
use uefi::{Status, system};

/// What the table describes.
pub struct Wdat {
    board: Board,
    table: Table,
}

/// Why it is not used, although there is a table.
pub enum Refused {
    Table(bootshim::wdat::Refused),
    NoRegisters,
}

impl Refused {
    /// Whether Linux drives the TCO beside it.
    pub fn leaves_tco(&self) -> bool {
        matches!(self, Refused::Table(table) if table.is_ignored_by_linux())
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Table(why) => write!(f, "{why}"),
            Refused::NoRegisters => f.write_str("the firmware gives no access to registers"),
        }
    }
}

impl Wdat {
    /// Looks for the table; `None` where there is none.
    pub fn find() -> Result<Option<Wdat>, Refused> {
        let Some(bytes) = find_table(SIGNATURE) else {
            return Ok(None);
        };
        let table = Table::parse(&bytes).map_err(Refused::Table)?;
        let board = Board::open().ok_or(Refused::NoRegisters)?;
        Ok(Some(Wdat { board, table }))
    }

    fn run(&mut self, action: Action) -> uefi::Result<Option<u32>> {
        self.table.run(action, &mut self.board)
    }
}

impl Watchdog for Wdat {
    fn chip(&self) -> Chip {
        Chip::Wdat
    }

    fn arm(&mut self, seconds: u32) -> uefi::Result<u32> {
        let seconds = self.table.set_period(seconds);
        // One that runs already, with a shorter period, gets the new one first.
        for action in [
            Action::SetCountdown,
            Action::Reset,
            Action::SetReboot,
            Action::SetRunning,
        ] {
            self.run(action)?;
        }
        match self.run(Action::GetRunning)? {
            Some(0) => Err(Status::DEVICE_ERROR.into()),
            _ => Ok(seconds),
        }
    }

    fn disarm(&mut self) -> uefi::Result {
        match self.table.stop(&mut self.board)? {
            true => Ok(()),
            false => Err(Status::UNSUPPORTED.into()),
        }
    }

    fn pet(&mut self) -> uefi::Result {
        self.run(Action::Reset).map(drop)
    }

    fn last_reset(&mut self) -> Cause {
        let cause = self.table.last_reset(&mut self.board);
        cause.unwrap_or(Cause::Unknown)
    }

    fn clear_mark(&mut self) -> uefi::Result {
        self.run(Action::SetStatus).map(drop)
    }
}

/// The bytes of the first table with this signature: from the firmware's
/// configuration table over the root pointer of ACPI 2.0 to the list of tables.
fn find_table(signature: [u8; 4]) -> Option<Vec<u8>> {
    let root = system::with_config_table(|entries| {
        let acpi = |entry: &&ConfigTableEntry| entry.guid == ConfigTableEntry::ACPI2_GUID;
        entries.iter().find(acpi).map(|entry| entry.address)
    })?;
    // SAFETY: where the firmware says its root pointer is; 36 bytes from ACPI 2.0 on.
    let root = unsafe { bytes_at::<{ acpi::ROOT_LEN }>(root.addr() as u64)? };
    // SAFETY: as the root pointer says, whose checksum is right.
    let list = unsafe { table_at(acpi::list_address(&root)?)? };
    acpi::addresses(&list)?.into_iter().find_map(|address| {
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
    let start = usize::try_from(address).ok()? as *const u8;
    // SAFETY: the caller's; the length is that of the table, and not unlikely.
    Some(unsafe { core::slice::from_raw_parts(start, length) }.to_vec())
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
