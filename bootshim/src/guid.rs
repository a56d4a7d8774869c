//! GUIDs as they lie on disk.

use core::fmt;
use core::str::FromStr;

/// A GUID in the byte order of the disk: the first three fields little-endian
/// (UEFI specification, appendix A).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Guid(pub [u8; 16]);

/// Where the bytes of the written form lie on disk.
const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

impl Guid {
    /// The GUID of nothing; as a partition type it means an unused entry.
    pub const ZERO: Guid = Guid([0; 16]);

    /// A GUID from the bytes in the order in which it is written down.
    pub const fn from_written(w: [u8; 16]) -> Guid {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = w;
        Guid([d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p])
    }

    /// The bytes in the order in which a GUID is written down.
    pub fn written(&self) -> [u8; 16] {
        Guid::from_written(self.0).0
    }
}

impl fmt::Display for Guid {
    /// Lower case, as `/dev/disk/by-partuuid` and `root=PARTUUID=` want it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, at) in ORDER.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{:02x}", self.0.get(*at).copied().unwrap_or(0))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a GUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAGuid;

impl FromStr for Guid {
    type Err = NotAGuid;

    fn from_str(text: &str) -> Result<Guid, NotAGuid> {
        let mut written = [0u8; 16];
        let groups = [8, 4, 4, 4, 12];
        let mut parts = text.split('-');
        let mut digits = [0u8; 32];
        let mut filled = digits.iter_mut();
        for length in groups {
            let part = parts.next().filter(|p| p.len() == length).ok_or(NotAGuid)?;
            for byte in part.bytes() {
                let digit = char::from(byte).to_digit(16).ok_or(NotAGuid)?;
                *filled.next().ok_or(NotAGuid)? = u8::try_from(digit).map_err(|_| NotAGuid)?;
            }
        }
        if parts.next().is_some() {
            return Err(NotAGuid);
        }
        for (byte, pair) in written.iter_mut().zip(digits.chunks_exact(2)) {
            if let [high, low] = pair {
                *byte = high << 4 | low;
            }
        }
        Ok(Guid::from_written(written))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn the_type_of_the_esp_is_written_and_read_as_the_specification_has_it() {
        let text = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
        let guid: Guid = text.parse().unwrap();
        assert_eq!(
            guid.0,
            [
                0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e,
                0xc9, 0x3b
            ]
        );
        assert_eq!(guid.to_string(), text);
        assert_eq!(alloc::format!("{guid:?}"), text);
        assert_eq!(Guid::from_written(guid.written()), guid);
    }

    #[test]
    fn what_is_not_a_guid_is_refused() {
        for text in [
            "",
            "c12a7328",
            "c12a7328-f81f-11d2-ba4b-00a0c93ec93",
            "g12a7328-f81f-11d2-ba4b-00a0c93ec93b",
            "c12a7328-f81f-11d2-ba4b-00a0c93ec93b-",
        ] {
            assert_eq!(text.parse::<Guid>(), Err(NotAGuid), "{text}");
        }
    }
}
