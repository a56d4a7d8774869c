//! What the program says: one plain line for each decision, to whoever listens.

use crate::hardware::acpi;
use alloc::string::String;
use alloc::vec::Vec;
use bootshim::console;
use bootshim::handover::{LOG_VARIABLE, VARIABLE_VENDOR};
use bootshim::hardware::acpi::{CONSOLE, console_port};
use core::cell::RefCell;
use core::fmt::{self, Write};
use uefi::boot::{self, OpenProtocolAttributes, OpenProtocolParams};
use uefi::proto::ProtocolPointer;
use uefi::proto::console::serial::Serial;
use uefi::proto::device_path::DevicePath;
use uefi::runtime::{self, VariableAttributes, VariableVendor};
use uefi::{CString16, Guid, Handle, Status, cstr16, system, table};

/// The most that the variable for Linux holds; firmware refuses large ones.
const HANDED_OVER_MAX: usize = 4096;

/// Where lines go: the console of the firmware, serial ports that it names as one and
/// does not write to, and later the system that is started.
pub struct Console {
    serial: Vec<Handle>,
    said: RefCell<String>,
}

/// Says one line.
macro_rules! say {
    ($console:expr, $($words:tt)*) => {
        $console.say(format_args!($($words)*))
    };
}
pub(crate) use say;

impl Console {
    /// Finds out who listens.
    pub fn open() -> Console {
        let serial = serial_consoles();
        Console {
            serial,
            said: RefCell::default(),
        }
    }

    /// The same, for one who goes on where another one left what it said.
    pub fn go_on() -> Console {
        let console = Console::open();
        console.take_over();
        console
    }

    /// What was said from here on is what the one who was started has handed over:
    /// all of ours, and then its own.
    pub fn take_over(&self) {
        if let Ok(name) = CString16::try_from(LOG_VARIABLE)
            && let Ok((text, _)) = runtime::get_variable_boxed(&name, &vendor())
        {
            *self.said.borrow_mut() = String::from_utf8_lossy(&text).into_owned();
        }
    }

    /// The last line that was said.
    pub fn last_line(&self) -> String {
        let said = self.said.borrow();
        said.lines().next_back().unwrap_or_default().into()
    }

    /// Says one line, and keeps it.
    pub fn say(&self, words: fmt::Arguments<'_>) {
        let mut line = String::new();
        // Writing into a string does not fail.
        let _ = line.write_fmt(words);
        let mut line = plain(&line);
        line.push_str("\r\n");
        write_console(format_args!("{line}"));
        for handle in &self.serial {
            if let Ok(mut port) = open_shared::<Serial>(*handle) {
                // Nobody is left to tell that a line was lost.
                let _ = port.write(line.as_bytes());
            }
        }
        let mut said = self.said.borrow_mut();
        said.push_str(line.trim_end());
        said.push('\n');
    }

    /// Leaves what was said for the system that is started, in a volatile
    /// variable.
    pub fn leave_log(&self) {
        let said = self.said.borrow();
        let text = newest_lines(&said, HANDED_OVER_MAX);
        let Ok(name) = CString16::try_from(LOG_VARIABLE) else {
            return;
        };
        let attributes =
            VariableAttributes::BOOTSERVICE_ACCESS | VariableAttributes::RUNTIME_ACCESS;
        let left = runtime::set_variable(&name, &vendor(), attributes, text.as_bytes());
        drop(said);
        if let Err(error) = left {
            say!(self, "this log is not handed over: {:?}", error.status());
        }
    }
}

fn vendor() -> VariableVendor {
    VariableVendor(Guid::from_bytes(VARIABLE_VENDOR.0))
}

/// Writes to the firmware's console, where there is one.
pub fn write_console(words: fmt::Arguments<'_>) {
    let there = table::system_table_raw()
        // SAFETY: the firmware's table stays where it is while the program runs.
        .is_some_and(|table| unsafe { !table.as_ref().stdout.is_null() });
    if there {
        // A console that fails leaves the other listeners.
        let _ = system::with_stdout(|console| console.write_fmt(words));
    }
}

/// Opens a protocol beside the drivers that use it; an exclusive open would
/// take it from them.
pub fn open_shared<P: ProtocolPointer + ?Sized>(
    handle: Handle,
) -> Result<boot::ScopedProtocol<P>, Status> {
    let params = OpenProtocolParams {
        handle,
        agent: boot::image_handle(),
        controller: None,
    };
    // SAFETY: one thread, and no device is removed by anything called from here.
    unsafe { boot::open_protocol(params, OpenProtocolAttributes::GetProtocol) }
        .map_err(|error| error.status())
}

/// The serial ports that the firmware names as consoles and does not write to itself:
/// what is written there must not be written twice.
fn serial_consoles() -> Vec<Handle> {
    let variable = |name| {
        let found = runtime::get_variable_boxed(name, &VariableVendor::GLOBAL_VARIABLE);
        found.map(|(raw, _)| raw).unwrap_or_default()
    };
    if console::has_serial(&variable(cstr16!("ConOut"))) {
        return Vec::new();
    }
    let mut ports = boot::find_handles::<Serial>().unwrap_or_default();
    if ports.is_empty() {
        return ports;
    }
    let named = variable(cstr16!("ConOutDev"));
    let address = acpi::table(CONSOLE).and_then(|table| console_port(&table));
    ports.retain(|port| {
        open_shared::<DevicePath>(*port).is_ok_and(|path| {
            let path = path.as_bytes();
            let here = address.is_some_and(|address| console::is_at(path, address));
            here || console::names(&named, path)
        })
    });
    ports
}

/// Printable ASCII, which every console shows.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if matches!(c, ' '..='~') { c } else { '?' })
        .collect()
}

/// As many whole lines from the end of `text` as fit into `max` bytes.
fn newest_lines(text: &str, max: usize) -> &str {
    let Some(surplus) = text.len().checked_sub(max).filter(|surplus| *surplus > 0) else {
        return text;
    };
    let from = text.ceil_char_boundary(surplus);
    let rest = text.get(from..).unwrap_or_default();
    rest.split_once('\n').map_or("", |(_, lines)| lines)
}
