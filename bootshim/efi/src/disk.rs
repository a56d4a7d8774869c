//! The whole disk that the program was loaded from, as a medium.

use crate::console::open_shared;
use crate::firmware;
use crate::flush::Flush;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use bootshim::blocks::{self, Blocks, MOST};
use bootshim::buffer::PAGE;
use bootshim::medium::{Access, BLOCK, Cause, Fault, Medium, check_range};
use core::cell::RefCell;
use core::fmt;
use core::ops::{Deref, DerefMut, Range};
use core::ptr::NonNull;
use core::slice;
use uefi::boot::{self, AllocateType, ScopedProtocol};
use uefi::mem::memory_map::MemoryType;
use uefi::proto::device_path::{DevicePath, DeviceSubType, DeviceType};
use uefi::proto::loaded_image::LoadedImage;
use uefi::proto::media::block::BlockIO;
use uefi::{Handle, Status};

/// The disk that the program was loaded from; no other is ever looked at.
pub struct Disk {
    driver: RefCell<Driver>,
    sector: u32,
    len: u64,
}

/// What the firmware's calls change.
struct Driver {
    blocks: Blocks<Port, Pages>,
    flush: Flush,
}

/// The firmware's own driver.
struct Port(ScopedProtocol<BlockIO>);

impl blocks::Driver for Port {
    fn read(&mut self, sector: u64, buf: &mut [u8]) -> Result<(), Cause> {
        let media = self.0.media().media_id();
        self.0.read_blocks(media, sector, buf).map_err(cause)
    }

    fn write(&mut self, sector: u64, data: &[u8]) -> Result<(), Cause> {
        let media = self.0.media().media_id();
        self.0.write_blocks(media, sector, data).map_err(cause)
    }

    /// A disk that is only slow must not end in a reset.
    fn pet(&mut self) {
        let _ = firmware::pet_watchdog();
    }
}

/// Memory that every driver accepts: whole pages, below 4 GiB where there are some,
/// for a host adapter that reaches no further.
struct Pages {
    start: NonNull<u8>,
    pages: usize,
    /// What of it is used, so that it lies as the driver says.
    used: Range<usize>,
}

impl Disk {
    /// Finds it: the program's own device, without the partition.
    pub fn of_this_program() -> Result<Disk, String> {
        let program = open_shared::<LoadedImage>(boot::image_handle())
            .map_err(|status| alloc::format!("the program itself is unknown: {status:?}"))?;
        let device = program
            .device()
            .ok_or("the program was not loaded from a disk")?;
        let path = open_shared::<DevicePath>(device)
            .map_err(|status| alloc::format!("its device has no path: {status:?}"))?;
        let path = without_partition(&path)?;
        let mut rest = &*path;
        let handle = boot::locate_device_path::<BlockIO>(&mut rest)
            .map_err(|error| alloc::format!("no block device at {path}: {:?}", error.status()))?;
        if rest.node_iter().next().is_some() {
            return Err(alloc::format!("no block device at {path}"));
        }
        Disk::open(handle, &path)
    }

    fn open(handle: Handle, path: &DevicePath) -> Result<Disk, String> {
        let mut block = open_shared::<BlockIO>(handle)
            .map_err(|status| alloc::format!("no block device at {path}: {status:?}"))?;
        let media = block.media();
        if media.is_logical_partition() || !media.is_media_present() {
            return Err(alloc::format!("{path} is not a whole disk"));
        }
        let sector = media.block_size();
        if sector == 0 || !BLOCK.is_multiple_of(u64::from(sector)) {
            return Err(alloc::format!(
                "sectors of {sector} bytes; 512 to 4096 are supported"
            ));
        }
        let len = media
            .last_block()
            .checked_add(1)
            .and_then(|sectors| sectors.checked_mul(u64::from(sector)))
            .ok_or_else(|| "a size beyond 2^64 bytes".to_string())?;
        let align = blocks::alignment(media.io_align());
        let flush = Flush::of(path, &mut block);
        let bounce = Pages::new(align)
            .map_err(|status| alloc::format!("no memory to read it: {status:?}"))?;
        let driver = RefCell::new(Driver {
            blocks: Blocks::new(Port(block), bounce, sector, align),
            flush,
        });
        Ok(Disk {
            driver,
            sector,
            len,
        })
    }

