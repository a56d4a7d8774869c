//! What is asked of the firmware beside the disk: its watchdog, the time, a
//! restart.

use crate::clock::ticks;
use crate::console::Console;
use crate::hardware::watchdog;
use alloc::vec::Vec;
use bootshim::memory::Free;
use bootshim::restart::{self, Method};
use core::time::Duration;
use core::{mem, ptr};
use uefi::runtime::{self, ResetType};
use uefi::{Status, boot, table};

/// The firmware resets the machine when nothing was heard for this long. It
/// stops watching when the kernel takes over.
const WATCHDOG_SECONDS: usize = 5 * 60;
/// Codes up to 0xffff belong to the firmware.
const WATCHDOG_CODE: u64 = 0x10000;

/// Starts the firmware's watchdog, or starts it anew.
pub fn pet_watchdog() -> Result<(), Status> {
    boot::set_watchdog_timer(WATCHDOG_SECONDS, WATCHDOG_CODE, None).map_err(|error| error.status())
}

/// The memory that nobody uses now; `None` where the firmware does not say.
pub fn free_memory() -> Option<Free> {
    let table = table::system_table_raw()?;
    let mut map = Vec::new();
    // The map grows by what is taken to hold it.
    for length in [16, 64, 256].map(|kib: usize| kib * 1024) {
        map.clear();
        map.try_reserve_exact(length / size_of::<u64>()).ok()?;
        map.resize(length / size_of::<u64>(), 0_u64);
        let (mut size, mut key, mut entry, mut version) = (length, 0, 0, 0);
        // SAFETY: the tables are the firmware's own, boot services have not ended,
        // and `map` holds `size` bytes.
        let status = unsafe {
            ((*table.as_ref().boot_services).get_memory_map)(
                &raw mut size,
                map.as_mut_ptr().cast(),
                &raw mut key,
                &raw mut entry,
                &raw mut version,
            )
        };
        if status == Status::SUCCESS {
            let bytes: Vec<u8> = map.iter().flat_map(|word| word.to_ne_bytes()).collect();
            return Some(Free::of(bytes.get(..size)?, entry));
        }
    }
    None
}

/// How often one who waits for a watchdog looks whether it has bitten.
const WAIT: Duration = Duration::from_secs(1);

/// Restarts the machine, one way or the other.
pub fn restart() -> ! {
    restart::restart(|method| match method {
        Method::Cold => reset(ResetType::COLD),
        Method::Warm => reset(ResetType::WARM),
        Method::Watchdog => watchdog::bite(&Console::open()),
    });
    loop {
        boot::stall(WAIT);
    }
}

/// What firmware is declared never to come back from.
type Never = unsafe extern "efiapi" fn(ResetType, Status, usize, *const u8) -> !;
/// The same, of machines where it comes back.
type Reset = unsafe extern "efiapi" fn(ResetType, Status, usize, *const u8);

fn reset(how: ResetType) {
    let Some(table) = table::system_table_raw() else {
        return;
    };
    // SAFETY: the firmware's tables stay where they are. The two types of function
    // differ in what they give back, nothing and never: to expect that it comes back
    // is right for both.
    let reset = unsafe {
        let never = (*table.as_ref().runtime_services).reset_system;
        mem::transmute::<Never, Reset>(never)
    };
    // SAFETY: no data is given, and none is read.
    unsafe { reset(how, Status::SUCCESS, 0, ptr::null()) }
}

/// A number that differs from start to start.
pub fn seed() -> u64 {
    let seconds = runtime::get_time().map_or(0, |time| {
        u64::from(time.hour()) * 3600 + u64::from(time.minute()) * 60 + u64::from(time.second())
    });
    ticks().wrapping_add(seconds)
}
