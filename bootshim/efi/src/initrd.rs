//! The initrd, handed to the kernel on request: `LoadFile2` on a path that the
//! kernel knows (Linux, Documentation/arch/x86/boot.rst and
//! `drivers/firmware/efi/libstub/efi-stub-helper.c`).

use crate::disk::Disk;
use alloc::boxed::Box;
use alloc::vec::Vec;
use bootshim::boot::Defect;
use bootshim::buffer::Buffer;
use bootshim::medium::Window;
use bootshim::slot::{self, Initrd};
use core::ffi::c_void;
use core::ptr::NonNull;
use core::slice;
use images::manifest::Payload;
use uefi::proto::device_path::{DevicePath, build};
use uefi::{Guid, Handle, Identify, Status, boot, guid};
use uefi_raw::Boolean;
use uefi_raw::protocol::device_path::DevicePathProtocol;
use uefi_raw::protocol::media::LoadFile2Protocol;

const LINUX_EFI_INITRD_MEDIA: Guid = guid!("5568e427-68fc-4f3d-ac74-ca555231cc68");

/// The firmware hands `protocol` to the kernel, which hands it back to
/// [`load_file`]: the rest is found behind it.
#[repr(C)]
struct File<'a> {
    protocol: LoadFile2Protocol,
    length: usize,
    source: Source<'a>,
}

/// Where the bytes come from.
enum Source<'a> {
    /// Verified already.
    Memory(Buffer),
    /// From the slot, once, where the kernel asks; and what became of that.
    Slot(Window<&'a Disk>, Payload, Option<Result<(), Defect>>),
}

/// An initrd on offer; no longer when this is dropped.
pub struct Offer<'a> {
    handle: Handle,
    path: Box<DevicePath>,
    /// From a box. Whoever holds the protocol has this very pointer.
    file: NonNull<File<'a>>,
}

impl<'a> Offer<'a> {
    /// Offers the initrd of the image in `slot` to the kernel that is started next.
    pub fn new(initrd: Initrd, slot: Window<&'a Disk>) -> Result<Offer<'a>, Status> {
        let path = path().ok_or(Status::OUT_OF_RESOURCES)?;
        let (length, source) = match initrd {
            Initrd::Here(bytes) => (bytes.len(), Source::Memory(bytes)),
            Initrd::Later(payload) => {
                let length = usize::try_from(payload.length);
                let length = length.map_err(|_| Status::OUT_OF_RESOURCES)?;
                (length, Source::Slot(slot, payload, None))
            }
        };
        // SAFETY: the path has its own allocation, which `Offer` keeps until the
        // protocol is uninstalled.
        let handle = unsafe {
            boot::install_protocol_interface(None, &DevicePath::GUID, path.as_ffi_ptr().cast())
        }
        .map_err(|error| error.status())?;
        let file = Box::new(File {
            protocol: LoadFile2Protocol { load_file },
            length,
            source,
        });
        let file = NonNull::from(Box::leak(file));
        let offer = Offer { handle, path, file };
        // SAFETY: the file's first field is the protocol, and it stays where it is
        // until the protocol is uninstalled.
        unsafe {
            boot::install_protocol_interface(
                Some(handle),
                &LoadFile2Protocol::GUID,
                file.as_ptr().cast(),
            )
        }
        .map_err(|error| error.status())?;
        Ok(offer)
    }

    /// Why the kernel that has come back did not get it, where that is so.
    pub fn defect(&self) -> Option<Defect> {
        // SAFETY: from a box, and the kernel has come back: nobody else looks.
        match unsafe { &self.file.as_ref().source } {
            Source::Slot(_, _, Some(Err(defect))) => Some(defect.clone()),
            _ => None,
        }
    }
}

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        // Where the second of the two was never installed, this finds nothing.
        // SAFETY: nobody keeps a reference: the kernel has returned, or never ran.
        let _ = unsafe {
            boot::uninstall_protocol_interface(
                self.handle,
                &LoadFile2Protocol::GUID,
                self.file.as_ptr().cast(),
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
        // SAFETY: from a box, and nobody has the protocol any more.
        drop(unsafe { Box::from_raw(self.file.as_ptr()) });
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
    // SAFETY: `this` is what `Offer::new` installed, a whole `File`, to which
    // nobody else has a reference while the kernel runs; `size` is the caller's.
    let (file, size) = unsafe { (&mut *this.cast::<File<'_>>(), &mut *size) };
    let room = *size;
    *size = file.length;
    if buffer.is_null() || room < file.length {
        return Status::BUFFER_TOO_SMALL;
    }
    // SAFETY: the caller says that its buffer holds `room` bytes, and any byte is one.
    let target = unsafe { slice::from_raw_parts_mut(buffer.cast::<u8>(), file.length) };
    match &mut file.source {
        Source::Memory(bytes) => {
            target.copy_from_slice(bytes);
            Status::SUCCESS
        }
        Source::Slot(slot, payload, outcome @ None) => {
            let filled = slot::fill(slot, payload, target);
            let status = match filled {
                Ok(()) => Status::SUCCESS,
                Err(_) => Status::LOAD_ERROR,
            };
            *outcome = Some(filled);
            status
        }
        // Nothing is read twice.
        Source::Slot(_, _, Some(_)) => Status::LOAD_ERROR,
    }
}
