//! The device mapper, by its control device alone: no libdevmapper, no udev
//! (Linux, `include/uapi/linux/dm-ioctl.h`).

#![allow(unsafe_code)]

use crate::code::Code;
use crate::error::{Error, Result};
use nix::errno::Errno;
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;

const CONTROL: &str = "/dev/mapper/control";

/// Length of `struct dm_ioctl`; what belongs to a call lies behind it.
const HEADER: usize = 312;
/// Room for the header and a table of one line, or what is said of it.
const SIZE: usize = 4096;
/// Length of `struct dm_target_spec`, which the line of a table begins with.
const TARGET: usize = 40;
/// The longest name of a device or a target, with the zero behind it.
const NAME: usize = 128;

/// `DM_READONLY_FLAG`.
const READ_ONLY: u32 = 1;
/// `DM_DEFERRED_REMOVE`: it goes when nobody has it open any more, as udev may.
const WHEN_CLOSED: u32 = 1 << 17;
/// `DM_STATUS_TABLE_FLAG` is not set: what is asked for is the state.
const NO_FLAGS: u32 = 0;

/// `struct dm_ioctl` and what lies behind it, at the alignment of its widest
/// field.
#[repr(C, align(8))]
struct Message([u8; SIZE]);

mod ioctl {
    use super::{HEADER, Message};
    use nix::{ioctl_readwrite_bad, request_code_readwrite};
    const GROUP: u8 = 0xfd;
    ioctl_readwrite_bad!(
        /// `DM_DEV_CREATE`
        create,
        request_code_readwrite!(GROUP, 3, HEADER),
        Message
    );
    ioctl_readwrite_bad!(
        /// `DM_DEV_REMOVE`
        remove,
        request_code_readwrite!(GROUP, 4, HEADER),
        Message
    );
    ioctl_readwrite_bad!(
        /// `DM_DEV_SUSPEND`, which resumes where its flag is not set
        resume,
        request_code_readwrite!(GROUP, 6, HEADER),
        Message
    );
    ioctl_readwrite_bad!(
        /// `DM_TABLE_LOAD`
        load,
        request_code_readwrite!(GROUP, 9, HEADER),
        Message
    );
    ioctl_readwrite_bad!(
        /// `DM_TABLE_STATUS`
        status,
        request_code_readwrite!(GROUP, 12, HEADER),
        Message
    );
}

/// One call.
#[derive(Clone, Copy, Debug)]
enum Call {
    Create,
    Remove,
    Resume,
    Load,
    Status,
}

/// A device that is one target from its first sector to its last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its length, in sectors of 512 bytes.
    pub sectors: u64,
    /// What it does: the name of a target.
    pub target: &'static str,
    /// The words of that target.
    pub parameters: String,
}

/// The device mapper.
#[derive(Debug)]
pub struct DeviceMapper {
    control: File,
}

impl DeviceMapper {
    /// Opens its control device.
    pub fn open() -> Result<DeviceMapper> {
        let control = OpenOptions::new().read(true).write(true).open(CONTROL);
        let control = control.map_err(|error| {
            Error::io(format_args!("opening {CONTROL}"), &error)
                .advice("the kernel needs the modules dm-mod and dm-verity")
        })?;
        Ok(DeviceMapper { control })
    }

    /// Makes a read-only device, in the place of one of that name that nobody
    /// uses; its minor number.
    pub fn make(&self, name: &str, table: &Table) -> Result<u64> {
        let failed = |errno| failed(name, "making the device", errno);
        let mut created = Message::new(name, NO_FLAGS);
        let first = self.call(Call::Create, &mut created);
        if first == Err(Errno::EBUSY) {
            self.call(Call::Remove, &mut Message::new(name, NO_FLAGS))
                .map_err(failed)?;
            created = Message::new(name, NO_FLAGS);
            self.call(Call::Create, &mut created).map_err(failed)?;
        } else {
            first.map_err(failed)?;
        }
        if let Err(error) = self.load(name, table) {
            // Without a table it is of no use to anybody.
            let _ = self.call(Call::Remove, &mut Message::new(name, NO_FLAGS));
            return Err(error);
        }
        Ok(nix::sys::stat::minor(created.device()))
    }

    /// Gives a device a table, from the next read on.
    pub fn load(&self, name: &str, table: &Table) -> Result<()> {
        let mut message = Message::new(name, READ_ONLY);
        message.put_table(table)?;
        self.call(Call::Load, &mut message)
            .and_then(|()| self.call(Call::Resume, &mut Message::new(name, NO_FLAGS)))
            .map_err(|errno| failed(name, "loading the table of", errno))
    }

    /// Removes a device as soon as nobody has it open.
    pub fn remove_later(&self, name: &str) -> Result<()> {
        self.call(Call::Remove, &mut Message::new(name, WHEN_CLOSED))
            .map_err(|errno| failed(name, "removing", errno))
    }

    /// What the target says of itself.
    pub fn status(&self, name: &str) -> Result<String> {
        let mut message = Message::new(name, NO_FLAGS);
        self.call(Call::Status, &mut message)
            .map_err(|errno| failed(name, "asking", errno))?;
        Ok(message.words())
    }

