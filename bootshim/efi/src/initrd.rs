//! The initrd, handed to the kernel on request: `LoadFile2` on a path that the
//! kernel knows (Linux, Documentation/arch/x86/boot.rst and
//! `drivers/firmware/efi/libstub/efi-stub-helper.c`).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ffi::c_void;
use core::ptr;
use uefi::proto::device_path::{DevicePath, build};
use uefi::{Guid, Handle, Identify, Status, boot, guid};
use uefi_raw::Boolean;
use uefi_raw::protocol::device_path::DevicePathProtocol;
use uefi_raw::protocol::media::LoadFile2Protocol;

const LINUX_EFI_INITRD_MEDIA: Guid = guid!("5568e427-68fc-4f3d-ac74-ca555231cc68");

/// The firmware hands `protocol` to the kernel, which hands it back to
/// [`load_file`]: the rest is found behind it.
#[repr(C)]
struct File {
    protocol: LoadFile2Protocol,
    bytes: Vec<u8>,
}

/// An initrd on offer; no longer when this is dropped.
pub struct Initrd {
    handle: Handle,
    path: Box<DevicePath>,
    file: Box<File>,
}

impl Initrd {
    /// Offers `bytes` to the kernel that is started next.
    pub fn offer(bytes: Vec<u8>) -> Result<Initrd, Status> {
        let path = path().ok_or(Status::OUT_OF_RESOURCES)?;
        let protocol = LoadFile2Protocol { load_file };
        let file = Box::new(File { protocol, bytes });
        // SAFETY: the path has its own allocation, which `Initrd` keeps until the
        // protocol is uninstalled.
        let handle = unsafe {
            boot::install_protocol_interface(None, &DevicePath::GUID, path.as_ffi_ptr().cast())
        }
        .map_err(|error| error.status())?;
        let offer = Initrd { handle, path, file };
        // SAFETY: likewise the file; its first field is the protocol.
        unsafe {
            boot::install_protocol_interface(
                Some(handle),
                &LoadFile2Protocol::GUID,
                offer.interface(),
            )
        }
        .map_err(|error| error.status())?;
        Ok(offer)
    }

    fn interface(&self) -> *const c_void {
        ptr::from_ref(&*self.file).cast()
    }
}

impl Drop for Initrd {
    fn drop(&mut self) {
        // Where the second of the two was never installed, this finds nothing.
        // SAFETY: nobody keeps a reference: the kernel has returned, or never ran.
        let _ = unsafe {
            boot::uninstall_protocol_interface(
                self.handle,
                &LoadFile2Protocol::GUID,
                self.interface(),
            )
        };
        // SAFETY: as above.
        let _ = unsafe {
            boot::uninstall_protocol_interface(
                self.handle,
                &DevicePath::GUID,
                self.path.as_ffi_ptr().cast(),
            )
        };
    }
}

fn path() -> Option<Box<DevicePath>> {
    let node = build::media::Vendor {
        vendor_guid: LINUX_EFI_INITRD_MEDIA,
        vendor_defined_data: &[],
    };
    let mut bytes = Vec::new();
    let builder = build::DevicePathBuilder::with_vec(&mut bytes);
    let path = builder.push(&node).ok()?.finalize().ok()?;
    Some(path.to_boxed())
}

/// `EFI_LOAD_FILE2_PROTOCOL.LoadFile` (UEFI specification, 13.2).
unsafe extern "efiapi" fn load_file(
    this: *mut LoadFile2Protocol,
    _path: *const DevicePathProtocol,
    boot_policy: Boolean,
    size: *mut usize,
    buffer: *mut c_void,
) -> Status {
    if this.is_null() || size.is_null() {
        return Status::INVALID_PARAMETER;
    }
    if boot_policy != Boolean::FALSE {
        return Status::UNSUPPORTED;
    }
    // SAFETY: `this` is what `Initrd::offer` installed, a whole `File`; `size` is
    // the caller's.
    let (file, size) = unsafe { (&*this.cast::<File>(), &mut *size) };
    let room = *size;
    *size = file.bytes.len();
    if buffer.is_null() || room < file.bytes.len() {
        return Status::BUFFER_TOO_SMALL;
    }
    // SAFETY: the caller says that its buffer holds `room` bytes.
    unsafe { ptr::copy_nonoverlapping(file.bytes.as_ptr(), buffer.cast(), file.bytes.len()) };
    Status::SUCCESS
}
