//! What makes a write durable: on which bus the firmware's own flush does it,
//! and on which the program has to send the command itself.
//!
//! EDK2's drivers for AHCI and SCSI disks return success from `FlushBlocks`
//! without a command to the drive (`AtaBlockIoFlushBlocks`,
//! `ScsiDiskFlushBlocks`); U-Boot's does so on every bus
//! (`efi_disk_flush_blocks`).

use crate::console::open_shared;
use crate::virtio::is_virtio;
use alloc::boxed::Box;
use core::ffi::c_void;
use core::fmt;
use core::ptr;
use uefi::boot::{self, ScopedProtocol};
use uefi::proto::device_path::{DevicePath, DevicePathNodeEnum};
use uefi::proto::unsafe_protocol;
use uefi::{Status, cstr16, system};
use uefi_raw::protocol::ata::{
    AtaCommandBlock, AtaPassThruCommandPacket, AtaPassThruCommandProtocol, AtaPassThruLength,
    AtaPassThruProtocol, AtaStatusBlock,
};
use uefi_raw::protocol::scsi::{
    ScsiIoDataDirection, ScsiIoHostAdapterStatus, ScsiIoProtocol, ScsiIoScsiRequestPacket,
    ScsiIoTargetStatus,
};

/// FLUSH CACHE EXT (ATA command set, ACS-3, 7.11).
const ATA_FLUSH_CACHE_EXT: u8 = 0xea;
/// ERR and DF in the status of an ATA device.
const ATA_FAILED: u8 = 0x21;
/// SYNCHRONIZE CACHE (10) of the whole medium (SBC-3, 5.22).
const SCSI_SYNCHRONIZE_CACHE: [u8; 10] = [0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// Half a minute, which is what drives are given for a flush; in 100 ns.
const TIMEOUT: u64 = 30 * 10_000_000;

#[repr(transparent)]
#[unsafe_protocol(AtaPassThruProtocol::GUID)]
pub struct Ata(AtaPassThruProtocol);

#[repr(transparent)]
#[unsafe_protocol(ScsiIoProtocol::GUID)]
pub struct Scsi(ScsiIoProtocol);

/// Aligned as strictly as any host adapter asks for.
#[repr(C, align(4096))]
struct Aligned<T>(T);

/// How a disk is flushed.
pub enum Flush {
    /// `FlushBlocks` of the firmware reaches the drive on this bus.
    Firmware(&'static str),
    /// The command goes to this port, past the firmware's block driver.
    Ata {
        adapter: ScopedProtocol<Ata>,
        port: u16,
        multiplier: u16,
    },
    /// The command goes to the unit, past the firmware's block driver.
    Scsi(ScopedProtocol<Scsi>),
    /// `FlushBlocks`, of which nobody knows what it does here.
    Unknown,
}

impl fmt::Display for Flush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flush::Firmware(bus) => write!(f, "{bus}, flushed by the firmware"),
            Flush::Ata { port, .. } => write!(f, "SATA port {port}, flushed by FLUSH CACHE EXT"),
            Flush::Scsi(_) => f.write_str("SCSI, flushed by SYNCHRONIZE CACHE"),
            Flush::Unknown => f.write_str(
                "unknown whether the firmware's flush reaches it: only resets are covered, not power cuts",
            ),
        }
    }
}

impl Flush {
    /// How the disk with this path is flushed.
    pub fn of(disk: &DevicePath) -> Flush {
        if system::firmware_vendor() == cstr16!("Das U-Boot") {
            return Flush::Unknown;
        }
        if is_virtio(disk) {
            return Flush::Firmware("virtio");
        }
        let last = disk.node_iter().last().and_then(|node| node.as_enum().ok());
        let found = match last {
            Some(DevicePathNodeEnum::MessagingNvmeNamespace(_)) => Some(Flush::Firmware("NVMe")),
            Some(DevicePathNodeEnum::MessagingSata(node)) => {
                locate(disk).map(|adapter| Flush::Ata {
                    adapter,
                    port: node.hba_port_number(),
                    multiplier: node.port_multiplier_port_number(),
                })
            }
            Some(DevicePathNodeEnum::MessagingScsi(_)) => locate(disk).map(Flush::Scsi),
            _ => None,
        };
        found.unwrap_or(Flush::Unknown)
    }

