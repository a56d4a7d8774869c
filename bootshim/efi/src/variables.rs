//! Our variables in the firmware.

use crate::console::{Console, say};
use alloc::format;
use alloc::string::String;
use bootshim::floor::{Floor, FloorInForce, Kept};
use bootshim::handover::{
    BOOTSHIM_VARIABLE, FLOOR_KEPT_VARIABLE, FLOOR_VARIABLE, VARIABLE_VENDOR, WATCHDOG_VARIABLE,
};
use bootshim::hardware::watchdog::Report;
use bootshim::record::Digest;
use uefi::runtime::{self, VariableAttributes, VariableVendor};
use uefi::{CString16, Guid, Status, system};

/// Seen until the boot services end, and kept over a power cut. Without
/// RUNTIME_ACCESS the operating system can neither read, write nor delete it
/// (UEFI 2.10, 8.2.1).
const KEPT: VariableAttributes =
    VariableAttributes::NON_VOLATILE.union(VariableAttributes::BOOTSERVICE_ACCESS);
/// Seen by the operating system. At runtime nobody can write a volatile variable
/// (UEFI 2.10, 8.2.2).
pub const VOLATILE: VariableAttributes =
    VariableAttributes::BOOTSERVICE_ACCESS.union(VariableAttributes::RUNTIME_ACCESS);

/// Its variables are a file on the ESP, unless a board gives it something better,
/// which no program is told.
const WITHOUT_A_STORE: &str = "Das U-Boot";

/// The floor that the firmware keeps.
pub fn kept_floor() -> Kept {
    if format!("{}", system::firmware_vendor()) == WITHOUT_A_STORE {
        let words = "U-Boot keeps variables in a file that the running system can write";
        return Kept::Nowhere(words.into());
    }
    let name = match name(FLOOR_KEPT_VARIABLE) {
        Ok(name) => name,
        Err(status) => return Kept::Nowhere(format!("{status:?}")),
    };
    let (bytes, attributes) = match runtime::get_variable_boxed(&name, &ours()) {
        Ok(found) => found,
        Err(error) => {
            return match error.status() {
                Status::NOT_FOUND => Kept::Absent,
                status => Kept::Nowhere(format!("the firmware has no variables: {status:?}")),
            };
        }
    };
    // Where ours was not there, the operating system can make one of this name,
    // but not one that it cannot see itself.
    if attributes != KEPT {
        return Kept::Garbage(format!("{FLOOR_KEPT_VARIABLE} is not one of bootshim's"));
    }
    Floor::parse(&bytes).map_or_else(
        || Kept::Garbage(format!("{FLOOR_KEPT_VARIABLE} holds no floor")),
        Kept::Here,
    )
}

/// Keeps this floor. What is there with other attributes is removed first: it
/// was no floor, and the firmware would not replace it. One of ours is replaced
/// in one call, which firmware makes whole or not at all.
pub fn keep_floor(floor: Floor) -> Result<(), String> {
    set(FLOOR_KEPT_VARIABLE, &ours(), KEPT, &floor.to_bytes())
        .map_err(not_taken)
        .and_then(|()| match kept_floor() {
            Kept::Here(kept) if kept == floor => Ok(()),
            _ => Err("what it took is not what it gives back".into()),
        })
}

/// Why, and what a person can do.
fn not_taken(status: Status) -> String {
    match status {
        Status::OUT_OF_RESOURCES => {
            format!("its variable store is full, clear it in the firmware's setup ({status:?})")
        }
        Status::SECURITY_VIOLATION | Status::WRITE_PROTECTED => format!(
            "{FLOOR_KEPT_VARIABLE} or the whole store is protected, clear it in the firmware's setup ({status:?})"
        ),
        _ => format!("{status:?}"),
    }
}

/// Tells the system that is started the floor in force.
pub fn publish_floor(in_force: FloorInForce, console: &Console) {
    if let Err(status) = set(FLOOR_VARIABLE, &ours(), VOLATILE, &in_force.to_bytes()) {
        say!(console, "the floor is not handed over: {status:?}");
    }
}

/// Tells the system that is started about the hardware's watchdog.
pub fn publish_watchdog(report: &Report, console: &Console) {
    if let Err(status) = set(
        WATCHDOG_VARIABLE,
        &ours(),
        VOLATILE,
        report.text().as_bytes(),
    ) {
        say!(
            console,
            "what is known of the watchdog is not handed over: {status:?}"
        );
    }
}

/// Tells the system that is started which bootshim of an image starts it, where it
/// is one.
pub fn publish_bootshim(of_image: Option<&Digest>, console: &Console) {
    let result = match of_image {
        Some(digest) => set(BOOTSHIM_VARIABLE, &ours(), VOLATILE, digest),
        // One that did not come to its end may have left its own.
        None => name(BOOTSHIM_VARIABLE).map(|name| {
            let _ = runtime::delete_variable(&name, &ours());
        }),
    };
    if let Err(status) = result {
        say!(
            console,
            "which bootshim this is is not handed over: {status:?}"
        );
    }
}

/// Sets a variable, whatever lay there before.
pub fn set(
    text: &str,
    vendor: &VariableVendor,
    attributes: VariableAttributes,
    bytes: &[u8],
) -> Result<(), Status> {
    let name = name(text)?;
    if runtime::get_variable_boxed(&name, vendor).is_ok_and(|(_, found)| found != attributes) {
        runtime::delete_variable(&name, vendor).map_err(|error| error.status())?;
    }
    runtime::set_variable(&name, vendor, attributes, bytes).map_err(|error| error.status())
}

fn name(text: &str) -> Result<CString16, Status> {
    CString16::try_from(text).map_err(|_| Status::INVALID_PARAMETER)
}

fn ours() -> VariableVendor {
    VariableVendor(Guid::from_bytes(VARIABLE_VENDOR.0))
}
