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
use bootshim::flush::{self, Answer, Said};
use core::ffi::c_void;
use core::fmt;
use core::ptr;
use uefi::boot::{self, ScopedProtocol};
use uefi::proto::device_path::{DevicePath, DevicePathNodeEnum};
use uefi::proto::media::block::BlockIO;
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

/// IDENTIFY DEVICE (ACS-3, 7.12).
const IDENTIFY: u8 = 0xec;
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
pub struct Flush {
    by: By,
    /// The firmware's own flush is refused, and not asked for any more.
    firmware_refuses: bool,
}

enum By {
    /// `FlushBlocks` of the firmware reaches the drive on this bus.
    Firmware(&'static str),
    /// The command goes to this port, past the firmware's block driver.
    Ata {
        adapter: ScopedProtocol<Ata>,
        port: u16,
        way: flush::Ata,
    },
    /// The command goes to the unit, past the firmware's block driver.
    Scsi(ScopedProtocol<Scsi>, ([u8; 16], u8)),
    /// `FlushBlocks`, of which nobody knows what it does here: why.
    Unknown(&'static str),
}

impl fmt::Display for Flush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            By::Firmware(bus) => write!(f, "{bus}, flushed by the firmware"),
            By::Ata { port, way, .. } => {
                write!(f, "SATA port {port}, flushed by {}", way.word())
            }
            By::Scsi(..) => f.write_str("SCSI, flushed by SYNCHRONIZE CACHE"),
            By::Unknown(why) => {
                write!(f, "{why}: only resets are covered, not power cuts")
            }
        }
    }
}

const UNKNOWN: By = By::Unknown("unknown whether the firmware's flush reaches it");
/// Where the bus is known, and nothing that flushes is taken there.
const REFUSED: By = By::Unknown("it takes no command to flush");

impl Flush {
    /// How the disk with this path is flushed. Tried out here, while there is
    /// nothing to write down: a commit must not end in a command that the drive
    /// does not know.
    pub fn of(disk: &DevicePath, block: &mut BlockIO) -> Flush {
        let answer = plain(block.flush_blocks().map_err(|error| error.status()));
        let firmware_refuses = answer == Answer::Refused;
        let by = match By::of(disk) {
            By::Firmware(_) if firmware_refuses => REFUSED,
            by => by,
        };
        Flush {
            by,
            firmware_refuses,
        }
    }

    /// Makes durable what was written to the drive.
    pub fn send(&mut self, block: &mut BlockIO) -> Result<(), Status> {
        if !self.firmware_refuses {
            block.flush_blocks().map_err(|error| error.status())?;
        }
        let answer = match &mut self.by {
            By::Firmware(_) | By::Unknown(_) => Answer::Done,
            By::Ata { adapter, port, way } => {
                flush::repeated(|| ata(adapter, *port, *way, way.command, None))
            }
            By::Scsi(unit, command) => flush::repeated(|| scsi(unit, *command)),
        };
        match answer {
            Answer::Done => Ok(()),
            _ => Err(Status::DEVICE_ERROR),
        }
    }
}

impl By {
    fn of(disk: &DevicePath) -> By {
        if system::firmware_vendor() == cstr16!("Das U-Boot") {
            return UNKNOWN;
        }
        if is_virtio(disk) {
            return By::Firmware("virtio");
        }
        let last = disk.node_iter().last().and_then(|node| node.as_enum().ok());
        let found = match last {
            Some(DevicePathNodeEnum::MessagingNvmeNamespace(_)) => Some(By::Firmware("NVMe")),
            Some(DevicePathNodeEnum::MessagingSata(node)) => locate(disk).map(|adapter| {
                By::ata(
                    adapter,
                    node.hba_port_number(),
                    node.port_multiplier_port_number(),
                )
            }),
            Some(DevicePathNodeEnum::MessagingScsi(_)) => locate(disk).map(By::scsi),
            _ => None,
        };
        found.unwrap_or(UNKNOWN)
    }

    fn ata(mut adapter: ScopedProtocol<Ata>, port: u16, multiplier: u16) -> By {
        let identify = identify(&mut adapter, port, multiplier);
        let ways = flush::Ata::ways(identify.as_ref().map(|answer| &answer.0), multiplier);
        match flush::first(ways, |way| ata(&mut adapter, port, way, way.command, None)) {
            Some(way) => By::Ata { adapter, port, way },
            None => REFUSED,
        }
    }

