//! Which keys are trusted, and how many of them must have signed an image: one check for
//! a file and for a slot, in bootshim, in the tool and in the simulator.

#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use crate::key::{KeyId, PublicKey};
use crate::key_set::{self, KeySet, Sealed, SignedKeySet};
use crate::manifest::Manifest;
use crate::signature::{SignatureArea, tbs};
use crate::{Digest, Refused, digest};

/// The keys in bootshim, and what they are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    keys: Vec<PublicKey>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// One of the keys signs the image.
    Direct,
    /// So many of the keys sign a key set, and its keys the image.
    Roots { threshold: u32, epoch_floor: u64 },
}

impl Trust {
    /// A signature over the image by one of these keys is enough.
    #[must_use]
    pub fn direct(keys: impl Into<Vec<PublicKey>>) -> Self {
        Self {
            keys: keys.into(),
            kind: Kind::Direct,
        }
    }

    /// So many of these keys must sign a key set, and its keys the image. What a
    /// root key signs directly does not count.
    #[must_use]
    pub fn roots(keys: impl Into<Vec<PublicKey>>, threshold: u32) -> Self {
        Self {
            keys: keys.into(),
            kind: Kind::Roots {
                threshold,
                epoch_floor: 0,
            },
        }
    }

    /// The same, and no key set below this epoch. Where keys are trusted directly
    /// there are no epochs, and it changes nothing.
    #[must_use]
    pub fn with_epoch_floor(mut self, floor: u64) -> Self {
        if let Kind::Roots { epoch_floor, .. } = &mut self.kind {
            *epoch_floor = floor;
        }
        self
    }

    /// The keys in bootshim.
    #[must_use]
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// The epoch under which an image was accepted; `None` where epochs decide
    /// nothing.
    #[must_use]
    pub fn epoch(&self, manifest: &Manifest) -> Option<u64> {
        match self.kind {
            Kind::Direct => None,
            Kind::Roots { .. } => manifest.key_set.map(|set| set.epoch),
        }
    }

    /// What a key set says, if those who are trusted vouch for it.
    fn key_set(&self, sealed: &Sealed<'_>) -> Result<KeySet, Refused> {
        let Kind::Roots {
            threshold,
            epoch_floor,
        } = self.kind
        else {
            // It decides nothing here; the manifest that names it is signed.
            return KeySet::parse(sealed.body);
        };
        let message = key_set::tbs(&sealed.digest);
        sealed
            .signatures
            .verify(&message, &self.keys, threshold)
            .map_err(Refused::KeySetUnproven)?;
        let set = KeySet::parse(sealed.body)?;
        if set.epoch < epoch_floor {
            return Err(Refused::KeySetBelowFloor {
                epoch: set.epoch,
                floor: epoch_floor,
            });
        }
        Ok(set)
    }

    /// Who of those that count signed the image.
    fn signers(
        &self,
        signatures: &SignatureArea,
        message: &[u8],
        set: Option<&KeySet>,
    ) -> Result<Vec<KeyId>, Refused> {
        let (keys, threshold) = match (self.kind, set) {
            (Kind::Direct, _) => (&self.keys, 1),
            (Kind::Roots { .. }, Some(set)) => (&set.keys, set.threshold),
            (Kind::Roots { .. }, None) => return Err(Refused::NoKeySet),
        };
        Ok(signatures.verify(message, keys, threshold)?)
    }
}

/// What an image, or a slot, brings forward for itself.
pub(crate) struct Claim<'a> {
    pub(crate) signatures: &'a [u8],
    pub(crate) key_set: Option<&'a [u8]>,
    pub(crate) manifest: &'a [u8],
    pub(crate) table_digest: Digest,
}

/// What came out of it.
pub(crate) struct Opened {
    pub(crate) signatures: SignatureArea,
    pub(crate) key_set: Option<SignedKeySet>,
    pub(crate) manifest: Manifest,
    pub(crate) digest: Digest,
    pub(crate) signed_by: Vec<KeyId>,
}

impl Claim<'_> {
    /// Checks and parses, in this order: under root keys a key set is parsed
    /// after they vouched for it, and a manifest always after its signers did.
    /// Without a `trust` nobody vouches for anything, and the parts must only fit
    /// each other.
    pub(crate) fn open(&self, trust: Option<&Trust>) -> Result<Opened, Refused> {
        let signatures = SignatureArea::parse(self.signatures)?;
        let sealed = self.key_set.map(Sealed::split).transpose()?;
        let set = match (&sealed, trust) {
            (Some(sealed), Some(trust)) => Some(trust.key_set(sealed)?),
            (Some(sealed), None) => Some(KeySet::parse(sealed.body)?),
            (None, _) => None,
        };
        let digest = digest(self.manifest);
        let signed_by = match trust {
            Some(trust) => {
                let message = tbs(&digest, &self.table_digest);
                trust.signers(&signatures, &message, set.as_ref())?
            }
            None => Vec::new(),
        };
        let manifest = Manifest::parse(self.manifest)?;
        let key_set = set.zip(sealed).map(|(set, sealed)| SignedKeySet {
            set,
            digest: sealed.digest,
            signatures: sealed.signatures,
        });
        // Else an image would move to a later epoch, or under a set that asks for
        // fewer signatures, without anybody signing it anew.
        if manifest.key_set != key_set.as_ref().map(SignedKeySet::name) {
            return Err(Refused::OtherKeySet);
        }
        Ok(Opened {
            signatures,
            key_set,
            manifest,
            digest,
            signed_by,
        })
    }
}
