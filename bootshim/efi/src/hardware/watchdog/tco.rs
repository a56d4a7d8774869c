//! The TCO timer in Intel's chipsets ([`bootshim::hardware::tco`]).
//!
//! It runs down twice: at the end of the second time it resets the machine, unless
//! NO_REBOOT forbids. How long the second time lasts is the chipset's: each stage
//! gets the whole period, as Linux does it, so that the reset never comes early.

use super::Watchdog;
use super::registers::Board;
use crate::console::open_shared;
use bootshim::hardware::acpi::{Register, Registers, Space, Width};
use bootshim::hardware::tco;
use bootshim::hardware::watchdog::Chip;
use bootshim::reset::Cause;
use uefi::Status;
use uefi::boot::{self, ScopedProtocol};
use uefi::proto::pci::PciIoAddress;
use uefi::proto::pci::root_bridge::PciRootBridgeIo;

/// The LPC bridge, and what in its configuration says where the registers are.
const BRIDGE: PciIoAddress = PciIoAddress::new(0, 0x1f, 0);
const VENDOR: u8 = 0x00;
const DEVICE: u8 = 0x02;
const ABASE: u8 = 0x40;
const ACPI_CNTL: u8 = 0x44;
const RCBA: u8 = 0xf0;

/// Registers, from the first port on; all of 16 bits.
const TCO_RLD: u64 = 0x00;
const TCO1_STS: u64 = 0x04;
const TCO2_STS: u64 = 0x06;
const TCO1_CNT: u64 = 0x08;
const TCO_TMR: u64 = 0x12;

/// The first stage is over; a one clears it.
const TIMEOUT: u32 = 1 << 3;
/// It has reset the machine; outlives the reset.
const SECOND_TO_STS: u32 = 1 << 1;
/// It has, before the processor did anything; to be cleared after the other.
const BOOT_STS: u32 = 1 << 2;
const TMR_HLT: u32 = 1 << 11;
/// Writing it back as it is read would turn it round.
const NMI_NOW: u32 = 1 << 8;
const TICKS: u32 = 0x3ff;
/// In the General Control and Status register.
const NO_REBOOT: u32 = 1 << 5;

/// The timer.
pub struct Tco {
    board: Board,
    ports: u64,
    general_control: Register,
}

impl Tco {
    /// Looks for it; `None` where this is another chipset, or the firmware has no
    /// PCI bus. An error says why it cannot be used, although it is there.
    pub fn find() -> Result<Option<Tco>, &'static str> {
        let Some((ports, general_control)) = where_it_is() else {
            return Ok(None);
        };
        let ports = ports.ok_or("its ports are switched off")?;
        let address = general_control.ok_or("RCBA is switched off")?;
        let board = Board::open().ok_or("the firmware gives no access to registers")?;
        let general_control = Register {
            space: Space::Memory,
            address,
            width: Width::Long,
        };
        let mut tco = Tco {
            board,
            ports,
            general_control,
        };
        match tco.may_reset() {
            Ok(true) => Ok(Some(tco)),
            Ok(false) => Err("this board forbids it to reset (NO_REBOOT is strapped)"),
            Err(_) => Err("its registers do not answer"),
        }
    }

    /// Whether NO_REBOOT goes away where it is set; a board can hold it. The timer
    /// stands still meanwhile, and all is as it was afterwards.
    fn may_reset(&mut self) -> uefi::Result<bool> {
        if self.board.read(self.general_control)? & NO_REBOOT == 0 {
            return Ok(true);
        }
        let control = self.control()?;
        self.write(TCO1_CNT, control | TMR_HLT)?;
        let cleared = self.set_no_reboot(false)?;
        self.set_no_reboot(true)?;
        self.write(TCO1_CNT, control)?;
        Ok(cleared)
    }

    /// Sets or clears it; says whether it then is so.
    fn set_no_reboot(&mut self, forbid: bool) -> uefi::Result<bool> {
        let others = self.board.read(self.general_control)? & !NO_REBOOT;
        let bit = if forbid { NO_REBOOT } else { 0 };
        self.board.write(self.general_control, others | bit)?;
        Ok(self.board.read(self.general_control)? & NO_REBOOT == bit)
    }

    fn control(&mut self) -> uefi::Result<u32> {
        Ok(self.read(TCO1_CNT)? & !NMI_NOW)
    }

    fn read(&mut self, register: u64) -> uefi::Result<u32> {
        self.board.read(self.port(register))
    }

    fn write(&mut self, register: u64, value: u32) -> uefi::Result {
        self.board.write(self.port(register), value)
    }

    fn port(&self, register: u64) -> Register {
        Register {
            space: Space::Ports,
            address: self.ports.saturating_add(register),
            width: Width::Word,
        }
    }
}

