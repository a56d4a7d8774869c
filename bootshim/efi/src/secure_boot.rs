//! What this firmware says of Secure Boot.

use crate::console::{Console, say};
use alloc::boxed::Box;
use bootshim::secure_boot::SecureBoot;
use uefi::runtime::{self, VariableVendor};
use uefi::{CStr16, Status, cstr16};

/// Says it, in one line. Nothing else depends on it.
pub fn say(console: &Console) {
    match state() {
        Ok(state) => say!(console, "{state}"),
        Err(status) => say!(
            console,
            "Secure Boot: unknown, the firmware does not say: {status:?}"
        ),
    }
}

/// Whether it is on, as far as the firmware says.
pub fn is_on() -> bool {
    state() == Ok(SecureBoot::On)
}

fn state() -> Result<SecureBoot, Status> {
    let secure_boot = read(cstr16!("SecureBoot"))?;
    let setup_mode = read(cstr16!("SetupMode"))?;
    Ok(SecureBoot::of(
        secure_boot.as_deref(),
        setup_mode.as_deref(),
    ))
}

/// A variable of the firmware's own; one that is not there is no error.
fn read(name: &CStr16) -> Result<Option<Box<[u8]>>, Status> {
    match runtime::get_variable_boxed(name, &VariableVendor::GLOBAL_VARIABLE) {
        Ok((bytes, _)) => Ok(Some(bytes)),
        Err(error) if error.status() == Status::NOT_FOUND => Ok(None),
        Err(error) => Err(error.status()),
    }
}
