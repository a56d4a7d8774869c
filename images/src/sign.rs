//! Signing an image that exists: here, or with a signature made elsewhere.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::Refused;
use crate::head::Head;
use crate::header::HEADER_LEN;
use crate::key::{KeyId, PublicKey, SecretKey};
use crate::read::{self, ReadError};
use crate::signature::{NotAdded, Signature, TBS_LEN, tbs};

/// Why an image was not signed. It is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The image cannot be read, or is none.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The signature cannot be written.
    #[error("cannot write the signature: {0}")]
    Write(io::Error),
    /// The signature is not one by that key over this image.
    #[error("the signature is not one by key {key} over what `slotctl image tbs` prints")]
    Wrong {
        /// The key it should be by.
        key: KeyId,
    },
    /// No room for another signature.
    #[error(transparent)]
    NotAdded(#[from] NotAdded),
}

/// What signing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    /// The signature was added, and is on disk.
    Added,
    /// This key has signed this image before; nothing was written.
    Already,
}

/// The exact bytes to be signed for the image in `path`.
///
/// # Errors
/// [`ReadError`].
pub fn message(path: &Path) -> Result<[u8; TBS_LEN], ReadError> {
    let head = head(&mut File::open(path)?)?;
    Ok(tbs(&head.digest, &head.table_digest))
}

/// Signs the image in `path` with `key`.
///
/// # Errors
/// [`SignError`]; the image is then unchanged.
pub fn sign(path: &Path, key: &SecretKey) -> Result<Signed, SignError> {
    let signature = key.sign(&message(path)?);
    attach(path, &key.public(), &signature)
}

/// Adds a signature that was made elsewhere to the image in `path`, after
/// checking it.
///
/// # Errors
/// [`SignError`]; the image is then unchanged.
pub fn attach(path: &Path, key: &PublicKey, signature: &[u8; 64]) -> Result<Signed, SignError> {
    let mut options = OpenOptions::new();
    let opened = options.read(true).write(true).open(path);
    let mut file = opened.map_err(ReadError::from)?;
    // Two that sign at once would lose one of the signatures.
    file.lock().map_err(SignError::Write)?;
    let head = head(&mut file)?;
    let message = tbs(&head.digest, &head.table_digest);
    if !key.verifies(&message, signature) {
        return Err(SignError::Wrong { key: key.id() });
    }
    let mut area = head.signatures;
    let added = area.insert(Signature {
        key: key.id(),
        bytes: *signature,
    });
    match added {
        Err(NotAdded::Already { .. }) => {
            area.verify(&message, &[*key], 1)
                .map_err(|unproven| ReadError::from(Refused::from(unproven)))?;
            return Ok(Signed::Already);
        }
        other => other?,
    }
    let bytes = area.encode();
    file.write_all_at(&bytes, HEADER_LEN as u64)
        .and_then(|()| file.sync_all())
        .map_err(SignError::Write)?;
    Ok(Signed::Added)
}

fn head(file: &mut File) -> Result<Head, ReadError> {
    let (header, rest) = read::head(file)?;
    Ok(Head::open_untrusted(&header, &rest)?.0)
}
