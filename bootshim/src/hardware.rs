//! The hardware's tables: what of a machine's firmware and chipset is known by number,
//! as their specifications say it and as Linux reads it.
//!
//! | module | holds |
//! |---|---|
//! | [`acpi`] | how the firmware's tables are found, and what a register is |
//! | [`pci`] | where a device is on a bus that does not bear every question |
//! | [`wdat`] | the firmware's table of how its watchdog is used |
//! | [`tco`] | the watchdog in Intel's chipsets: which ones, and its numbers |
//! | [`watchdog`] | which watchdogs can be armed, and what the started system is told of it |

pub mod acpi;
pub mod pci;
pub mod tco;
pub mod watchdog;
pub mod wdat;