impl Watchdog for Tco {
    fn chip(&self) -> Chip {
        Chip::Tco
    }

    fn arm(&mut self, seconds: u32) -> uefi::Result<u32> {
        let (ticks, seconds) = tco::ticks(seconds);
        let halted = self.control()? | TMR_HLT;
        self.write(TCO1_CNT, halted)?;
        let others = self.read(TCO_TMR)? & !TICKS;
        self.write(TCO_TMR, others | ticks)?;
        let set = self.read(TCO_TMR)? & TICKS == ticks;
        // A first stage that is over already would leave only the second.
        self.write(TCO1_STS, TIMEOUT)?;
        self.pet()?;
        let allowed = self.set_no_reboot(false)?;
        self.write(TCO1_CNT, halted & !TMR_HLT)?;
        self.pet()?;
        let runs = self.control()? & TMR_HLT == 0;
        if set && allowed && runs {
            Ok(seconds)
        } else {
            Err(Status::DEVICE_ERROR.into())
        }
    }

    fn disarm(&mut self) -> uefi::Result {
        let halted = self.control()? | TMR_HLT;
        self.write(TCO1_CNT, halted)?;
        self.set_no_reboot(true).map(drop)
    }

    fn counter(&mut self) -> Option<u32> {
        self.read(TCO_RLD).ok().map(|counter| counter & TICKS)
    }

    /// One that may not reset is not said to run, and one that stands at its end does
    /// not.
    fn runs(&mut self) -> bool {
        let goes = self.control().is_ok_and(|control| control & TMR_HLT == 0);
        let resets = self.board.read(self.general_control);
        goes && resets.is_ok_and(|control| control & NO_REBOOT == 0)
            && self.counter().is_some_and(|counter| counter > 0)
    }

    fn pet(&mut self) -> uefi::Result {
        self.write(TCO_RLD, 1)
    }

    fn last_reset(&mut self) -> Cause {
        match self.read(TCO2_STS) {
            Ok(status) if status & SECOND_TO_STS != 0 => Cause::Watchdog,
            Ok(_) if power_failed() => Cause::PowerOn,
            Ok(_) => Cause::Other,
            Err(_) => Cause::Unknown,
        }
    }

    /// As Linux does it. A one clears.
    fn clear_mark(&mut self) -> uefi::Result {
        self.write(TCO2_STS, SECOND_TO_STS)?;
        self.write(TCO2_STS, BOOT_STS)
    }
}

/// Ports, and the General Control and Status register, where a chipset has it.
fn where_it_is() -> Option<(Option<u64>, Option<u64>)> {
    let mut bridge = bridge()?;
    let config = bridge.pci();
    let base = config.read_one::<u32>(BRIDGE.with_register(ABASE)).ok()?;
    let control = config.read_one::<u8>(BRIDGE.with_register(ACPI_CNTL));
    let memory = config.read_one::<u32>(BRIDGE.with_register(RCBA)).ok()?;
    Some((
        tco::ports(base, control.ok()?),
        tco::general_control(memory),
    ))
}

/// Whether the power was away. Asked once: it is cleared, so that the next start is
/// taken for what that one is. Nobody else clears it; of two bootshims of one start
/// the first is told.
fn power_failed() -> bool {
    let at = BRIDGE.with_register(tco::PMCON_3);
    let Some(mut bridge) = bridge() else {
        return false;
    };
    let config = bridge.pci();
    match config.read_one::<u8>(at) {
        Ok(found) if tco::power_failed(found) => {
            // Where it stays, the next start is taken for a power-on, too.
            let _ = config.write_one(at, tco::power_seen(found));
            true
        }
        _ => false,
    }
}

/// The bus on which the chipset is. There is none elsewhere than on PCs, whose boards
/// do not all bear being asked.
fn bridge() -> Option<ScopedProtocol<PciRootBridgeIo>> {
    if !cfg!(target_arch = "x86_64") {
        return None;
    }
    let handles = boot::find_handles::<PciRootBridgeIo>().ok()?;
    handles.into_iter().find_map(|handle| {
        let mut bridge = open_shared::<PciRootBridgeIo>(handle).ok()?;
        let config = bridge.pci();
        let vendor = config.read_one::<u16>(BRIDGE.with_register(VENDOR)).ok()?;
        let device = config.read_one::<u16>(BRIDGE.with_register(DEVICE)).ok()?;
        tco::is_at(vendor, device).then_some(bridge)
    })
}
