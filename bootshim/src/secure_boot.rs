//! Whether the firmware checks what it starts, as it says itself.
//!
//! Nothing depends on the answer: what a slot holds is verified by our own keys
//! in any case, and a kernel goes through the firmware's `LoadImage` in any case.

use core::fmt;

/// What the firmware says of Secure Boot (UEFI specification, 3.3: the global
/// variables `SecureBoot` and `SetupMode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecureBoot {
    /// It starts only what a key in its `db` signed.
    On,
    /// It has keys, and was told not to use them.
    SwitchedOff,
    /// It has no platform key: whoever comes first may put one in.
    SetupMode,
    /// It has no such variable.
    Missing,
    /// It says something that the specification does not know.
    Unknown,
}

impl SecureBoot {
    /// What the content of the two variables means; `None` is one that is not
    /// there.
    pub fn of(secure_boot: Option<&[u8]>, setup_mode: Option<&[u8]>) -> SecureBoot {
        match (secure_boot, setup_mode) {
            (None, _) => SecureBoot::Missing,
            // No firmware may say 1 in setup mode: then nothing is sure.
            (Some([1]), None | Some([0])) => SecureBoot::On,
            (Some([0]), Some([1])) => SecureBoot::SetupMode,
            (Some([0]), None | Some([0])) => SecureBoot::SwitchedOff,
            _ => SecureBoot::Unknown,
        }
    }
}

impl fmt::Display for SecureBoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SecureBoot::On => "Secure Boot: on",
            SecureBoot::SwitchedOff => "Secure Boot: off, switched off in the firmware's settings",
            SecureBoot::SetupMode => "Secure Boot: off, no platform key is enrolled (setup mode)",
            SecureBoot::Missing => "Secure Boot: off, this firmware has none",
            SecureBoot::Unknown => "Secure Boot: unknown, the firmware contradicts itself",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_is_said_only_where_the_firmware_leaves_no_doubt() {
        let (no, yes): (Option<&[u8]>, Option<&[u8]>) = (Some(&[0]), Some(&[1]));
        let odd: [Option<&[u8]>; 3] = [Some(&[]), Some(&[2]), Some(&[1, 0])];
        assert_eq!(SecureBoot::of(yes, no), SecureBoot::On);
        assert_eq!(SecureBoot::of(yes, None), SecureBoot::On);
        assert_eq!(SecureBoot::of(no, yes), SecureBoot::SetupMode);
        assert_eq!(SecureBoot::of(no, no), SecureBoot::SwitchedOff);
        assert_eq!(SecureBoot::of(no, None), SecureBoot::SwitchedOff);
        assert_eq!(SecureBoot::of(None, yes), SecureBoot::Missing);
        assert_eq!(SecureBoot::of(yes, yes), SecureBoot::Unknown);
        for odd in odd {
            assert_eq!(SecureBoot::of(odd, no), SecureBoot::Unknown);
            assert_eq!(SecureBoot::of(yes, odd), SecureBoot::Unknown);
        }
    }
}
