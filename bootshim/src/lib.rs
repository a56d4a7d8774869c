//! What boots: the boot record, the decision which slot starts next, and the
//! strict reader of the disk they live on.
//!
//! This code runs in three places and is the same in all of them: in the UEFI
//! program before the kernel, in `slotctl` on the controller, and in the
//! power-cut simulator. It does no I/O of its own; every byte goes through
//! [`medium::Medium`].
//!
//! | module | holds |
//! |---|---|
//! | [`medium`] | the one small trait through which a disk is touched |
//! | [`blocks`] | how a disk is read by a firmware's driver, whatever that is like |
//! | [`flush`] | by which command a drive writes down what it holds |
//! | [`buffer`] | memory that a disk is read into without a copy |
//! | [`memory`] | whether the machine has the memory that a start needs |
//! | [`gpt`] | the strict reader of the partition table |
//! | [`layout`] | which partitions are ours: boot record, slots, ESP, data |
//! | [`record`] | the boot record: fields and bytes |
//! | [`copies`] | its four copies: reading them, and the durable commit |
//! | [`secure_boot`] | what the firmware says of Secure Boot, in words |
//! | [`state`] | the states of a slot and every allowed transition |
//! | [`choice`] | which slot starts next, in which order |
//! | [`slot`] | a slot on disk: manifest and boot payloads, verified |
//! | [`floor`] | what may not boot any more, and whose word on it counts |
//! | [`reset`] | what a reset by the watchdog means for a good slot |
//! | [`remains`] | what memory still holds of the start before |
//! | [`boot`] | one start from record to kernel: read, choose, commit, verify, start |
//! | [`handover`] | what the started system is told |
//! | [`chainload`] | how one bootshim hands a start over to another, which an image brings |
//! | [`hardware`] | the tables of firmware and chipset, and the watchdogs in them |
//! | [`console`] | which serial ports are consoles |
//! | [`restart`] | how a machine is restarted whose firmware may not do it |
//! | [`trust`] | the keys that the program trusts, as a section of it |

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate self as bootshim;
#[cfg(test)]
extern crate std;

pub mod blocks;
pub mod boot;
pub mod buffer;
pub mod chainload;
pub mod choice;
pub mod console;
pub mod copies;
/// The fake disk, compiled for the unit tests with the traits of this crate: a
/// dev-dependency on it would have those of another build.
#[cfg(test)]
#[path = "../../hw-tests/fakedisk/src/disk.rs"]
pub mod fake;
pub mod floor;
pub mod flush;
pub mod gpt;
pub mod guid;
pub mod handover;
pub mod hardware;
pub mod layout;
pub mod medium;
pub mod memory;
pub mod record;
pub mod remains;
pub mod reset;
pub mod restart;
pub mod secure_boot;
pub mod slot;
pub mod state;
pub mod trust;
