//! What a PEM text holds, and in plain words what it holds instead.

use std::string::String;
use std::vec::Vec;

use ed25519_dalek::pkcs8::spki::SubjectPublicKeyInfoRef;
use ed25519_dalek::pkcs8::spki::der::Decode;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey, DecodePublicKey, Document, ObjectIdentifier, PrivateKeyInfoRef,
    SecretDocument,
};
use ed25519_dalek::{SigningKey, VerifyingKey, pkcs8};

use super::{AnyKey, BadKey, PublicKey, SecretKey};

/// Why a file is not the key that is needed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAKey {
    /// No PEM at all.
    #[error("not a PEM file: no line with -----BEGIN")]
    NoPem,
    /// A key, perhaps, and not as PEM.
    #[error("holds {0}, PEM is needed")]
    OtherEncoding(&'static str),
    /// Which of them is meant?
    #[error("holds more than one PEM block ({}); a key file holds one: put each into a file of its own", .0.join(", "))]
    Several(Vec<String>),
    /// PEM of something else.
    #[error("holds {} {found}, a {expected} is needed", article(found))]
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

/// The secret key in a PKCS#8 PEM file.
pub(super) fn secret(file: &[u8]) -> Result<SecretKey, NotAKey> {
    match block(file)? {
        (SECRET, text) => secret_in(text),
        (found, _) => Err(other_kind(found, SECRET)),
    }
}

/// The public key in a SubjectPublicKeyInfo PEM file.
pub(super) fn public(file: &[u8]) -> Result<PublicKey, NotAKey> {
    match block(file)? {
        (PUBLIC, text) => public_in(text),
        (found, _) => Err(other_kind(found, PUBLIC)),
    }
}

/// The key in either.
pub(super) fn any(file: &[u8]) -> Result<AnyKey, NotAKey> {
    match block(file)? {
        (SECRET, text) => secret_in(text).map(AnyKey::Secret),
        (PUBLIC, text) => public_in(text).map(AnyKey::Public),
        (found, _) => Err(other_kind(found, "PUBLIC KEY or a PRIVATE KEY")),
    }
}

fn secret_in(text: &str) -> Result<SecretKey, NotAKey> {
    let (_, document) = SecretDocument::from_pem(text).map_err(|_| NotAKey::Damaged)?;
    let der = document.as_bytes();
    if let Some(key) = of_early_ring(der) {
        return Ok(key);
    }
    let info = PrivateKeyInfoRef::from_der(der).map_err(|_| NotAKey::Damaged)?;
    check_algorithm(info.algorithm.oid)?;
    SigningKey::from_pkcs8_der(der)
        .map(SecretKey)
        .map_err(|_| NotAKey::Damaged)
}

fn public_in(text: &str) -> Result<PublicKey, NotAKey> {
    let (_, document) = Document::from_pem(text).map_err(|_| NotAKey::Damaged)?;
    let info =
        SubjectPublicKeyInfoRef::from_der(document.as_bytes()).map_err(|_| NotAKey::Damaged)?;
    check_algorithm(info.algorithm.oid)?;
    let key = VerifyingKey::from_public_key_der(document.as_bytes()).map_err(|_| BadKey)?;
    Ok(PublicKey::from_bytes(key.as_bytes())?)
}

/// A key as ring before 0.17 wrote it: version 2 of PKCS#8 with an explicit tag
/// around the public key, where RFC 5958 has an implicit one.
fn of_early_ring(der: &[u8]) -> Option<SecretKey> {
    const HEAD: [u8; 16] = [
        0x30, 0x53, 2, 1, 1, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
    ];
    const BETWEEN: [u8; 5] = [0xa1, 0x23, 3, 0x21, 0];
    let (seed, rest) = der.strip_prefix(&HEAD)?.split_first_chunk::<32>()?;
    let public = rest.strip_prefix(&BETWEEN)?;
    let key = SecretKey::from_seed(seed);
    (key.public().to_bytes() == *public).then_some(key)
}

/// The label and the text of the one PEM block in a file. What stands before and
/// behind it is for people (RFC 7468, section 2), and some editors put a byte order
/// mark first.
fn block(file: &[u8]) -> Result<(&str, &str), NotAKey> {
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let mut labels = Vec::new();
    let (mut at, mut start, mut end) = (0, 0, 0);
    for line in file.split_inclusive(|byte| *byte == b'\n') {
        let begins = line.strip_prefix(b"-----BEGIN ");
        if let Some(label) = begins {
            labels.push(label.trim_ascii_end());
            start = at;
        }
        at += line.len();
        if line.starts_with(b"-----END ") || begins.is_some() {
            end = at;
        }
    }
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| NotAKey::Damaged);
    match *labels {
        [] => Err(no_block(file)),
        [label] => {
            let label = label.strip_suffix(b"-----").unwrap_or(label);
            let block = file.get(start..end).unwrap_or_default().trim_ascii_end();
            Ok((text(label)?, text(block)?))
        }
        _ => {
            let label = |label: &&[u8]| {
                let label = label.strip_suffix(b"-----").unwrap_or(label);
                String::from_utf8_lossy(label).into_owned()
            };
            Err(NotAKey::Several(labels.iter().map(label).collect()))
        }
    }
}

/// What a file without any PEM is instead.
fn no_block(file: &[u8]) -> NotAKey {
    match file {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => NotAKey::OtherEncoding("text in UTF-16"),
        // A sequence whose length is the rest of the file.
        [0x30, length, rest @ ..] if usize::from(*length) == rest.len() => {
            NotAKey::OtherEncoding("DER")
        }
        [b's', b's', b'h', b'-', ..] => NotAKey::OtherEncoding("a key of OpenSSH"),
        _ => NotAKey::NoPem,
    }
}

fn other_kind(found: &str, expected: &'static str) -> NotAKey {
    NotAKey::OtherKind {
        found: found.into(),
        expected,
    }
}

/// As the label is said.
fn article(label: &str) -> &'static str {
    if label.starts_with(['A', 'E', 'I', 'O', 'R', 'X']) {
        "an"
    } else {
        "a"
    }
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
