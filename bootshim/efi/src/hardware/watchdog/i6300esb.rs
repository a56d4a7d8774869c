//! The watchdog of Intel's 6300ESB.
//!
//! Registers as in Intel's datasheet 300641 and in Linux' `i6300esb.c`. A
//! counter of 20 bits, ticking at about 1 kHz, runs down twice: a first time to
//! a warning that is switched off here, a second time to the reset.

use super::Watchdog;
use crate::console::open_shared;
use bootshim::hardware::pci;
use bootshim::hardware::watchdog::Chip;
use bootshim::reset::Cause;
use uefi::Status;
use uefi::boot::{self, ScopedProtocol};
use uefi::proto::pci::PciIoAddress;
use uefi::proto::pci::root_bridge::PciRootBridgeIo;

/// Device and vendor.
const ID: u32 = 0x25ab_8086;

/// The host bridge behind which it is looked for, where not every one bears that: the
/// chip is there only where QEMU makes it up.
const BRIDGE: Option<u32> = if cfg!(target_arch = "x86_64") {
    None
} else {
    Some(pci::QEMU_BRIDGE)
};

const COMMAND: u8 = 0x04;
const COMMAND_MEMORY: u16 = 1 << 1;
const BASE: u8 = 0x10;

/// 16 bits; other widths are ignored by the chip.
const CONFIG: u8 = 0x60;
/// Reset on, 1 kHz, no interrupt at the first stage.
const CONFIG_RESET_ONLY: u16 = 0x0003;
/// 8 bits; other widths are ignored by the chip.
const LOCK: u8 = 0x68;
const LOCK_LOCKED: u8 = 0x01;
const LOCK_ENABLED: u8 = 0x02;

const TIMER_1: u64 = 0x00;
const TIMER_2: u64 = 0x04;
const RELOAD: u64 = 0x0c;
const RELOAD_NOW: u16 = 0x0100;
/// Set when it reset the machine; outlives the reset, not the power; a one clears it.
const RELOAD_TIMED_OUT: u16 = 0x0200;
/// Both have to be written before each write of a register.
const UNLOCK: [u16; 2] = [0x80, 0x86];

/// The longest period, in seconds.
const LONGEST: u32 = 2046;

/// The chip.
pub struct I6300esb {
    bridge: ScopedProtocol<PciRootBridgeIo>,
    at: PciIoAddress,
    registers: u64,
}

impl I6300esb {
    /// Looks for the chip where chipsets have it: on bus 0.
    pub fn find() -> Option<I6300esb> {
        let handles = boot::find_handles::<PciRootBridgeIo>().ok()?;
        handles.into_iter().find_map(|handle| {
            let mut bridge = open_shared::<PciRootBridgeIo>(handle).ok()?;
            let (device, function) = pci::find(ID, BRIDGE, |device, function, register| {
                let at = PciIoAddress::new(0, device, function).with_register(register);
                bridge.pci().read_one::<u32>(at).ok()
            })?;
            let at = PciIoAddress::new(0, device, function);
            let registers = base(&mut bridge, at)?;
            Some(I6300esb {
                bridge,
                at,
                registers,
            })
        })
    }

    fn unlock(&mut self) -> uefi::Result {
        UNLOCK.into_iter().try_for_each(|word| self.reload(word))
    }

    fn reload(&mut self, word: u16) -> uefi::Result {
        let register = self.registers.saturating_add(RELOAD);
        self.bridge.memory().write_one(register, word)
    }
}

impl Watchdog for I6300esb {
    fn chip(&self) -> Chip {
        Chip::I6300esb
    }

    /// Locked, so that only a reset disarms it.
    fn arm(&mut self, seconds: u32) -> uefi::Result<u32> {
        let seconds = seconds.clamp(1, LONGEST);
        // Each of the two stages lasts half of it: 2^9 ticks for each second.
        let ticks = seconds << 9;
        self.bridge
            .pci()
            .write_one(self.at.with_register(CONFIG), CONFIG_RESET_ONLY)?;
        for timer in [TIMER_1, TIMER_2] {
            self.unlock()?;
            self.bridge
                .memory()
                .write_one(self.registers.saturating_add(timer), ticks)?;
        }
        self.pet()?;
        self.bridge
            .pci()
            .write_one(self.at.with_register(LOCK), LOCK_ENABLED | LOCK_LOCKED)?;
        Ok(seconds)
    }

    /// One that was armed is locked.
    fn disarm(&mut self) -> uefi::Result {
        let lock = self.at.with_register(LOCK);
        if self.bridge.pci().read_one::<u8>(lock)? & LOCK_ENABLED == 0 {
            Ok(())
        } else {
            Err(Status::UNSUPPORTED.into())
        }
    }

    /// Its counter cannot be read.
    fn counter(&mut self) -> Option<u32> {
        None
    }

    fn runs(&mut self) -> bool {
        let lock = self
            .bridge
            .pci()
            .read_one::<u8>(self.at.with_register(LOCK));
        lock.is_ok_and(|lock| lock & LOCK_ENABLED != 0)
    }

    /// The mark of an earlier reset stays.
    fn pet(&mut self) -> uefi::Result {
        self.unlock()?;
        self.reload(RELOAD_NOW)
    }

    fn last_reset(&mut self) -> Cause {
        let register = self.registers.saturating_add(RELOAD);
        match self.bridge.memory().read_one::<u16>(register) {
            Ok(word) if word & RELOAD_TIMED_OUT != 0 => Cause::Watchdog,
            Ok(_) => Cause::Other,
            Err(_) => Cause::Unknown,
        }
    }

    fn clear_mark(&mut self) -> uefi::Result {
        self.unlock()?;
        self.reload(RELOAD_TIMED_OUT)
    }
}

/// Where its registers lie, made visible there.
fn base(bridge: &mut PciRootBridgeIo, at: PciIoAddress) -> Option<u64> {
    let config = bridge.pci();
    let registers = config.read_one::<u32>(at.with_register(BASE)).ok()? & !0xf;
    let command = at.with_register(COMMAND);
    let enabled = config.read_one::<u16>(command).ok()? | COMMAND_MEMORY;
    config.write_one(command, enabled).ok()?;
    (registers != 0).then_some(u64::from(registers))
}
