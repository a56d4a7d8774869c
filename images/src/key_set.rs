//! The key set: which release keys sign images, and how many of them must. Root
//! keys sign it, and it travels with each image. `docs/key-sets.md` has the bytes.

#[cfg(feature = "build")]
mod file;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;

#[cfg(feature = "build")]
pub use file::{KeySetError, attach, sign};

use crate::bytes::Cursor;
use crate::key::PublicKey;
use crate::signature::{SIGNATURES_LEN, SignatureArea};
use crate::{Digest, Malformed, Part, Refused, digest, manifest};

/// The most release keys of a set.
pub const RELEASE_KEYS_MAX: usize = 32;

/// Epochs from here on are refused: one that a slip of the finger made must not
/// be the last.
pub const EPOCH_LIMIT: u64 = 1 << 63;

/// The shortest and the longest key set with its signatures, in bytes.
pub const KEY_SET_LEN: core::ops::RangeInclusive<usize> =
    HEAD_LEN + 32 + SIGNATURES_LEN..=HEAD_LEN + 32 * RELEASE_KEYS_MAX + SIGNATURES_LEN;

/// Length of the message that root keys sign, in bytes.
pub const TBS_LEN: usize = 48;

const MAGIC: [u8; 8] = *b"SLOTKSET";
const FORMAT: u32 = 1;
const RESERVED: usize = 4;
/// Bytes before the first key.
const HEAD_LEN: usize = 32;

/// What the signed message begins with; that of an image differs in its ninth
/// byte.
const DOMAIN: [u8; 16] = *b"slotctl-keyset-1";

/// The exact bytes that root keys sign with plain Ed25519.
#[must_use]
pub fn tbs(body: &Digest) -> [u8; TBS_LEN] {
    let mut message = [0; TBS_LEN];
    for (to, from) in message.iter_mut().zip(DOMAIN.iter().chain(body)) {
        *to = *from;
    }
    message
}

/// Who may sign images, under which epoch. [`KeySet::parse`] and
/// [`KeySet::encode`] accept exactly the same values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet {
    /// Rises with each set; from 1 to 2^63 - 1.
    pub epoch: u64,
    /// How many of the keys must sign, at least 1.
    pub threshold: u32,
    /// The release keys, by ascending key id, none twice.
    pub keys: Vec<PublicKey>,
}

impl KeySet {
    /// Reads the body of a set, which fills `bytes`.
    ///
    /// # Errors
    /// [`Refused::UnknownFormat`] for a later format, else
    /// [`Refused::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        let refused = |malformed: Malformed| malformed.of(Part::KeySet);
        let mut cursor = Cursor::new(bytes);
        let not_magic = cursor.malformed("wrong magic bytes");
        if cursor.array("magic").map_err(refused)? != MAGIC {
            return Err(refused(not_magic));
        }
        let found = cursor.u32("format").map_err(refused)?;
        if found != FORMAT {
            let part = Part::KeySet;
            return Err(Refused::UnknownFormat { part, found });
        }
        Self::fields(&mut cursor).map_err(refused)
    }

    fn fields(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let at = cursor.at();
        let threshold = cursor.u32("threshold")?;
        let epoch = cursor.u64("epoch")?;
        let too_many = cursor.malformed("not 1 to 32 release keys");
        let count = cursor.u32("number of release keys")?;
        let count = usize::try_from(count).map_err(|_| too_many)?;
        if count > RELEASE_KEYS_MAX {
            return Err(too_many);
        }
        cursor.zeros("unused bytes are not zero", RESERVED)?;
        let mut keys = Vec::with_capacity(count);
        for _ in 0..count {
            let bad = cursor.malformed("not a usable Ed25519 public key");
            let raw = cursor.array("release key")?;
            keys.push(PublicKey::from_bytes(&raw).map_err(|_| bad)?);
        }
        cursor.end("trailing bytes")?;
        let set = Self {
            epoch,
            threshold,
            keys,
        };
        set.check().map_err(|what| Malformed { what, at })?;
        Ok(set)
    }

    /// The rules that need more than one field.
    fn check(&self) -> Result<(), &'static str> {
        if self.epoch == 0 || self.epoch >= EPOCH_LIMIT {
            return Err("epoch is not from 1 to 2^63 - 1");
        }
        if !(1..=RELEASE_KEYS_MAX).contains(&self.keys.len()) {
            return Err("not 1 to 32 release keys");
        }
        let enough = usize::try_from(self.threshold);
        if !enough.is_ok_and(|threshold| (1..=self.keys.len()).contains(&threshold)) {
            return Err("threshold is not from 1 to the number of release keys");
        }
        // Two keys with one id would count a signature for either.
        let ascend = |pair: &[PublicKey]| matches!(pair, [a, b] if a.id() < b.id());
        if !self.keys.windows(2).all(ascend) {
            return Err("ids of the release keys do not ascend");
        }
        Ok(())
    }

    /// The one encoding of the body.
    ///
    /// # Errors
    /// [`Malformed`] if [`KeySet::parse`] would refuse it.
    pub fn encode(&self) -> Result<Vec<u8>, Malformed> {
        self.check().map_err(|what| Malformed { what, at: 0 })?;
        let count = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        let mut body = Vec::with_capacity(HEAD_LEN + 32 * self.keys.len());
        body.extend(MAGIC);
        body.extend(FORMAT.to_le_bytes());
        body.extend(self.threshold.to_le_bytes());
        body.extend(self.epoch.to_le_bytes());
        body.extend(count.to_le_bytes());
        body.extend([0; RESERVED]);
        body.extend(self.keys.iter().flat_map(PublicKey::to_bytes));
        Ok(body)
    }
}

