//! The key set: which release keys sign images and how many of them must, and which
//! order keys give orders. Root keys sign it, and it travels with each image.
//! `docs/key-sets.md` has the bytes.

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

/// The most order keys of a set: as many as can sign an order.
pub const ORDER_KEYS_MAX: usize = 32;

/// Epochs from here on are refused: one that a slip of the finger made must not
/// be the last.
pub const EPOCH_LIMIT: u64 = 1 << 63;

/// The shortest and the longest key set with its signatures, in bytes.
pub const KEY_SET_LEN: core::ops::RangeInclusive<usize> = HEAD_LEN + 32 + SIGNATURES_LEN
    ..=HEAD_LEN + 32 * (RELEASE_KEYS_MAX + ORDER_KEYS_MAX) + SIGNATURES_LEN;

/// Length of the message that root keys sign, in bytes.
pub const TBS_LEN: usize = 48;

const NOT_SO_MANY_RELEASE_KEYS: &str = "not 1 to 32 release keys";
const NOT_SO_MANY_ORDER_KEYS: &str = "more than 32 order keys";

const MAGIC: [u8; 8] = *b"SLOTKSET";
/// Without order keys, as it was before there were any.
const FORMAT: u32 = 1;
/// With their number in bytes that format 1 leaves zero.
const FORMAT_WITH_ORDER_KEYS: u32 = 2;
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

/// Who may sign images and orders, under which epoch. [`KeySet::parse`] and
/// [`KeySet::encode`] accept exactly the same values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet {
    /// Rises with each set; from 1 to 2^63 - 1.
    pub epoch: u64,
    /// How many of the keys must sign, at least 1.
    pub threshold: u32,
    /// The release keys, by ascending key id, none twice.
    pub keys: Vec<PublicKey>,
    /// The order keys, likewise; none of them is a release key, so that what gives orders
    /// can be taken out of the safe and sign no image.
    pub order_keys: Vec<PublicKey>,
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
        if ![FORMAT, FORMAT_WITH_ORDER_KEYS].contains(&found) {
            let part = Part::KeySet;
            return Err(Refused::UnknownFormat { part, found });
        }
        Self::fields(&mut cursor, found).map_err(refused)
    }

    fn fields(cursor: &mut Cursor<'_>, format: u32) -> Result<Self, Malformed> {
        let at = cursor.at();
        let threshold = cursor.u32("threshold")?;
        let epoch = cursor.u64("epoch")?;
        let release = count(cursor, NOT_SO_MANY_RELEASE_KEYS, RELEASE_KEYS_MAX)?;
        let unused = cursor.malformed("unused bytes are not zero");
        let none = cursor.malformed("no order keys in the format that has some");
        let order = count(cursor, NOT_SO_MANY_ORDER_KEYS, ORDER_KEYS_MAX)?;
        match (format, order) {
            (FORMAT, 0) | (FORMAT_WITH_ORDER_KEYS, 1..) => {}
            (FORMAT, _) => return Err(unused),
            // A set has one encoding.
            _ => return Err(none),
        }
        let keys = keys_of(cursor, release)?;
        let order_keys = keys_of(cursor, order)?;
        cursor.end("trailing bytes")?;
        let set = Self {
            epoch,
            threshold,
            keys,
            order_keys,
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
            return Err(NOT_SO_MANY_RELEASE_KEYS);
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
        if self.order_keys.len() > ORDER_KEYS_MAX {
            return Err(NOT_SO_MANY_ORDER_KEYS);
        }
        if !self.order_keys.windows(2).all(ascend) {
            return Err("ids of the order keys do not ascend");
        }
        let releases = |key: &PublicKey| self.keys.iter().any(|other| other.id() == key.id());
        if self.order_keys.iter().any(releases) {
            return Err("a key is release key and order key");
        }
        Ok(())
    }

    /// The one encoding of the body.
    ///
    /// # Errors
    /// [`Malformed`] if [`KeySet::parse`] would refuse it.
    pub fn encode(&self) -> Result<Vec<u8>, Malformed> {
        self.check().map_err(|what| Malformed { what, at: 0 })?;
        let length = |keys: &[PublicKey]| u32::try_from(keys.len()).unwrap_or(u32::MAX);
        let format = match self.order_keys.is_empty() {
            true => FORMAT,
            false => FORMAT_WITH_ORDER_KEYS,
        };
        let mut body = Vec::with_capacity(*KEY_SET_LEN.end());
        body.extend(MAGIC);
        body.extend(format.to_le_bytes());
        body.extend(self.threshold.to_le_bytes());
        body.extend(self.epoch.to_le_bytes());
        body.extend(length(&self.keys).to_le_bytes());
        body.extend(length(&self.order_keys).to_le_bytes());
        let keys = self.keys.iter().chain(&self.order_keys);
        body.extend(keys.flat_map(PublicKey::to_bytes));
        Ok(body)
    }
}

fn count(cursor: &mut Cursor<'_>, what: &'static str, max: usize) -> Result<usize, Malformed> {
    let too_many = cursor.malformed(what);
    let count = usize::try_from(cursor.u32(what)?).ok();
    count.filter(|count| *count <= max).ok_or(too_many)
}

fn keys_of(cursor: &mut Cursor<'_>, count: usize) -> Result<Vec<PublicKey>, Malformed> {
    let mut keys = Vec::with_capacity(count);
    for _ in 0..count {
        let bad = cursor.malformed("not a usable Ed25519 public key");
        let raw = cursor.array("key")?;
        keys.push(PublicKey::from_bytes(&raw).map_err(|_| bad)?);
    }
    Ok(keys)
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
