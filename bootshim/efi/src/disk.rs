//! The whole disk that the program was loaded from, as a medium.

use crate::console::open_shared;
use crate::flush::Flush;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use bootshim::medium::{Access, BLOCK, Cause, Fault, Medium, check_range};
use core::cell::RefCell;
use core::fmt;
use uefi::boot::{self, ScopedProtocol};
use uefi::proto::device_path::{DevicePath, DeviceSubType, DeviceType};
use uefi::proto::loaded_image::LoadedImage;
use uefi::proto::media::block::BlockIO;
use uefi::{Handle, Status};

/// What one call to the firmware moves at most, in bytes.
const CHUNK: usize = 1024 * 1024;
/// Alignment of the buffer for what cannot go straight to its target.
const PAGE: usize = 4096;

/// The disk that the program was loaded from; no other is ever looked at.
pub struct Disk {
    driver: RefCell<Driver>,
    sector: u32,
    align: usize,
    len: u64,
}

/// What the firmware's calls change.
struct Driver {
    block: ScopedProtocol<BlockIO>,
    flush: Flush,
    bounce: Bounce,
}

/// A buffer that every driver accepts.
struct Bounce {
    bytes: Vec<u8>,
    from: usize,
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
        let block = open_shared::<BlockIO>(handle)
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
        let align = usize::try_from(media.io_align())
            .ok()
            .and_then(usize::checked_next_power_of_two)
            .unwrap_or(PAGE);
        let flush = Flush::of(path);
        let bounce = Bounce::new(align.max(PAGE));
        let driver = RefCell::new(Driver {
            block,
            flush,
            bounce,
        });
        Ok(Disk {
            driver,
            sector,
            align,
            len,
        })
    }

    /// Bytes of a logical sector.
    pub fn sector(&self) -> u32 {
        self.sector
    }

    /// Reads the first bytes of `rest` from `at`, and says how many.
    fn read_some(&self, at: u64, rest: &mut [u8]) -> Result<usize, Cause> {
        let Driver { block, bounce, .. } = &mut *self.driver.borrow_mut();
        let sector = u64::from(self.sector);
        let skip = usize_of(at % sector)?;
        let width = usize_of(sector)?;
        let whole = rest.len().min(CHUNK) / width * width;
        let media = block.media().media_id();
        if skip == 0 && whole > 0 && rest.as_ptr().addr().is_multiple_of(self.align) {
            let straight = rest.get_mut(..whole).ok_or(Cause::OutOfRange)?;
            block
                .read_blocks(media, at / sector, straight)
                .map_err(cause)?;
            return Ok(whole);
        }
        let span = skip.saturating_add(rest.len()).min(CHUNK);
        let buffer = bounce.get(span.next_multiple_of(width))?;
        block
            .read_blocks(media, at / sector, buffer)
            .map_err(cause)?;
        let found = buffer.get(skip..span).ok_or(Cause::OutOfRange)?;
        let target = rest.get_mut(..found.len()).ok_or(Cause::OutOfRange)?;
        target.copy_from_slice(found);
        Ok(found.len())
    }

    fn read(&self, mut at: u64, buf: &mut [u8]) -> Result<(), Cause> {
        let mut rest = buf;
        while !rest.is_empty() {
            let done = self.read_some(at, rest)?;
            rest = rest.get_mut(done..).ok_or(Cause::OutOfRange)?;
            at = at.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    fn write(&self, mut at: u64, data: &[u8]) -> Result<(), Cause> {
        let Driver { block, bounce, .. } = &mut *self.driver.borrow_mut();
        let media = block.media().media_id();
        for chunk in data.chunks(CHUNK) {
            let buffer = bounce.get(chunk.len())?;
            buffer.copy_from_slice(chunk);
            block
                .write_blocks(media, at / u64::from(self.sector), buffer)
                .map_err(cause)?;
            at = at.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    fn flush_all(&self) -> Result<(), Cause> {
        let Driver { block, flush, .. } = &mut *self.driver.borrow_mut();
        block.flush_blocks().map_err(cause)?;
        flush.send().map_err(code)
    }
}

impl Medium for Disk {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Fault> {
        check_range(Access::Read, offset, buf.len(), self.len)?;
        self.read(offset, buf)
            .map_err(|cause| fault(Access::Read, offset, buf.len(), cause))
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Fault> {
        check_range(Access::Write, offset, data.len(), self.len)?;
        self.write(offset, data)
            .map_err(|cause| fault(Access::Write, offset, data.len(), cause))
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

impl Bounce {
    fn new(align: usize) -> Bounce {
        let bytes = alloc::vec![0; CHUNK.saturating_add(align)];
        let from = bytes.as_ptr().align_offset(align);
        Bounce { bytes, from }
    }

    fn get(&mut self, length: usize) -> Result<&mut [u8], Cause> {
        let rest = self.bytes.get_mut(self.from..);
        rest.and_then(|rest| rest.get_mut(..length))
            .ok_or(Cause::OutOfRange)
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

fn usize_of(number: u64) -> Result<usize, Cause> {
    usize::try_from(number).map_err(|_| Cause::OutOfRange)
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
