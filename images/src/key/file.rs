//! Key files: PKCS#8 and SubjectPublicKeyInfo in PEM, byte for byte as
//! `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout` make them.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{self, EncodePrivateKey, EncodePublicKey, KeypairBytes};

use super::pem::{self, NotAKey};
use super::{AnyKey, PublicKey, SecretKey};
use crate::new_file::{NewFile, NewFileError, ORDINARY, SECRET};

/// Why a key file was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read key {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds no key of the expected kind.
    #[error("{}: {reason}", path.display())]
    NotAKey {
        /// Which file.
        path: PathBuf,
        /// What it holds instead.
        reason: NotAKey,
    },
    /// The file cannot be written. A key that is there is never overwritten.
    #[error(transparent)]
    NotMade(#[from] NewFileError),
    /// The system gives no random bytes.
    #[error("no random bytes from the system: {0}")]
    Random(getrandom::Error),
}

fn load<K>(path: &Path, decode: fn(&[u8]) -> Result<K, NotAKey>) -> Result<K, KeyError> {
    let bytes = fs::read(path).map_err(|source| KeyError::Read {
        path: path.into(),
        source,
    })?;
    decode(&bytes).map_err(|reason| KeyError::NotAKey {
        path: path.into(),
        reason,
    })
}

fn new_file(
    path: &Path,
    mode: u32,
    pem: Result<impl AsRef<str>, pkcs8::Error>,
) -> Result<NewFile, KeyError> {
    let file = NewFile::create(path, mode)?;
    let pem = pem.map_err(io::Error::other);
    pem.and_then(|pem| file.file().write_all(pem.as_ref().as_bytes()))
        .map_err(|source| NewFileError::Write {
            path: path.into(),
            source,
        })?;
    Ok(file)
}

impl AnyKey {
    /// Reads a PKCS#8 or SubjectPublicKeyInfo PEM file.
    ///
    /// # Errors
    /// [`KeyError`], also if it is a key of another kind, or a weak one.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        load(path, pem::any)
    }
}

impl SecretKey {
    /// Reads a PKCS#8 PEM file.
    ///
    /// # Errors
    /// [`KeyError`], also if it is a key of another kind.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        load(path, pem::secret)
    }

    /// Writes a new PKCS#8 PEM file with mode 0600.
    ///
    /// # Errors
    /// [`KeyError::NotMade`], also if the file exists.
    pub fn save_new(&self, path: &Path) -> Result<(), KeyError> {
        Ok(self.new_file(path)?.publish()?)
    }

    /// The same, not yet under its name.
    ///
    /// # Errors
    /// [`KeyError::NotMade`], also if the file exists.
    pub fn new_file(&self, path: &Path) -> Result<NewFile, KeyError> {
        // Without the public key: OpenSSL 3.0 reads only that form.
        let pair = KeypairBytes {
            secret_key: self.0.to_bytes(),
            public_key: None,
        };
        new_file(path, SECRET, pair.to_pkcs8_pem(LineEnding::LF))
    }
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo PEM file.
    ///
    /// # Errors
    /// [`KeyError`], also if it is a key of another kind, or a weak one.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        load(path, pem::public)
    }

    /// Writes a new SubjectPublicKeyInfo PEM file.
    ///
    /// # Errors
    /// [`KeyError::NotMade`], also if the file exists.
    pub fn save_new(&self, path: &Path) -> Result<(), KeyError> {
        Ok(self.new_file(path)?.publish()?)
    }

    /// The same, not yet under its name.
    ///
    /// # Errors
    /// [`KeyError::NotMade`], also if the file exists.
    pub fn new_file(&self, path: &Path) -> Result<NewFile, KeyError> {
        let pem = self.0.to_public_key_pem(LineEnding::LF);
        new_file(path, ORDINARY, pem.map_err(pkcs8::Error::from))
    }
}
