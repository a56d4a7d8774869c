//! The hardware's watchdog: `UefiPlatform` arms it before the kernel starts, so that
//! one which hangs before its own driver loads is reset all the same.
//!
//! The mark that a reset leaves stays for a bootshim that is started from this one,
//! and for Linux, whose driver clears it. Only where none may come, it is cleared
//! here: else each restart after it would be taken for one by the watchdog.

mod i6300esb;
mod registers;
mod tco;
mod wdat;

use crate::console::{Console, say};
use alloc::boxed::Box;
use bootshim::hardware::watchdog::{Chip, LOOK_MILLIS};
use bootshim::reset::Cause;
use core::time::Duration;
use i6300esb::I6300esb;
use tco::Tco;
use uefi::boot;
use wdat::WdatWatchdog;

/// A chip that resets the machine when it is not petted.
pub trait Watchdog {
    /// Which it is.
    fn chip(&self) -> Chip;

    /// Arms it, or arms it anew. It fires when it was not petted for so many
    /// seconds, or for its longest period where that is less; says for how long.
    fn arm(&mut self, seconds: u32) -> uefi::Result<u32>;

    /// Stops it, where it runs and something else than a reset can.
    fn disarm(&mut self) -> uefi::Result;

    /// What is left of the period, in its own counts; `None` where it does not say.
    fn counter(&mut self) -> Option<u32>;

    /// Whether it runs, as far as that can be seen.
    fn runs(&mut self) -> bool;

    /// Starts the period anew.
    fn pet(&mut self) -> uefi::Result;

    /// Whether it led to this start.
    fn last_reset(&mut self) -> Cause;

    /// Forgets that it did.
    fn clear_mark(&mut self) -> uefi::Result;
}

/// Whether one that was armed counts; what does not say is believed.
pub fn counts(chip: &mut dyn Watchdog) -> bool {
    let wait = || boot::stall(Duration::from_millis(LOOK_MILLIS));
    bootshim::hardware::watchdog::counts(|| chip.counter(), wait) != Some(false)
}

/// Arms the watchdog of this machine for as short as it can, and leaves it alone: the
/// last way to restart.
pub fn bite(console: &Console) {
    if let Some(mut chip) = find(console) {
        // One that cannot be armed leaves nothing to be tried.
        let _ = chip.arm(1);
    }
}

/// The watchdog of this machine, in the order of [`Chip::ALL`]. One that is there
/// and cannot be used is said.
pub fn find(console: &Console) -> Option<Box<dyn Watchdog>> {
    if let Some(chip) = I6300esb::find() {
        return Some(Box::new(chip));
    }
    match WdatWatchdog::find() {
        Ok(Some(chip)) => return Some(Box::new(chip)),
        Ok(None) => {}
        Err(refused) => {
            say!(console, "watchdog wdat_wdt not used: {refused}");
            // Linux leaves the TCO alone beside such a table: nobody would pet it.
            if !refused.leaves_tco() {
                return None;
            }
        }
    }
    match Tco::find() {
        Ok(chip) => chip.map(|chip| Box::new(chip) as Box<dyn Watchdog>),
        Err(words) => {
            say!(console, "watchdog iTCO_wdt not used: {words}");
            None
        }
    }
}
