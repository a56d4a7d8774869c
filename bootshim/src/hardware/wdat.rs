//! ACPI's table of a watchdog (WDAT): which registers are to be read and written,
//! and how, for whatever a watchdog has to do.
//!
//! Defined in Microsoft's "Hardware Watchdog Timers Design Specification"
//! (version 1.01), to which ACPI refers; what it leaves open is done as Linux does
//! it (`acpi_watchdog.c`, `wdat_wdt.c`), since that takes over from here. What
//! Linux would not use is refused: nobody would pet it.
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 36 | header of every ACPI table |
//! | 40 | 2 + 1 + 1 + 1 | PCI segment, bus, device, function; 0xff where it is none |
//! | 48 | 4 | one count, in milliseconds |
//! | 52 | 4 + 4 | highest and lowest count |
//! | 60 | 1 | flags; bit 0: enabled |
//! | 64 | 4 | how many entries follow |
//! | 68 | 24 each | action, instruction, 2 unused, register (12), value (4), mask (4) |

use crate::hardware::acpi::{self, Register, Registers, Space, Width};
use crate::reset::Cause;
use alloc::vec::Vec;

/// The table's signature.
pub const SIGNATURE: [u8; 4] = *b"WDAT";
const HEAD_LEN: usize = 68;
const ENTRY_LEN: usize = 24;
/// A watchdog that is no PCI device has this in all four fields.
const NO_PCI_DEVICE: [u8; 5] = [0xff, 0, 0xff, 0xff, 0xff];
const ENABLED: u8 = 1;
/// The ports of the clock and its memory, whose driver Linux gives them to.
const CLOCK_PORTS: core::ops::RangeInclusive<u64> = 0x70..=0x73;
const PORTS: u64 = 0x1_0000;
const PRESERVE: u8 = 0x80;

/// What a watchdog can be told to do, as far as it is done here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start the period anew.
    Reset = 1,
    /// Say what is left of the period.
    GetCountdown = 4,
    /// Set the period.
    SetCountdown = 6,
    /// Say whether it runs.
    GetRunning = 8,
    /// Run.
    SetRunning = 9,
    /// Stop.
    SetStopped = 11,
    /// At the end of the period, reset the machine.
    SetReboot = 17,
    /// Say whether it has reset the machine.
    GetStatus = 32,
    /// Forget it.
    SetStatus = 33,
}

const ACTIONS: [Action; 9] = [
    Action::Reset,
    Action::GetCountdown,
    Action::SetCountdown,
    Action::GetRunning,
    Action::SetRunning,
    Action::SetStopped,
    Action::SetReboot,
    Action::GetStatus,
    Action::SetStatus,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    ReadValue,
    ReadCount,
    WriteValue,
    WriteCount,
}

/// One access to one register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Instruction {
    action: Action,
    kind: Kind,
    /// What is not in the mask stays as it is.
    preserve: bool,
    register: Register,
    shift: u32,
    value: u32,
    mask: u32,
}

impl Instruction {
    fn run<R: Registers>(&self, count: u32, registers: &mut R) -> Result<Option<u32>, R::Error> {
        let value = match self.kind {
            Kind::ReadValue | Kind::ReadCount => {
                let read = (registers.read(self.register)? >> self.shift) & self.mask;
                return Ok(Some(match self.kind {
                    Kind::ReadValue => u32::from(read == self.value),
                    _ => read,
                }));
            }
            Kind::WriteValue => self.value,
            Kind::WriteCount => count,
        };
        let kept = match self.preserve {
            true => registers.read(self.register)? & !(self.mask << self.shift),
            false => 0,
        };
        let value = kept | ((value & self.mask) << self.shift);
        registers.write(self.register, value)?;
        Ok(None)
    }
}

/// A table that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wdat {
    count_milliseconds: u32,
    lowest: u32,
    highest: u32,
    /// The count of the period, which some chips want with each petting. Before one
    /// was set here another program may have armed it: then the longest.
    count: u32,
    instructions: Vec<Instruction>,
}