/// A key set with the signatures of root keys, as it lies in a file, in an image
/// and in a slot. It proves nothing before somebody held the signatures against
/// root keys: [`crate::trust::Trust`] does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedKeySet {
    /// What it says.
    pub set: KeySet,
    /// BLAKE3 of the body: what a manifest names, and what is signed.
    pub digest: Digest,
    /// Who signed.
    pub signatures: SignatureArea,
}

impl SignedKeySet {
    /// A set that nobody has signed yet.
    ///
    /// # Errors
    /// [`Malformed`] if there can be no such set.
    pub fn new(set: KeySet) -> Result<Self, Malformed> {
        let digest = digest(&set.encode()?);
        Ok(Self {
            set,
            digest,
            signatures: SignatureArea::default(),
        })
    }

    /// Reads one that nobody vouches for: to be shown, signed or put into an
    /// image.
    ///
    /// # Errors
    /// [`Refused`] if it is no key set.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        let sealed = Sealed::split(bytes)?;
        Ok(Self {
            set: KeySet::parse(sealed.body)?,
            digest: sealed.digest,
            signatures: sealed.signatures,
        })
    }

    /// Its bytes.
    ///
    /// # Errors
    /// [`Malformed`], never for a set that was read or made by
    /// [`SignedKeySet::new`].
    pub fn encode(&self) -> Result<Vec<u8>, Malformed> {
        let mut bytes = self.set.encode()?;
        bytes.extend(self.signatures.encode());
        Ok(bytes)
    }

    /// How a manifest names it.
    #[must_use]
    pub fn name(&self) -> manifest::KeySet {
        manifest::KeySet {
            epoch: self.set.epoch,
            hash: self.digest,
        }
    }
}

/// A key set whose body was hashed and not yet parsed.
pub(crate) struct Sealed<'a> {
    pub(crate) body: &'a [u8],
    pub(crate) digest: Digest,
    pub(crate) signatures: SignatureArea,
}

impl<'a> Sealed<'a> {
    pub(crate) fn split(bytes: &'a [u8]) -> Result<Self, Refused> {
        let wrong = Malformed {
            what: "length is not that of a key set",
            at: bytes.len() as u64,
        };
        if !KEY_SET_LEN.contains(&bytes.len()) {
            return Err(wrong.of(Part::KeySet));
        }
        let body = bytes.len().saturating_sub(SIGNATURES_LEN);
        let (body, area) = bytes.split_at_checked(body).ok_or(wrong.of(Part::KeySet))?;
        Ok(Self {
            body,
            digest: digest(body),
            signatures: SignatureArea::parse(area)?,
        })
    }
}
