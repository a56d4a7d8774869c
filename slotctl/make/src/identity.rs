//! The GUIDs and serial numbers of a new disk: all come from one seed, so that the same
//! seed gives the same bytes.

use bootshim::guid::Guid;

const CONTEXT: &str = "slotctl disk create, numbers of a disk, version 1";

/// A seed, and what is derived from it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity(pub(super) Guid);

impl Identity {
    /// The GUID of the disk.
    pub(super) fn disk(&self) -> Guid {
        self.guid("disk")
    }

    /// The unique GUID of the partition with this name.
    pub(super) fn partition(&self, name: &str) -> Guid {
        self.guid(&format!("partition {name}"))
    }

    /// The number of the ESP's filesystem.
    pub(super) fn volume_id(&self) -> u32 {
        u32::from_le_bytes(self.bytes("volume"))
    }

    /// Version 8, "custom", of RFC 9562.
    fn guid(&self, label: &str) -> Guid {
        let number = u128::from_be_bytes(self.bytes(label));
        let version = number & !(0xf << 76) | 0x8 << 76;
        let variant = version & !(0x3 << 62) | 0x2 << 62;
        Guid::from_written(variant.to_be_bytes())
    }

    fn bytes<const N: usize>(&self, label: &str) -> [u8; N] {
        let mut bytes = [0; N];
        blake3::Hasher::new_derive_key(CONTEXT)
            .update(&self.0.written())
            .update(label.as_bytes())
            .finalize_xof()
            .fill(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_gives_the_same_numbers_and_another_seed_others() {
        let seed: Guid = "00112233-4455-6677-8899-aabbccddeeff".parse().unwrap();
        let one = Identity(seed);
        assert_eq!(one.disk().to_string(), Identity(seed).disk().to_string());
        let all = [
            one.disk(),
            one.partition("slot-a"),
            one.partition("slot-b"),
            Identity(Guid::ZERO).disk(),
        ];
        for (i, guid) in all.iter().enumerate() {
            let text = guid.to_string();
            assert_eq!(&text[14..15], "8", "{text}");
            assert!("89ab".contains(&text[19..20]), "{text}");
            assert!(!all[..i].contains(guid));
        }
    }
}
