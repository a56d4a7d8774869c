//! `slotctl image sign` and `slotctl key set sign`: with a key that is here, or a
//! signature that was made elsewhere.

use crate::key;
use controller::code::Code;
use controller::error::{Error, Result};
use images::key::{KeyId, PublicKey, SecretKey};
use images::sign::Signed;
use std::path::{Path, PathBuf};

/// How an image, or a key set, is signed.
#[derive(Debug, clap::Args)]
pub struct Sign {
    /// What is signed
    pub file: PathBuf,
    /// Sign with this key
    #[arg(long, value_name = "K", required_unless_present = "signature")]
    pub key: Option<PathBuf>,
    /// Attach this signature, 64 bytes
    #[arg(long, value_name = "SIG", requires = "public", conflicts_with = "key")]
    pub signature: Option<PathBuf>,
    /// The public key that the signature is by
    #[arg(
        long,
        value_name = "PUB",
        requires = "signature",
        conflicts_with = "key"
    )]
    pub public: Option<PathBuf>,
}

impl Sign {
    /// Signs the file, or attaches the signature to it; also says whose it is.
    pub fn run<E>(
        &self,
        sign: impl FnOnce(&Path, &SecretKey) -> Result<Signed, E>,
        attach: impl FnOnce(&Path, &PublicKey, &[u8; 64]) -> Result<Signed, E>,
        failed: impl FnOnce(E) -> Error,
    ) -> Result<(KeyId, Signed)> {
        let (id, signed) = match (&self.key, &self.signature, &self.public) {
            (None, Some(signature), Some(public)) => {
                let public = PublicKey::load(public).map_err(key::refused)?;
                let signature = read_signature(signature)?;
                (public.id(), attach(&self.file, &public, &signature))
            }
            (Some(secret), ..) => {
                let secret = SecretKey::load(secret).map_err(key::refused)?;
                (secret.public().id(), sign(&self.file, &secret))
            }
            _ => return Err(Error::new(Code::Usage, "neither a key nor a signature")),
        };
        Ok((id, signed.map_err(failed)?))
    }
}

fn read_signature(file: &Path) -> Result<[u8; 64]> {
    let bytes = std::fs::read(file)
        .map_err(|error| Error::io(format_args!("reading {}", file.display()), &error))?;
    bytes.try_into().map_err(|bytes: Vec<u8>| {
        let found = format!("{} has {} bytes", file.display(), bytes.len());
        Error::new(Code::NotASignature, found)
            .expected("an Ed25519 signature has 64")
            .advice("make it with `openssl pkeyutl -sign -rawin`")
    })
}
