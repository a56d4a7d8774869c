//! The machine's own tables and chips, read and written where they are
//! ([`bootshim::hardware`]).

pub mod acpi;
pub mod watchdog;