    fn call(&self, call: Call, message: &mut Message) -> Result<(), Errno> {
        let control = self.control.as_raw_fd();
        let message = std::ptr::from_mut(message);
        // SAFETY: the descriptor is open. The kernel reads and writes at most
        // `data_size` bytes from the pointer on; that field is `SIZE`, the length of
        // what it points to, which is ours alone for as long as the call lasts.
        let done = unsafe {
            match call {
                Call::Create => ioctl::create(control, message),
                Call::Remove => ioctl::remove(control, message),
                Call::Resume => ioctl::resume(control, message),
                Call::Load => ioctl::load(control, message),
                Call::Status => ioctl::status(control, message),
            }
        };
        done.map(drop)
    }
}

impl Message {
    /// A call about the device `name`: version 4.0.0 of the interface, which every
    /// kernel since 2.6 takes.
    fn new(name: &str, flags: u32) -> Message {
        let mut message = Message([0; SIZE]);
        message.put_u32(0, 4);
        message.put_u32(12, u32::try_from(SIZE).unwrap_or(0));
        message.put_u32(16, u32::try_from(HEADER).unwrap_or(0));
        message.put_u32(28, flags);
        message.put(
            48,
            name.as_bytes().get(..NAME - 1).unwrap_or(name.as_bytes()),
        );
        message
    }

    /// Puts a table of one line behind the header.
    fn put_table(&mut self, table: &Table) -> Result<()> {
        let words = table.parameters.as_bytes();
        // Ends in a zero; the next line would begin at a multiple of 8.
        let length = TARGET.saturating_add(words.len()).saturating_add(1);
        let length = length.next_multiple_of(8);
        if HEADER.saturating_add(length) > SIZE || table.target.len() >= 16 {
            let found = format!("a table of {} bytes for the device mapper", words.len());
            return Err(Error::new(Code::Internal, found));
        }
        self.put_u32(20, 1);
        self.put(HEADER + 8, &table.sectors.to_ne_bytes());
        self.put_u32(HEADER + 20, u32::try_from(length).unwrap_or(0));
        self.put(HEADER + 24, table.target.as_bytes());
        self.put(HEADER + TARGET, words);
        Ok(())
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.0.get_mut(at..at.saturating_add(bytes.len())) {
            place.copy_from_slice(bytes);
        }
    }

    fn put_u32(&mut self, at: usize, number: u32) {
        self.put(at, &number.to_ne_bytes());
    }

    /// The number of the device.
    fn device(&self) -> u64 {
        let bytes = self.0.get(40..48).and_then(|bytes| bytes.try_into().ok());
        u64::from_ne_bytes(bytes.unwrap_or_default())
    }

    /// The words behind the target that the kernel answered with.
    fn words(&self) -> String {
        let words = self.0.get(HEADER + TARGET..).unwrap_or_default();
        let end = words.iter().position(|byte| *byte == 0).unwrap_or(0);
        String::from_utf8_lossy(words.get(..end).unwrap_or_default()).into_owned()
    }
}

fn failed(name: &str, doing: &str, errno: Errno) -> Error {
    Error::io(
        format_args!("{doing} /dev/mapper/{name}"),
        &std::io::Error::from(errno),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Exit;

    #[test]
    fn a_call_lies_where_the_kernel_looks_for_it() {
        let mut message = Message::new("slotctl-root", READ_ONLY);
        let table = Table {
            sectors: 16,
            target: "verity",
            parameters: "1 /dev/vda3".into(),
        };
        message.put_table(&table).unwrap();
        let bytes = &message.0;
        assert_eq!(bytes[..4], [4, 0, 0, 0]);
        assert_eq!(bytes[12..16], 4096_u32.to_ne_bytes());
        assert_eq!(bytes[16..20], 312_u32.to_ne_bytes());
        assert_eq!((bytes[20], bytes[28]), (1, 1));
        assert_eq!(bytes[48..61], *b"slotctl-root\0");
        assert_eq!(bytes[HEADER + 8..HEADER + 16], 16_u64.to_ne_bytes());
        assert_eq!(bytes[HEADER + 20], 56, "40, 11, a zero, up to 8");
        assert_eq!(bytes[HEADER + 24..HEADER + 31], *b"verity\0");
        assert_eq!(bytes[HEADER + 40..HEADER + 52], *b"1 /dev/vda3\0");
    }

    #[test]
    fn a_table_that_has_no_room_is_refused() {
        let table = Table {
            sectors: 16,
            target: "verity",
            parameters: "x".repeat(SIZE),
        };
        let refused = Message::new("x", NO_FLAGS).put_table(&table);
        assert_eq!(refused.unwrap_err().exit(), Exit::Unexpected);
    }

    #[test]
    fn an_answer_without_an_end_says_nothing() {
        let mut message = Message([b'x'; SIZE]);
        assert_eq!(message.words(), "");
        message.0[HEADER + TARGET + 1] = 0;
        assert_eq!(message.words(), "x");
    }
}
