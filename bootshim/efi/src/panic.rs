//! A mistake of the program itself: say which, and start over.

use crate::console::write_console;
use crate::firmware;
use core::panic::PanicInfo;
use core::time::Duration;
use uefi::boot;

/// Long enough to be read.
const PAUSE: Duration = Duration::from_secs(5);

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    write_console(format_args!("\r\nbootshim failed: {info}\r\n"));
    boot::stall(PAUSE);
    firmware::restart()
}