/// Why a table is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not the table, or its checksum is another.
    #[error("damaged")]
    Damaged,
    /// It has not the length that it says, or not room for its entries.
    #[error("shorter than its entries")]
    Length,
    /// It uses the clock's memory.
    #[error("it uses the clock's memory")]
    UsesClock,
    /// The firmware says that it is switched off.
    #[error("switched off by the firmware")]
    SwitchedOff,
    /// It belongs to a PCI device.
    #[error("it is for a PCI device")]
    PciDevice,
    /// Its counts make no period.
    #[error("its counts make no period")]
    Counts,
    /// This entry is none, counted from 0.
    #[error("entry {0} is none")]
    Entry(usize),
    /// Nothing is said of how to do this.
    #[error("no entry for {0:?}")]
    Missing(Action),
}

impl Refused {
    /// Whether Linux does as if there were no such table, and drives the chip
    /// itself. Beside any other table it makes no device of a TCO.
    pub fn is_ignored_by_linux(self) -> bool {
        self == Refused::UsesClock
    }
}

impl Wdat {
    /// Reads it.
    pub fn parse(bytes: &[u8]) -> Result<Wdat, Refused> {
        let head = bytes.first_chunk::<HEAD_LEN>().ok_or(Refused::Length)?;
        let header = head.first_chunk().ok_or(Refused::Length)?;
        let (signature, length) = acpi::extent(header).ok_or(Refused::Length)?;
        if length != bytes.len() {
            return Err(Refused::Length);
        }
        if signature != SIGNATURE || !acpi::is_whole(bytes) {
            return Err(Refused::Damaged);
        }
        let entries = entries(bytes).ok_or(Refused::Length)?;
        if entries.iter().any(uses_clock) {
            return Err(Refused::UsesClock);
        }
        if at(head, 60).is_none_or(|[flags]| flags & ENABLED == 0) {
            return Err(Refused::SwitchedOff);
        }
        if at(head, 40) != Some(NO_PCI_DEVICE) {
            return Err(Refused::PciDevice);
        }
        let number = |offset| {
            at(head, offset)
                .map(u32::from_le_bytes)
                .ok_or(Refused::Length)
        };
        let (milliseconds, highest, lowest) = (number(48)?, number(52)?, number(56)?);
        Wdat {
            count_milliseconds: milliseconds,
            lowest,
            highest,
            count: highest,
            instructions: instructions(entries)?,
        }
        .checked()
    }

    /// Has the actions without which it is no watchdog, and periods.
    fn checked(mut self) -> Result<Wdat, Refused> {
        for action in [Action::Reset, Action::SetRunning] {
            if !self.has(action) {
                return Err(Refused::Missing(action));
            }
        }
        // A count that the register does not hold would be a shorter one there.
        let holds = self
            .instructions
            .iter()
            .filter_map(Instruction::holds)
            .min();
        self.highest = self
            .highest
            .min(holds.ok_or(Refused::Missing(Action::SetCountdown))?);
        let longest = u64::from(self.highest).saturating_mul(self.count_milliseconds.into());
        if self.lowest > self.highest || longest < 1000 {
            return Err(Refused::Counts);
        }
        self.count = self.highest;
        Ok(self)
    }

    /// Whether the table says how to do this.
    pub fn has(&self, action: Action) -> bool {
        self.instructions.iter().any(|known| known.action == action)
    }

    /// The count for a period of so many seconds, and the seconds of that count:
    /// no fewer than asked for, unless there are no more.
    pub fn count(&self, seconds: u32) -> (u32, u32) {
        let one = u64::from(self.count_milliseconds.max(1));
        let counts = u64::from(seconds).saturating_mul(1000).div_ceil(one);
        let count = u32::try_from(counts).unwrap_or(u32::MAX);
        let count = count.max(self.lowest).min(self.highest);
        let lasts = u64::from(count).saturating_mul(one) / 1000;
        (count, u32::try_from(lasts).unwrap_or(u32::MAX))
    }

    /// From now on the period is that of [`Self::count`]; gives its seconds.
    pub fn set_period(&mut self, seconds: u32) -> u32 {
        let (count, lasts) = self.count(seconds);
        self.count = count;
        lasts
    }

    /// Stops it. Whether it stands still now: one that nobody can stop may not run.
    pub fn stop<R: Registers>(&self, registers: &mut R) -> Result<bool, R::Error> {
        self.run(Action::SetStopped, registers)?;
        Ok(self.has(Action::SetStopped) || self.run(Action::GetRunning, registers)? == Some(0))
    }

