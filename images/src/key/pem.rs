//! What a PEM text holds, and in plain words what it holds instead.

use std::string::String;

use ed25519_dalek::pkcs8::spki::SubjectPublicKeyInfoRef;
use ed25519_dalek::pkcs8::spki::der::Decode;
use ed25519_dalek::pkcs8::spki::der::pem::decode_label;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey, DecodePublicKey, Document, ObjectIdentifier, PrivateKeyInfoRef,
    SecretDocument,
};
use ed25519_dalek::{SigningKey, VerifyingKey, pkcs8};

use super::{BadKey, PublicKey, SecretKey};

/// Why a text is not the key that is needed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAKey {
    /// No PEM at all.
    #[error("not a PEM file: no line with -----BEGIN")]
    NoPem,
    /// PEM of something else.
    #[error("holds a {found}, a {expected} is needed")]
    OtherKind {
        /// The label that was found.
        found: String,
        /// The label that is needed.
        expected: &'static str,
    },
    /// A key for another algorithm.
    #[error("holds a key for {found}, one for Ed25519 is needed")]
    OtherAlgorithm {
        /// The name of the algorithm, or its object identifier.
        found: String,
    },
    /// The right labels around wrong bytes.
    #[error("the key in it is damaged")]
    Damaged,
    /// A key that must not be trusted.
    #[error(transparent)]
    Bad(#[from] BadKey),
}

const SECRET: &str = "PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";

/// The secret key in a PKCS#8 PEM text.
pub(super) fn secret(text: &str) -> Result<SecretKey, NotAKey> {
    // Some tools leave empty lines behind it.
    let text = text.trim();
    check_label(text, SECRET)?;
    let (_, document) = SecretDocument::from_pem(text).map_err(|_| NotAKey::Damaged)?;
    let info = PrivateKeyInfoRef::from_der(document.as_bytes()).map_err(|_| NotAKey::Damaged)?;
    check_algorithm(info.algorithm.oid)?;
    SigningKey::from_pkcs8_der(document.as_bytes())
        .map(SecretKey)
        .map_err(|_| NotAKey::Damaged)
}

/// The public key in a SubjectPublicKeyInfo PEM text.
pub(super) fn public(text: &str) -> Result<PublicKey, NotAKey> {
    let text = text.trim();
    check_label(text, PUBLIC)?;
    let (_, document) = Document::from_pem(text).map_err(|_| NotAKey::Damaged)?;
    let info =
        SubjectPublicKeyInfoRef::from_der(document.as_bytes()).map_err(|_| NotAKey::Damaged)?;
    check_algorithm(info.algorithm.oid)?;
    let key = VerifyingKey::from_public_key_der(document.as_bytes()).map_err(|_| BadKey)?;
    Ok(PublicKey::from_bytes(key.as_bytes())?)
}

fn check_label(text: &str, expected: &'static str) -> Result<(), NotAKey> {
    let found = decode_label(text.as_bytes()).map_err(|_| NotAKey::NoPem)?;
    if found == expected {
        return Ok(());
    }
    Err(NotAKey::OtherKind {
        found: found.into(),
        expected,
    })
}

fn check_algorithm(oid: ObjectIdentifier) -> Result<(), NotAKey> {
    if oid == pkcs8::ALGORITHM_OID {
        return Ok(());
    }
    let number = std::string::ToString::to_string(&oid);
    let found = match number.as_str() {
        "1.2.840.113549.1.1.1" => "RSA".into(),
        "1.2.840.10045.2.1" => "ECDSA".into(),
        "1.3.101.110" => "X25519".into(),
        "1.3.101.111" => "X448".into(),
        "1.3.101.113" => "Ed448".into(),
        _ => number,
    };
    Err(NotAKey::OtherAlgorithm { found })
}