    /// Makes durable what the block driver has sent to the drive.
    pub fn send(&mut self) -> Result<(), Status> {
        match self {
            Flush::Firmware(_) | Flush::Unknown => Ok(()),
            Flush::Ata {
                adapter,
                port,
                multiplier,
            } => flush_ata(adapter, *port, *multiplier),
            Flush::Scsi(unit) => flush_scsi(unit),
        }
    }
}

/// The protocol nearest to a disk on its path.
fn locate<P: uefi::proto::ProtocolPointer + ?Sized>(
    disk: &DevicePath,
) -> Option<ScopedProtocol<P>> {
    let mut path = disk;
    let handle = boot::locate_device_path::<P>(&mut path).ok()?;
    open_shared(handle).ok()
}

fn flush_ata(adapter: &mut Ata, port: u16, multiplier: u16) -> Result<(), Status> {
    let command = AtaCommandBlock {
        command: ATA_FLUSH_CACHE_EXT,
        ..AtaCommandBlock::default()
    };
    let mut answer = Box::new(Aligned(NO_ANSWER));
    let mut packet = AtaPassThruCommandPacket {
        asb: &raw mut answer.0,
        acb: &raw const command,
        timeout: TIMEOUT,
        in_data_buffer: ptr::null_mut(),
        out_data_buffer: ptr::null(),
        in_transfer_length: 0,
        out_transfer_length: 0,
        protocol: AtaPassThruCommandProtocol::ATA_NON_DATA,
        length: AtaPassThruLength::NO_DATA_TRANSFER,
    };
    // SAFETY: the packet and the two blocks it points to outlive the call, which
    // waits for the drive because no event is given.
    let status = unsafe {
        (adapter.0.pass_thru)(
            &raw mut adapter.0,
            port,
            multiplier,
            &raw mut packet,
            ptr::null_mut(),
        )
    };
    match status {
        Status::SUCCESS if answer.0.status & ATA_FAILED == 0 => Ok(()),
        Status::SUCCESS => Err(Status::DEVICE_ERROR),
        failed => Err(failed),
    }
}

const NO_ANSWER: AtaStatusBlock = AtaStatusBlock {
    reserved1: [0; 2],
    status: 0,
    error: 0,
    sector_number: 0,
    cylinder_low: 0,
    cylinder_high: 0,
    device_head: 0,
    sector_number_exp: 0,
    cylinder_low_exp: 0,
    cylinder_high_exp: 0,
    reserved2: 0,
    sector_count: 0,
    sector_count_exp: 0,
    reserved3: [0; 6],
};

fn flush_scsi(unit: &mut Scsi) -> Result<(), Status> {
    let mut command = Box::new(Aligned(SCSI_SYNCHRONIZE_CACHE));
    let mut sense = Box::new(Aligned([0u8; 252]));
    let mut packet = ScsiIoScsiRequestPacket {
        timeout: TIMEOUT,
        in_data_buffer: ptr::null_mut(),
        out_data_buffer: ptr::null_mut(),
        sense_data: (&raw mut sense.0).cast::<c_void>(),
        cdb: (&raw mut command.0).cast::<c_void>(),
        in_transfer_length: 0,
        out_transfer_length: 0,
        cdb_length: 10,
        data_direction: ScsiIoDataDirection::READ,
        host_adapter_status: ScsiIoHostAdapterStatus::OK,
        target_status: ScsiIoTargetStatus::GOOD,
        sense_data_length: 252,
    };
    // SAFETY: the packet and the two buffers it points to outlive the call,
    // which waits for the drive because no event is given.
    let status = unsafe {
        (unit.0.execute_scsi_command)(&raw const unit.0, &raw mut packet, ptr::null_mut())
    };
    let done = packet.host_adapter_status == ScsiIoHostAdapterStatus::OK
        && packet.target_status == ScsiIoTargetStatus::GOOD;
    match status {
        Status::SUCCESS if done => Ok(()),
        Status::SUCCESS => Err(Status::DEVICE_ERROR),
        failed => Err(failed),
    }
}
