//! Whether a disk is a virtio disk. Its device path ends at the slot or the
//! address of its transport, without a node that says so.

use crate::console::open_shared;
use core::ffi::c_void;
use uefi::boot;
use uefi::proto::device_path::{DevicePath, DevicePathNodeEnum};
use uefi::proto::unsafe_protocol;
use uefi::{Guid, Status, guid};

/// Vendor of every virtio device on PCI (virtio specification, 4.1.2).
const PCI_VENDOR: u16 = 0x1af4;
/// Node of EDK2 for a virtio device at a fixed address (`VirtioMmioTransport.h`).
const MMIO_TRANSPORT: Guid = guid!("837dca9e-e874-4d82-b29a-23fe0e23d1e2");
/// `EfiPciIoWidthUint16`.
const WIDTH_16: u32 = 1;

type Access = unsafe extern "efiapi" fn(*mut PciIo, u32, u32, usize, *mut c_void) -> Status;

/// The beginning of `EFI_PCI_IO_PROTOCOL` (UEFI specification, 14.4).
#[repr(C)]
#[unsafe_protocol("4cf5b200-68b8-4ca5-9eec-b23e3f50029a")]
struct PciIo {
    memory_and_ports: [*const c_void; 6],
    read_config: Access,
}

/// Whether the disk with this path is one.
pub fn is_virtio(disk: &DevicePath) -> bool {
    match disk.node_iter().last().map(|node| node.as_enum()) {
        Some(Ok(DevicePathNodeEnum::HardwareVendor(node))) => node.vendor_guid() == MMIO_TRANSPORT,
        Some(Ok(DevicePathNodeEnum::HardwarePci(_))) => pci_vendor(disk) == Some(PCI_VENDOR),
        _ => false,
    }
}

fn pci_vendor(disk: &DevicePath) -> Option<u16> {
    let mut path = disk;
    let handle = boot::locate_device_path::<PciIo>(&mut path).ok()?;
    let mut device = open_shared::<PciIo>(handle).ok()?;
    let mut vendor = 0u16;
    // SAFETY: one register of 16 bits is read into as many.
    let status =
        unsafe { (device.read_config)(&raw mut *device, WIDTH_16, 0, 1, (&raw mut vendor).cast()) };
    (status == Status::SUCCESS).then_some(vendor)
}
