//! OpenSSL and this library read each other's keys and signatures.

use std::fs;
use std::path::Path;
use std::process::Command;

use images::key::{KeyError, NotAKey, PublicKey, SecretKey};
use images::sign::{attach, message};
use tempfile::TempDir;

use crate::sample::{Sample, key, other_key, verify_file};

/// Runs `openssl` in `directory`; whether it succeeded.
fn openssl(directory: &Path, arguments: &str) -> bool {
    let mut command = Command::new("openssl");
    command.current_dir(directory).args(arguments.split(' '));
    let output = command.output().expect("openssl is installed");
    output.status.success()
}

fn openssl_key(directory: &Path, algorithm: &str) {
    let arguments = format!("genpkey -algorithm {algorithm} -out secret.pem");
    assert!(openssl(directory, &arguments));
    assert!(openssl(
        directory,
        "pkey -in secret.pem -pubout -out public.pem"
    ));
}

#[test]
fn openssl_verifies_a_signature_made_here() {
    let sample = Sample::small();
    let directory = sample.directory.path();
    let (path, _) = sample.build();
    let tbs = message(&path).unwrap();
    key().public().save_new(&sample.path("public.pem")).unwrap();
    fs::write(sample.path("tbs"), tbs).unwrap();
    fs::write(sample.path("signature"), key().sign(&tbs)).unwrap();
    let verify = "pkeyutl -verify -rawin -pubin -inkey public.pem -in tbs -sigfile signature";
    assert!(openssl(directory, verify));
    fs::write(sample.path("signature"), other_key().sign(&tbs)).unwrap();
    assert!(!openssl(directory, verify));
}

#[test]
fn a_signature_made_by_openssl_is_taken() {
    let mut sample = Sample::small();
    sample.inputs.keys.clear();
    let directory = sample.directory.path();
    let (path, _) = sample.build();
    key().save_new(&sample.path("secret.pem")).unwrap();
    fs::write(sample.path("tbs"), message(&path).unwrap()).unwrap();
    let sign = "pkeyutl -sign -rawin -inkey secret.pem -in tbs -out signature";
    assert!(openssl(directory, sign));
    let signature = fs::read(sample.path("signature")).unwrap();
    attach(&path, &key().public(), &signature.try_into().unwrap()).unwrap();
    verify_file(&path).unwrap();
}

#[test]
fn key_files_are_byte_for_byte_those_of_openssl() {
    let directory = TempDir::new().unwrap();
    openssl_key(directory.path(), "ed25519");
    let path = |name: &str| directory.path().join(name);
    let secret = SecretKey::load(&path("secret.pem")).unwrap();
    let public = PublicKey::load(&path("public.pem")).unwrap();
    assert_eq!(secret.public(), public);
    secret.save_new(&path("our-secret.pem")).unwrap();
    public.save_new(&path("our-public.pem")).unwrap();
    for name in ["secret.pem", "public.pem"] {
        let (theirs, ours) = (path(name), path(&format!("our-{name}")));
        assert_eq!(fs::read(theirs).unwrap(), fs::read(ours).unwrap());
    }
}

#[test]
fn a_secret_key_file_is_for_its_owner_only_and_no_file_is_overwritten() {
    use std::os::unix::fs::PermissionsExt;
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("new.key");
    let secret = SecretKey::generate().unwrap();
    secret.save_new(&path).unwrap();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(matches!(key().save_new(&path), Err(KeyError::NotMade(_))));
    assert!(matches!(
        key().public().save_new(&path),
        Err(KeyError::NotMade(_))
    ));
    assert_eq!(SecretKey::load(&path).unwrap().public(), secret.public());
}

fn reason<K: std::fmt::Debug>(loaded: Result<K, KeyError>) -> NotAKey {
    match loaded {
        Err(KeyError::NotAKey { reason, .. }) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn keys_for_other_algorithms_are_refused_by_name() {
    for (algorithm, name) in [
        ("RSA", "RSA"),
        ("X25519", "X25519"),
        ("X448", "X448"),
        ("ED448", "Ed448"),
        ("EC -pkeyopt ec_paramgen_curve:P-256", "ECDSA"),
    ] {
        let directory = TempDir::new().unwrap();
        openssl_key(directory.path(), algorithm);
        let found = name.to_owned();
        let expected = NotAKey::OtherAlgorithm { found };
        let secret = SecretKey::load(&directory.path().join("secret.pem"));
        assert_eq!(reason(secret), expected);
        let public = PublicKey::load(&directory.path().join("public.pem"));
        assert_eq!(reason(public), expected);
    }
}

#[test]
fn a_private_key_in_the_place_of_a_public_one_is_refused_and_the_reverse() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.key");
    key().save_new(&path).unwrap();
    let refused = reason(PublicKey::load(&path)).to_string();
    assert_eq!(refused, "holds a PRIVATE KEY, a PUBLIC KEY is needed");
    let path = directory.path().join("a.pub");
    key().public().save_new(&path).unwrap();
    let refused = reason(SecretKey::load(&path)).to_string();
    assert_eq!(refused, "holds a PUBLIC KEY, a PRIVATE KEY is needed");
}

#[test]
fn an_encrypted_key_is_refused_by_its_kind() {
    let directory = TempDir::new().unwrap();
    let encrypt = "genpkey -algorithm ed25519 -aes256 -pass pass:x -out secret.pem";
    assert!(openssl(directory.path(), encrypt));
    let refused = reason(SecretKey::load(&directory.path().join("secret.pem")));
    assert!(refused.to_string().contains("ENCRYPTED PRIVATE KEY"));
}

#[test]
fn garbage_and_a_weak_key_are_no_keys() {
    let directory = TempDir::new().unwrap();
    let load = |bytes: &[u8]| {
        let path = directory.path().join("key");
        fs::write(&path, bytes).unwrap();
        reason(PublicKey::load(&path))
    };
    assert_eq!(load(b""), NotAKey::NoPem);
    assert_eq!(load(&[0xff; 100]), NotAKey::NoPem);
    let pem = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    assert_eq!(load(pem.as_bytes()), NotAKey::Damaged);
    let weak = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\
        -----END PUBLIC KEY-----\n";
    assert!(matches!(load(weak.as_bytes()), NotAKey::Bad(_)));
    assert!(matches!(
        PublicKey::load(&directory.path().join("missing")),
        Err(KeyError::Read { .. })
    ));
}
