//! Key set files: made, read, and signed where they lie.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::vec::Vec;

use super::{KEY_SET_LEN, KeySet, SignedKeySet, tbs};
use crate::key::{KeyId, PublicKey, SecretKey};
use crate::new_file::{NewFile, NewFileError, ORDINARY};
use crate::sign::Signed;
use crate::signature::{NotAdded, SIGNATURES_LEN, Signature};
use crate::{Malformed, Refused};

/// Why a key set was not made, read or signed.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no key set.
    #[error("{}: {refused}", path.display())]
    Refused {
        /// Which file.
        path: PathBuf,
        /// Why not.
        refused: Refused,
    },
    /// The file cannot be made. A set that is there is never overwritten.
    #[error(transparent)]
    NotMade(#[from] NewFileError),
    /// The signature cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no such set.
    #[error("{}", .0.what)]
    NoSuchSet(#[from] Malformed),
    /// The same key twice, as whatever it is named.
    #[error("key {0} is named twice")]
    SameKey(KeyId),
    /// The signature is not one by that key over this set.
    #[error("the signature is not one by key {key} over what `slotctl key set tbs` prints")]
    Wrong {
        /// The key it should be by.
        key: KeyId,
    },
    /// No room for another signature.
    #[error(transparent)]
    NotAdded(#[from] NotAdded),
}

impl KeySetError {
    fn read(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.into();
        move |source| Self::Read { path, source }
    }

    fn write(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.into();
        move |source| Self::Write { path, source }
    }
}

impl SignedKeySet {
    /// This set, whatever the order in which its keys are named, signed by each of
    /// `roots`.
    ///
    /// # Errors
    /// [`KeySetError`] if there can be no such set.
    pub fn create(mut set: KeySet, roots: &[SecretKey]) -> Result<Self, KeySetError> {
        set.keys.sort_by_key(PublicKey::id);
        set.order_keys.sort_by_key(PublicKey::id);
        let keys = set.keys.iter().chain(&set.order_keys);
        let mut ids: Vec<KeyId> = keys.map(PublicKey::id).collect();
        ids.sort();
        let twice = ids.iter().zip(ids.iter().skip(1)).find(|(a, b)| a == b);
        if let Some((key, _)) = twice {
            return Err(KeySetError::SameKey(*key));
        }
        let mut signed = Self::new(set)?;
        for root in roots {
            signed.signatures.insert(Signature {
                key: root.public().id(),
                bytes: root.sign(&tbs(&signed.digest)),
            })?;
        }
        Ok(signed)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`KeySetError`].
    pub fn load(path: &Path) -> Result<Self, KeySetError> {
        let mut file = File::open(path).map_err(KeySetError::read(path))?;
        read(&mut file, path)
    }

    /// Writes a new file.
    ///
    /// # Errors
    /// [`KeySetError::NotMade`], also if the file exists.
    pub fn save_new(&self, path: &Path) -> Result<(), KeySetError> {
        let bytes = self.encode()?;
        let file = NewFile::create(path, ORDINARY)?;
        let written = file.file().write_all(&bytes);
        written.map_err(KeySetError::write(path))?;
        Ok(file.publish()?)
    }
}

/// Signs the set in `path` with a root key.
///
/// # Errors
/// [`KeySetError`]; the set is then unchanged.
pub fn sign(path: &Path, root: &SecretKey) -> Result<Signed, KeySetError> {
    let message = tbs(&SignedKeySet::load(path)?.digest);
    attach(path, &root.public(), &root.sign(&message))
}

/// Adds a signature that was made elsewhere to the set in `path`, after checking
/// it.
///
/// # Errors
/// [`KeySetError`]; the set is then unchanged.
pub fn attach(path: &Path, root: &PublicKey, signature: &[u8; 64]) -> Result<Signed, KeySetError> {
    let mut options = OpenOptions::new();
    let opened = options.read(true).write(true).open(path);
    let mut file = opened.map_err(KeySetError::read(path))?;
    // Two that sign at once would lose one of the signatures.
    file.lock().map_err(KeySetError::write(path))?;
    let mut signed = read(&mut file, path)?;
    let message = tbs(&signed.digest);
    if !root.verifies(&message, signature) {
        return Err(KeySetError::Wrong { key: root.id() });
    }
    let added = signed.signatures.insert(Signature {
        key: root.id(),
        bytes: *signature,
    });
    match added {
        Err(NotAdded::Already { .. }) => {
            let proven = signed.signatures.verify(&message, &[*root], 1);
            proven.map_err(|unproven| KeySetError::Refused {
                path: path.into(),
                refused: Refused::KeySetUnproven(unproven),
            })?;
            return Ok(Signed::Already);
        }
        other => other?,
    }
    let body = signed.encode()?.len().saturating_sub(SIGNATURES_LEN);
    file.write_all_at(&signed.signatures.encode(), body as u64)
        .and_then(|()| file.sync_all())
        .map_err(KeySetError::write(path))?;
    Ok(Signed::Added)
}

fn read(file: &mut File, path: &Path) -> Result<SignedKeySet, KeySetError> {
    let mut bytes = Vec::new();
    // One byte more than the longest is enough to refuse what is longer.
    let limit = KEY_SET_LEN.end().saturating_add(1) as u64;
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(KeySetError::read(path))?;
    SignedKeySet::parse(&bytes).map_err(|refused| KeySetError::Refused {
        path: path.into(),
        refused,
    })
}
