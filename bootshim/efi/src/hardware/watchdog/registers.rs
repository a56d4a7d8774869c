//! Registers of the board, in memory and among the I/O ports.
//!
//! By the protocol through which the firmware's own PCI driver reaches them (UEFI
//! Platform Initialization 1.8, volume 5, 17.3). The root bridge's protocol
//! refuses what is not in the windows of its bus, and these are not.

use crate::console::open_shared;
use bootshim::hardware::acpi::{Register, Registers, Space, Width};
use core::ffi::c_void;
use core::ptr;
use uefi::boot::{self, ScopedProtocol};
use uefi::proto::unsafe_protocol;
use uefi::{Status, StatusExt};

type Transfer = unsafe extern "efiapi" fn(
    this: *mut CpuIo,
    width: u32,
    address: u64,
    count: usize,
    buffer: *mut c_void,
) -> Status;

#[repr(C)]
struct Access {
    read: Transfer,
    write: Transfer,
}

/// `EFI_CPU_IO2_PROTOCOL`.
#[repr(C)]
#[unsafe_protocol("ad61f191-ae5f-4c0e-b9fa-e869d288c64f")]
struct CpuIo {
    memory: Access,
    ports: Access,
}

/// All registers of this machine.
pub struct Board(ScopedProtocol<CpuIo>);

impl Board {
    /// `None` where the firmware has no such protocol.
    pub fn open() -> Option<Board> {
        let handle = boot::get_handle_for_protocol::<CpuIo>().ok()?;
        open_shared::<CpuIo>(handle).ok().map(Board)
    }

    fn transfer(
        &mut self,
        register: Register,
        of: impl Fn(&Access) -> Transfer,
        buffer: &mut u32,
    ) -> uefi::Result {
        let access = match register.space {
            Space::Memory => &self.0.memory,
            Space::Ports => &self.0.ports,
        };
        let transfer = of(access);
        let width = match register.width {
            Width::Byte => 0,
            Width::Word => 1,
            Width::Long => 2,
        };
        let buffer = ptr::from_mut(buffer).cast();
        // SAFETY: the protocol is open; one transfer of at most 32 bits goes to or
        // from an aligned buffer of 32. What the register does is the business of
        // the chip, and it is one of a watchdog: found by the chip's own numbers,
        // or named by the firmware for this.
        unsafe {
            transfer(
                ptr::from_mut(&mut *self.0),
                width,
                register.address,
                1,
                buffer,
            )
        }
        .to_result()
    }
}

impl Registers for Board {
    type Error = uefi::Error;

    fn read(&mut self, register: Register) -> uefi::Result<u32> {
        // UEFI is little-endian everywhere: a narrow value is in the low bits.
        let mut value = 0;
        self.transfer(register, |access| access.read, &mut value)?;
        Ok(value)
    }

    fn write(&mut self, register: Register, mut value: u32) -> uefi::Result {
        self.transfer(register, |access| access.write, &mut value)
    }
}
