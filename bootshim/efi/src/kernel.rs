//! The kernel, loaded by the firmware from the bytes that were verified.

use crate::secure_boot;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use bootshim::boot::Why;
use core::ptr;
use uefi::mem::memory_map::MemoryType;
use uefi::proto::device_path::{DevicePath, build};
use uefi::proto::loaded_image::LoadedImage;
use uefi::{Handle, Status, boot, table};
use uefi_raw::Boolean;

/// A kernel that the firmware has loaded and not started.
pub struct Kernel {
    handle: Handle,
    /// Where the firmware looks for the command line.
    options: Vec<u16>,
}

impl Kernel {
    /// Has the firmware load `bytes`, with `command_line` as load options.
    pub fn load(bytes: &[u8], command_line: &str) -> Result<Kernel, Why> {
        let handle = path(bytes)
            .ok_or(Status::OUT_OF_RESOURCES)
            .and_then(|path| load_image(bytes, &path))
            .map_err(|status| refused("LoadImage", status))?;
        let options = command_line.encode_utf16().chain([0]).collect();
        let kernel = Kernel { handle, options };
        kernel.set_options().map_err(|status| {
            kernel.unload();
            refused("the loaded kernel", status)
        })?;
        Ok(kernel)
    }

    fn set_options(&self) -> Result<(), Status> {
        let size = u32::try_from(size_of_val(self.options.as_slice()))
            .map_err(|_| Status::BAD_BUFFER_SIZE)?;
        let mut image = boot::open_protocol_exclusive::<LoadedImage>(self.handle)
            .map_err(|error| error.status())?;
        // SAFETY: the options live as long as the handle is usable, in `self`.
        unsafe { image.set_load_options(self.options.as_ptr().cast(), size) };
        Ok(())
    }

    /// Starts it. Comes back only when it did not take over, with why.
    pub fn start(self) -> Why {
        let status = boot::start_image(self.handle)
            .map_or_else(|error| error.status(), |()| Status::SUCCESS);
        if status == Status::SECURITY_VIOLATION {
            self.unload();
            return refused("StartImage", status);
        }
        why(
            status,
            alloc::format!("the kernel came back with {status:?}"),
        )
    }

    /// Gives the firmware its memory back.
    pub fn unload(&self) {
        // What cannot be unloaded stays until the next reset.
        let _ = boot::unload_image(self.handle);
    }
}

/// Why, and what a person can do. The firmware says one of two words when its
/// policy forbids a program (UEFI specification, 7.4.1), and which policy that
/// is only by them.
fn refused(who: &str, status: Status) -> Why {
    let advice = match status {
        Status::SECURITY_VIOLATION | Status::ACCESS_DENIED if secure_boot::is_on() => {
            "; the firmware's Secure Boot does not trust this kernel: sign it with a key in db"
        }
        Status::UNSUPPORTED | Status::LOAD_ERROR => {
            "; to the firmware this kernel is no program for this machine"
        }
        _ => "",
    };
    why(status, alloc::format!("{who} refused: {status:?}{advice}"))
}

/// What a status means for the slot, in words.
fn why(status: Status, words: String) -> Why {
    match status {
        Status::OUT_OF_RESOURCES => Why::NoMemory(words),
        _ => Why::NotStarted(words),
    }
}

/// `LoadImage` from memory, as a program from `path`. By hand, because one that
/// policy forbids to start comes back as an error and a handle, and that has to be
/// unloaded.
pub fn load_image(bytes: &[u8], path: &DevicePath) -> Result<Handle, Status> {
    let table = table::system_table_raw().ok_or(Status::NOT_READY)?;
    let mut handle = ptr::null_mut();
    // SAFETY: the tables are the firmware's own, boot services have not ended,
    // and path and bytes outlive the call, which copies them.
    let status = unsafe {
        ((*table.as_ref().boot_services).load_image)(
            Boolean::FALSE,
            boot::image_handle().as_ptr(),
            path.as_ffi_ptr().cast(),
            bytes.as_ptr(),
            bytes.len(),
            &raw mut handle,
        )
    };
    // SAFETY: the firmware gives null or a handle.
    let handle = unsafe { Handle::from_ptr(handle) };
    match (status, handle) {
        (Status::SUCCESS, Some(handle)) => Ok(handle),
        (Status::SECURITY_VIOLATION, Some(handle)) => {
            // What cannot be unloaded stays until the next reset.
            let _ = boot::unload_image(handle);
            Err(status)
        }
        (Status::SUCCESS, None) => Err(Status::LOAD_ERROR),
        (failed, _) => Err(failed),
    }
}

/// Where the kernel lies in memory: some firmware refuses to load without a
/// path.
fn path(bytes: &[u8]) -> Option<Box<DevicePath>> {
    let range = bytes.as_ptr_range();
    let node = build::hardware::MemoryMapped {
        memory_type: MemoryType::LOADER_DATA,
        start_address: u64::try_from(range.start.addr()).ok()?,
        end_address: u64::try_from(range.end.addr()).ok()?,
    };
    let mut buffer = Vec::new();
    let builder = build::DevicePathBuilder::with_vec(&mut buffer);
    let path = builder.push(&node).ok()?.finalize().ok()?;
    Some(path.to_boxed())
}
