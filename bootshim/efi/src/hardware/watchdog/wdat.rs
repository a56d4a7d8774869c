//! A watchdog that the firmware describes in ACPI's table WDAT
//! ([`bootshim::hardware::wdat`]).

use super::Watchdog;
use super::registers::Board;
use crate::hardware::acpi;
use bootshim::hardware::watchdog::Chip;
use bootshim::hardware::wdat::{self, Action, SIGNATURE};
use bootshim::reset::Cause;
use core::fmt;
use uefi::Status;

/// What the table describes.
pub struct WdatWatchdog {
    board: Board,
    table: wdat::Wdat,
}

/// Why it is not used, although there is a table.
pub enum Refused {
    Table(wdat::Refused),
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

impl WdatWatchdog {
    /// Looks for the table; `None` where there is none.
    pub fn find() -> Result<Option<WdatWatchdog>, Refused> {
        let Some(bytes) = acpi::table(SIGNATURE) else {
            return Ok(None);
        };
        let table = wdat::Wdat::parse(&bytes).map_err(Refused::Table)?;
        let board = Board::open().ok_or(Refused::NoRegisters)?;
        Ok(Some(WdatWatchdog { board, table }))
    }

    fn run(&mut self, action: Action) -> uefi::Result<Option<u32>> {
        self.table.run(action, &mut self.board)
    }
}

impl Watchdog for WdatWatchdog {
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

    fn counter(&mut self) -> Option<u32> {
        self.run(Action::GetCountdown).ok().flatten()
    }

    fn runs(&mut self) -> bool {
        matches!(self.run(Action::GetRunning), Ok(Some(1..)))
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
