//! The signatures of an image, up to 32 of Ed25519 in an area of fixed length, and
//! whether enough of them are good.

use alloc::vec::Vec;

use crate::bytes::Cursor;
use crate::key::{KeyId, PublicKey};
use crate::refused::Unproven;
use crate::{Digest, Malformed, Part, Refused};

/// The length of the signature area, in bytes, in a file and in a slot.
pub const SIGNATURES_LEN: usize = 4096;

/// The most signatures that an image carries.
pub const SIGNATURES_MAX: usize = 32;

/// Length of the message that is signed, in bytes.
pub const TBS_LEN: usize = 80;

/// What the signed message begins with, so that a signature made for anything
/// else with the same key never counts for an image.
const DOMAIN: [u8; 16] = *b"slotctl-image-1\0";

/// Bytes between the count and the first signature, zero.
const RESERVED: usize = 12;

/// The exact bytes to be signed with plain Ed25519.
#[must_use]
pub fn tbs(manifest: &Digest, table: &Digest) -> [u8; TBS_LEN] {
    let mut message = [0; TBS_LEN];
    let parts = DOMAIN.iter().chain(manifest).chain(table);
    for (to, from) in message.iter_mut().zip(parts) {
        *to = *from;
    }
    message
}

/// One signature and who made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// Whose it claims to be.
    pub key: KeyId,
    /// Plain Ed25519 over [`tbs`].
    pub bytes: [u8; 64],
}

/// The signatures of an image, ordered by key id, no key twice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SignatureArea {
    signatures: Vec<Signature>,
}

impl SignatureArea {
    /// Reads an area of [`SIGNATURES_LEN`] bytes.
    ///
    /// # Errors
    /// [`Refused::Malformed`] if there are too many, not in order, a key
    /// twice, or unused bytes that are not zero.
    pub fn parse(area: &[u8]) -> Result<Self, Refused> {
        Self::read(area).map_err(|malformed| malformed.of(Part::Signatures))
    }

    fn read(area: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(area);
        if area.len() != SIGNATURES_LEN {
            return Err(cursor.malformed("not 4096 bytes"));
        }
        let too_many = cursor.malformed("more than 32 signatures");
        let count = cursor.u32("count")?;
        cursor.zeros("unused bytes are not zero", RESERVED)?;
        let count = usize::try_from(count).map_err(|_| too_many)?;
        if count > SIGNATURES_MAX {
            return Err(too_many);
        }
        let mut signatures: Vec<Signature> = Vec::with_capacity(count);
        for _ in 0..count {
            let disorder = cursor.malformed("key ids do not ascend");
            let key = KeyId(cursor.array("key id")?);
            if signatures.last().is_some_and(|before| before.key >= key) {
                return Err(disorder);
            }
            let bytes = cursor.array("signature")?;
            signatures.push(Signature { key, bytes });
        }
        let left = cursor.left();
        cursor.zeros("unused bytes are not zero", left)?;
        Ok(Self { signatures })
    }

    /// The [`SIGNATURES_LEN`] bytes of the area.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let count = u32::try_from(self.signatures.len()).unwrap_or(u32::MAX);
        let mut area = Vec::with_capacity(SIGNATURES_LEN);
        area.extend(count.to_le_bytes());
        area.extend([0; RESERVED]);
        for signature in &self.signatures {
            area.extend(signature.key.0);
            area.extend(signature.bytes);
        }
        area.resize(SIGNATURES_LEN, 0);
        area
    }

    /// The signatures, ordered by key id.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Adds a signature at its place in the order.
    ///
    /// # Errors
    /// [`NotAdded`] if the key is there already, or the area is full.
    pub fn insert(&mut self, signature: Signature) -> Result<(), NotAdded> {
        let place = self
            .signatures
            .binary_search_by_key(&signature.key, |there| there.key);
        match place {
            Ok(_) => Err(NotAdded::Already { key: signature.key }),
            Err(_) if self.signatures.len() >= SIGNATURES_MAX => Err(NotAdded::Full),
            Err(place) => {
                self.signatures.insert(place, signature);
                Ok(())
            }
        }
    }

    /// Which of the `trusted` keys signed `message`, at least `threshold` of
    /// them and at least one.
    ///
    /// # Errors
    /// [`Unproven`]: too few, or a signature that claims to be by a trusted key
    /// and is not; then something was changed.
    pub fn verify(
        &self,
        message: &[u8],
        trusted: &[PublicKey],
        threshold: u32,
    ) -> Result<Vec<KeyId>, Unproven> {
        if self.signatures.is_empty() {
            return Err(Unproven::Unsigned);
        }
        let mut signed_by = Vec::new();
        for Signature { key, bytes } in &self.signatures {
            let Some(trusted) = trusted.iter().find(|trusted| trusted.id() == *key) else {
                continue;
            };
            if !trusted.verifies(message, bytes) {
                return Err(Unproven::Wrong { key: *key });
            }
            signed_by.push(*key);
        }
        if signed_by.is_empty() {
            let found = self.signatures.iter().map(|there| there.key).collect();
            return Err(Unproven::NotTrusted { found });
        }
        // No key is there twice: this counts keys, not signatures.
        let found = u32::try_from(signed_by.len()).unwrap_or(u32::MAX);
        if found < threshold {
            let needed = threshold;
            return Err(Unproven::TooFew { found, needed });
        }
        Ok(signed_by)
    }
}

/// Why a signature was not added to an area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAdded {
    /// This key has signed before.
    #[error("already signed by {key}")]
    Already {
        /// Which key.
        key: KeyId,
    },
    /// No room.
    #[error("the signature area is full: it holds 32 signatures")]
    Full,
}
