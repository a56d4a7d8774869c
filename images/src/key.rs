//! Keys: Ed25519, and how they are named.

#[cfg(feature = "build")]
mod file;
#[cfg(feature = "build")]
mod pem;
#[cfg(feature = "build")]
mod secret;

use core::fmt;

use ed25519_dalek::VerifyingKey;

#[cfg(feature = "build")]
pub use file::KeyError;
#[cfg(feature = "build")]
pub use pem::NotAKey;
#[cfg(feature = "build")]
pub use secret::SecretKey;

/// The first 16 bytes of the BLAKE3 of a raw public key. Shown as hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 16]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::hex(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// 32 bytes that are no key with which anything may be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a usable Ed25519 public key: the 32 bytes are no point of the curve, a weak one, or not its one encoding"
)]
pub struct BadKey;

/// A public key that may be trusted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// The key of 32 raw bytes.
    ///
    /// # Errors
    /// [`BadKey`] if they are no point of the curve, or one of small order: such a
    /// key would accept signatures that nobody made. Also where they are not the one
    /// encoding of their point (RFC 8032, section 5.1.3): one key would have two
    /// names, and count twice for a quorum.
    pub fn from_bytes(raw: &[u8; 32]) -> Result<Self, BadKey> {
        let key = VerifyingKey::from_bytes(raw).map_err(|_| BadKey)?;
        let encoding = key.to_edwards().compress();
        if key.is_weak() || encoding.as_bytes() != raw {
            return Err(BadKey);
        }
        Ok(Self(key))
    }

    /// The 32 raw bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// How signatures name this key.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let mut id = [0; 16];
        for (to, from) in id.iter_mut().zip(crate::digest(self.0.as_bytes())) {
            *to = from;
        }
        KeyId(id)
    }

    /// Whether `signature` is one by this key over `message`, by the strict
    /// rules (one signature per message, no weak points).
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        self.0.verify_strict(message, &signature).is_ok()
    }
}

/// A key of either kind.
#[cfg(feature = "build")]
#[derive(Debug, Clone)]
pub enum AnyKey {
    /// One that verifies.
    Public(PublicKey),
    /// One that signs.
    Secret(SecretKey),
}

#[cfg(test)]
mod tests;
