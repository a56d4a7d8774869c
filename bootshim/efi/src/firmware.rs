//! What is asked of the firmware beside the disk: its watchdog, the time, a
//! restart.

use crate::clock::ticks;
use uefi::runtime::{self, ResetType};
use uefi::{Status, boot};

/// The firmware resets the machine when nothing was heard for this long. It
/// stops watching when the kernel takes over.
const WATCHDOG_SECONDS: usize = 5 * 60;
/// Codes up to 0xffff belong to the firmware.
const WATCHDOG_CODE: u64 = 0x10000;

/// Starts the firmware's watchdog, or starts it anew.
pub fn pet_watchdog() -> Result<(), Status> {
    boot::set_watchdog_timer(WATCHDOG_SECONDS, WATCHDOG_CODE, None).map_err(|error| error.status())
}

/// Restarts the machine.
pub fn restart() -> ! {
    runtime::reset(ResetType::COLD, Status::SUCCESS, None)
}

/// A number that differs from start to start.
pub fn turn() -> u64 {
    let seconds = runtime::get_time().map_or(0, |time| {
        u64::from(time.hour()) * 3600 + u64::from(time.minute()) * 60 + u64::from(time.second())
    });
    ticks().wrapping_add(seconds)
}