    fn scsi(mut unit: ScopedProtocol<Scsi>) -> By {
        match flush::first(flush::SYNCHRONIZE_CACHE, |command| scsi(&mut unit, command)) {
            Some(command) => By::Scsi(unit, command),
            None => REFUSED,
        }
    }
}

/// What the firmware says of a command.
fn said(status: Status) -> Said {
    match status {
        Status::SUCCESS => Said::Success,
        Status::UNSUPPORTED | Status::INVALID_PARAMETER | Status::NOT_FOUND => Said::Refused,
        Status::DEVICE_ERROR => Said::DeviceError,
        _ => Said::Other,
    }
}

/// What became of a flush of the firmware's own, which has no answer of a drive.
fn plain(flushed: Result<(), Status>) -> Answer {
    flush::of_ata(said(flushed.err().unwrap_or(Status::SUCCESS)), 0, 0)
}

/// The protocol nearest to a disk on its path.
fn locate<P: uefi::proto::ProtocolPointer + ?Sized>(
    disk: &DevicePath,
) -> Option<ScopedProtocol<P>> {
    let mut path = disk;
    let handle = boot::locate_device_path::<P>(&mut path).ok()?;
    open_shared(handle).ok()
}

/// What the drive says of itself, by whichever number the firmware has for its port.
fn identify(adapter: &mut Ata, port: u16, multiplier: u16) -> Option<Box<Aligned<[u8; 512]>>> {
    let mut answer = Box::new(Aligned([0; 512]));
    let [way, _, other, _] = flush::Ata::ways(None, multiplier);
    let asked = flush::first([way, other], |way| {
        ata(adapter, port, way, IDENTIFY, Some(&mut answer.0))
    });
    asked.map(|_| answer)
}

/// Sends a command to a drive, and reads an answer where there is to be one.
fn ata(
    adapter: &mut Ata,
    port: u16,
    way: flush::Ata,
    command: u8,
    answer: Option<&mut [u8; 512]>,
) -> Answer {
    let command = AtaCommandBlock {
        command,
        ..AtaCommandBlock::default()
    };
    let (protocol, length, room) = match answer {
        Some(_) => (
            AtaPassThruCommandProtocol::PIO_DATA_IN,
            AtaPassThruLength(AtaPassThruLength::BYTES.0 | AtaPassThruLength::SECTOR_COUNT.0),
            512,
        ),
        None => (
            AtaPassThruCommandProtocol::ATA_NON_DATA,
            AtaPassThruLength::NO_DATA_TRANSFER,
            0,
        ),
    };
    let mut ended = Box::new(Aligned(NO_ANSWER));
    let mut packet = AtaPassThruCommandPacket {
        asb: &raw mut ended.0,
        acb: &raw const command,
        timeout: TIMEOUT,
        in_data_buffer: answer.map_or(ptr::null_mut(), |answer| ptr::from_mut(answer).cast()),
        out_data_buffer: ptr::null(),
        in_transfer_length: room,
        out_transfer_length: 0,
        protocol,
        length,
    };
    // SAFETY: the packet and what it points to outlive the call, which waits for the
    // drive because no event is given; an answer is of 512 bytes, as the packet says.
    let status = unsafe {
        (adapter.0.pass_thru)(
            &raw mut adapter.0,
            port,
            way.multiplier,
            &raw mut packet,
            ptr::null_mut(),
        )
    };
    flush::of_ata(said(status), ended.0.status, ended.0.error)
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

fn scsi(unit: &mut Scsi, (command, length): ([u8; 16], u8)) -> Answer {
    let mut command = Box::new(Aligned(command));
    let mut sense = Box::new(Aligned([0u8; 252]));
    let mut packet = ScsiIoScsiRequestPacket {
        timeout: TIMEOUT,
        in_data_buffer: ptr::null_mut(),
        out_data_buffer: ptr::null_mut(),
        sense_data: (&raw mut sense.0).cast::<c_void>(),
        cdb: (&raw mut command.0).cast::<c_void>(),
        in_transfer_length: 0,
        out_transfer_length: 0,
        cdb_length: length,
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
    let adapter = packet.host_adapter_status == ScsiIoHostAdapterStatus::OK;
    let good = packet.target_status == ScsiIoTargetStatus::GOOD;
    match said(status) {
        // It never came to the unit, or not back.
        Said::Success | Said::DeviceError if !adapter => Answer::Failed,
        said if good => flush::of_scsi(said, None),
        said => {
            let length = usize::from(packet.sense_data_length);
            let sense = sense.0.get(..length).unwrap_or(&sense.0);
            flush::of_scsi(said, Some(sense))
        }
    }
}
