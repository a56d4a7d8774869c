//! Key files: PKCS#8 and SubjectPublicKeyInfo in PEM, byte for byte as
//! `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout` make them.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{EncodePrivateKey, EncodePublicKey, KeypairBytes};

use super::pem::{self, NotAKey};
use super::{PublicKey, SecretKey};

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
    #[error("cannot write key {}: {source}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system gives no random bytes.
    #[error("no random bytes from the system: {0}")]
    Random(getrandom::Error),
}

fn load<K>(path: &Path, decode: fn(&str) -> Result<K, NotAKey>) -> Result<K, KeyError> {
    let bytes = fs::read(path).map_err(|source| KeyError::Read {
        path: path.into(),
        source,
    })?;
    std::str::from_utf8(&bytes)
        .map_err(|_| NotAKey::NoPem)
        .and_then(decode)
        .map_err(|reason| KeyError::NotAKey {
            path: path.into(),
            reason,
        })
}

fn save_new(path: &Path, mode: u32, pem: &str) -> Result<(), KeyError> {
    let write = || {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(pem.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|source| KeyError::Write {
        path: path.into(),
        source,
    })
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
    /// [`KeyError::Write`], also if the file exists.
    pub fn save_new(&self, path: &Path) -> Result<(), KeyError> {
        // Without the public key: OpenSSL 3.0 reads only that form.
        let pair = KeypairBytes {
            secret_key: self.0.to_bytes(),
            public_key: None,
        };
        let pem = pair
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|error| KeyError::Write {
                path: path.into(),
                source: io::Error::other(error),
            })?;
        save_new(path, 0o600, &pem)
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
    /// [`KeyError::Write`], also if the file exists.
    pub fn save_new(&self, path: &Path) -> Result<(), KeyError> {
        let pem = self
            .0
            .to_public_key_pem(LineEnding::LF)
            .map_err(|error| KeyError::Write {
                path: path.into(),
                source: io::Error::other(error),
            })?;
        save_new(path, 0o666, &pem)
    }
}
