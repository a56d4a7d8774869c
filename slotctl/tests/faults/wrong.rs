//! What a device can do wrong.

use bootshim::medium::Access;
use nix::errno::Errno;
use std::fmt;

/// One thing that a device does wrong, once unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It says no; unflushed writes are lost where that was a flush, as Linux
    /// has it.
    Fails(Errno),
    /// This place says no from now on.
    Dies,
    /// Only the first half is done.
    Short,
    /// It is gone, with all that was not flushed, and stays so.
    Vanishes,
    /// One bit comes back changed, in the byte at this place or the last one.
    Differs(usize),
    /// It says that it wrote, and did not.
    Loses,
    /// It writes with one bit changed.
    Alters,
}

impl Wrong {
    /// Everything that can go wrong with an access of this kind.
    pub fn with(access: Access) -> &'static [Wrong] {
        use Wrong::{Alters, Dies, Differs, Fails, Loses, Short, Vanishes};
        match access {
            Access::Read => &[
                Fails(Errno::EIO),
                Dies,
                Short,
                Vanishes,
                Differs(0),
                Differs(200),
                Differs(usize::MAX),
            ],
            Access::Write => &[
                Fails(Errno::EIO),
                Fails(Errno::ENOSPC),
                Dies,
                Short,
                Vanishes,
                Loses,
                Alters,
            ],
            Access::Flush => &[Fails(Errno::EIO), Fails(Errno::ENOSPC), Vanishes],
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Fails(errno) => write!(f, "{errno:?}"),
            Wrong::Dies => f.write_str("place dead"),
            Wrong::Short => f.write_str("cut short"),
            Wrong::Vanishes => f.write_str("device gone"),
            Wrong::Differs(_) => f.write_str("read differs"),
            Wrong::Loses => f.write_str("write lost"),
            Wrong::Alters => f.write_str("write altered"),
        }
    }
}
