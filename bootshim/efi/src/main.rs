//! The UEFI program: reads the boot record of the disk it was loaded from,
//! chooses a slot, and starts it, and only what a trusted key signed.
//!
//! What is decided is in the library `bootshim`; here is the platform that does it:
//! firmware calls and nothing else.

#![cfg_attr(target_os = "uefi", no_std, no_main)]
// On a host the program is compiled only so that it can be checked there.
#![cfg_attr(not(target_os = "uefi"), allow(dead_code))]

extern crate alloc;

mod chainload;
mod clock;
mod console;
mod disk;
mod firmware;
mod flush;
mod hardware;
mod initrd;
mod kernel;
mod loader;
mod measure;
mod menu;
#[cfg(target_os = "uefi")]
mod panic;
mod platform;
mod remains;
mod sbat;
mod secure_boot;
mod trust;
mod variables;
mod virtio;

use crate::clock::Clock;
use crate::console::{Console, say};
use crate::disk::Disk;
use crate::platform::UefiPlatform;
use bootshim::boot::Boot;
use bootshim::chainload::Chainload;
use bootshim::gpt::{self, ReadFrom};
use bootshim::layout::Layout;
use bootshim::medium::Window;
use uefi::Status;

#[cfg(not(target_os = "uefi"))]
fn main() {}

#[uefi::entry]
fn program() -> Status {
    let clock = Clock::start();
    let chainload = chainload::received();
    let console = match chainload {
        Ok(None) => Console::open(),
        _ => Console::go_on(),
    };
    say!(console, "bootshim {}", env!("CARGO_PKG_VERSION"));
    match chainload {
        Ok(None) => {}
        Ok(Some(chainload)) => return resume(&chainload, &console, clock),
        // As if it were the first, it would choose anew and hand over again.
        Err(status) => {
            say!(
                console,
                "what another bootshim hands over cannot be read: {status:?}"
            );
            console.leave_log();
            return Status::LOAD_ERROR;
        }
    }
    secure_boot::say(&console);
    if let Err(status) = firmware::pet_watchdog() {
        say!(console, "the firmware has no watchdog: {status:?}");
    }
    let disk = match Disk::of_this_program() {
        Ok(disk) => disk,
        Err(words) => {
            say!(console, "no disk to start from: {words}");
            menu::restart_after_a_minute(&console)
        }
    };
    say!(console, "disk: {disk}");
    match find_slots(&disk, &console) {
        Some(layout) => start_a_slot(&disk, &layout, &console, clock),
        None => menu::restart_after_a_minute(&console),
    }
}

/// Started by another bootshim: starts the slot that it handed over, or goes back
/// to it, which knows what comes next.
fn resume(chainload: &Chainload, console: &Console, clock: Clock) -> Status {
    let mut status = Status::LOAD_ERROR;
    match Disk::of_this_program() {
        Ok(disk) => {
            if let Some(layout) = find_slots(&disk, console) {
                let record = Window::new(&disk, layout.record.extent);
                let trust = trust::keys(console);
                let mut machine = UefiPlatform::new(&disk, &layout, trust, console, clock);
                machine.go_on(*chainload);
                let mut boot = Boot::new(record, layout.record.id, layout.slots.len(), machine);
                let Err(why) = boot.resume(chainload);
                if why.is_for_memory() {
                    status = chainload::NO_MEMORY;
                } else if why.is_unreadable() {
                    status = chainload::UNREADABLE;
                }
            }
        }
        Err(words) => say!(console, "no disk to start from: {words}"),
    }
    console.leave_log();
    status
}

fn find_slots(disk: &Disk, console: &Console) -> Option<Layout> {
    let table = gpt::read(disk, disk.sector())
        .inspect_err(|error| {
            say!(
                console,
                "partition table refused: {error}; to mend it, {}",
                error.mend()
            );
        })
        .ok()?;
    if let ReadFrom::Backup(why) = table.read_from {
        say!(
            console,
            "partition table at the start of the disk not used: {why}; the backup at its end serves"
        );
    }
    let layout = Layout::find(&table)
        .inspect_err(|error| {
            say!(
                console,
                "not the disk of a controller: {error}; to mend it, {}",
                error.mend()
            );
        })
        .ok()?;
    if let Some(cut) = table.cut {
        say!(console, "{cut}; slots that lie whole on it may start");
    }
    Some(layout)
}

/// Comes back from no slot: either one runs, or the menu and a restart follow.
fn start_a_slot(disk: &Disk, layout: &Layout, console: &Console, clock: Clock) -> ! {
    let record = Window::new(disk, layout.record.extent);
    let mut machine = UefiPlatform::new(disk, layout, trust::keys(console), console, clock);
    machine.heed_foreign_watchdog();
    machine.look_at_memory();
    let mut boot = Boot::new(record, layout.record.id, layout.slots.len(), machine);
    boot.run();
    loop {
        match menu::ask(&mut boot, layout, console) {
            Some(slot) => {
                boot.by_hand(slot);
            }
            None => {
                boot.platform().clear_mark();
                firmware::restart()
            }
        }
    }
}