    /// Whether it led to this start. Where nobody can clear the mark it says nothing:
    /// every start from the first reset on would be taken for another.
    pub fn last_reset<R: Registers>(&self, registers: &mut R) -> Result<Cause, R::Error> {
        if !self.has(Action::SetStatus) {
            return Ok(Cause::Unknown);
        }
        Ok(match self.run(Action::GetStatus, registers)? {
            Some(0) => Cause::Other,
            Some(_) => Cause::Watchdog,
            None => Cause::Unknown,
        })
    }

    /// Does something, with the count of the period where it has to do with one.
    /// Gives what was read last; of a question with an answer, 1 is yes.
    pub fn run<R: Registers>(
        &self,
        action: Action,
        registers: &mut R,
    ) -> Result<Option<u32>, R::Error> {
        let mut answer = None;
        for instruction in self.instructions.iter().filter(|i| i.action == action) {
            answer = instruction.run(self.count, registers)?.or(answer);
        }
        Ok(answer)
    }
}

impl Instruction {
    /// The highest count that it can write, where it sets the period.
    fn holds(&self) -> Option<u32> {
        let sets = self.action == Action::SetCountdown && self.kind == Kind::WriteCount;
        let room = bits(self.register.width).saturating_sub(self.shift);
        let held = self.mask.trailing_ones().min(room);
        sets.then(|| u32::MAX.checked_shr(u32::BITS - held).unwrap_or(0))
    }
}

/// The entries behind the head, as many as it says.
fn entries(bytes: &[u8]) -> Option<&[[u8; ENTRY_LEN]]> {
    let number = u32::from_le_bytes(at(bytes, 64)?);
    let (entries, _) = bytes.get(HEAD_LEN..)?.as_chunks::<ENTRY_LEN>();
    entries.get(..usize::try_from(number).ok()?)
}

fn uses_clock(entry: &[u8; ENTRY_LEN]) -> bool {
    let address = at(entry, 8).map(u64::from_le_bytes);
    entry.get(4) == Some(&1) && address.is_some_and(|port| CLOCK_PORTS.contains(&port))
}

fn instructions(entries: &[[u8; ENTRY_LEN]]) -> Result<Vec<Instruction>, Refused> {
    let mut instructions = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        // Linux takes nothing of a table with a register elsewhere, and leaves out
        // an action that it does not know.
        let space = space(entry).ok_or(Refused::Entry(number))?;
        let action = ACTIONS
            .into_iter()
            .find(|known| Some(&(*known as u8)) == entry.first());
        if let Some(action) = action {
            let read = instruction(entry, action, space).ok_or(Refused::Entry(number))?;
            instructions.push(read);
        }
    }
    Ok(instructions)
}

fn space(entry: &[u8; ENTRY_LEN]) -> Option<Space> {
    match at(entry, 4)? {
        [0] => Some(Space::Memory),
        [1] => Some(Space::Ports),
        _ => None,
    }
}

fn instruction(entry: &[u8; ENTRY_LEN], action: Action, space: Space) -> Option<Instruction> {
    let [flags] = at(entry, 1)?;
    let kind = match flags & !PRESERVE {
        0 => Kind::ReadValue,
        1 => Kind::ReadCount,
        2 => Kind::WriteValue,
        3 => Kind::WriteCount,
        _ => return None,
    };
    let [shift, width] = at(entry, 6)?;
    let width = match width {
        1 => Width::Byte,
        2 => Width::Word,
        3 => Width::Long,
        _ => return None,
    };
    let address = u64::from_le_bytes(at(entry, 8)?);
    let end = address.checked_add(width.bytes().into())?;
    let reachable = space == Space::Memory || end <= PORTS;
    let shift = u32::from(shift);
    (address != 0 && reachable && shift < bits(width)).then_some(())?;
    Some(Instruction {
        action,
        kind,
        preserve: flags & PRESERVE != 0,
        register: Register {
            space,
            address,
            width,
        },
        shift,
        value: u32::from_le_bytes(at(entry, 16)?),
        mask: u32::from_le_bytes(at(entry, 20)?),
    })
}

fn bits(width: Width) -> u32 {
    u32::from(width.bytes()).saturating_mul(8)
}

fn at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests;