    /// Bytes of a logical sector.
    pub fn sector(&self) -> u32 {
        self.sector
    }

    fn flush_all(&self) -> Result<(), Cause> {
        let Driver { blocks, flush } = &mut *self.driver.borrow_mut();
        let _ = firmware::pet_watchdog();
        flush.send(&mut blocks.driver().0).map_err(code)
    }
}

impl Medium for Disk {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Fault> {
        check_range(Access::Read, offset, buf.len(), self.len)?;
        let read = self.driver.borrow_mut().blocks.read(offset, buf);
        read.map_err(|cause| fault(Access::Read, offset, buf.len(), cause))
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Fault> {
        check_range(Access::Write, offset, data.len(), self.len)?;
        let written = self.driver.borrow_mut().blocks.write(offset, data);
        written.map_err(|cause| fault(Access::Write, offset, data.len(), cause))
    }

    fn flush(&self) -> Result<(), Fault> {
        self.flush_all()
            .map_err(|cause| fault(Access::Flush, 0, 0, cause))
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = self.len / (1024 * 1024);
        let flush = &self.driver.borrow().flush;
        write!(f, "{mib} MiB, sectors of {} bytes, {flush}", self.sector)
    }
}

impl Pages {
    fn new(align: usize) -> Result<Pages, Status> {
        let pages = MOST.saturating_add(align).div_ceil(PAGE);
        let low = AllocateType::MaxAddress(u32::MAX.into());
        let start = boot::allocate_pages(low, MemoryType::LOADER_DATA, pages)
            .or_else(|_| {
                boot::allocate_pages(AllocateType::AnyPages, MemoryType::LOADER_DATA, pages)
            })
            .map_err(|error| error.status())?;
        let from = start.as_ptr().align_offset(align) % align;
        Ok(Pages {
            start,
            pages,
            used: from..from.saturating_add(MOST),
        })
    }

    fn len(&self) -> usize {
        self.pages.saturating_mul(PAGE)
    }
}

impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: our own pages, of which any byte is one, until this is dropped.
        let bytes = unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len()) };
        bytes.get(self.used.clone()).unwrap_or_default()
    }
}

impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and nobody else has them.
        let bytes = unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.len()) };
        bytes.get_mut(self.used.clone()).unwrap_or_default()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: allocated as so many, and nobody reads into them any more.
        let _ = unsafe { boot::free_pages(self.start, self.pages) };
    }
}

/// The path of the disk that a partition lies on.
fn without_partition(path: &DevicePath) -> Result<Box<DevicePath>, String> {
    let partition = (DeviceType::MEDIA, DeviceSubType::MEDIA_HARD_DRIVE);
    let mut bytes = Vec::new();
    for node in path
        .node_iter()
        .take_while(|node| node.full_type() != partition)
    {
        bytes.extend([node.device_type().0, node.sub_type().0]);
        bytes.extend(node.length().to_le_bytes());
        bytes.extend(node.data());
    }
    bytes.extend([DeviceType::END.0, DeviceSubType::END_ENTIRE.0, 4, 0]);
    <&DevicePath>::try_from(bytes.as_slice())
        .map(DevicePath::to_boxed)
        .map_err(|error| alloc::format!("its device has no valid path: {error:?}"))
}

fn cause(error: uefi::Error) -> Cause {
    code(error.status())
}

/// The number of an EFI error, without the bit that all errors have.
fn code(status: Status) -> Cause {
    Cause::Device(i32::try_from(status.0 & !Status::ERROR_BIT).unwrap_or(i32::MAX))
}

fn fault(access: Access, offset: u64, length: usize, cause: Cause) -> Fault {
    Fault {
        access,
        offset,
        length: u64::try_from(length).unwrap_or(u64::MAX),
        cause,
    }
}
