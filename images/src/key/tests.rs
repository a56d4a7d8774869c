//! Public keys, held against the first test of RFC 8032, section 7.1.

use super::*;

const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
/// Over the empty message.
const SIGNATURE: &str = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
    5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    core::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
}

#[test]
fn a_key_is_the_32_bytes_that_it_was_read_from() {
    let raw = bytes(PUBLIC);
    assert_eq!(PublicKey::from_bytes(&raw).unwrap().to_bytes(), raw);
}

#[test]
fn a_signature_is_right_for_its_message_and_no_other() {
    let key = PublicKey::from_bytes(&bytes(PUBLIC)).unwrap();
    let mut signature = bytes(SIGNATURE);
    assert!(key.verifies(b"", &signature));
    assert!(!key.verifies(b"\0", &signature));
    signature[0] ^= 1;
    assert!(!key.verifies(b"", &signature));
}

#[test]
fn a_signature_with_a_point_of_small_order_is_none_even_by_the_owner_of_the_key() {
    // R is the neutral element and s the hash times the secret number of that test:
    // it fits the equation of RFC 8032, section 5.1.7.
    const S: &str = "756cf9b1d6f0d7a979b9d2af3dc2bc1294ec7cb6daa20eaff534c024fc57920f";
    let key = PublicKey::from_bytes(&bytes(PUBLIC)).unwrap();
    let mut signature = [0; 64];
    signature[0] = 1;
    signature[32..].copy_from_slice(&bytes::<32>(S));
    assert!(!key.verifies(b"", &signature));
}

#[test]
fn a_second_encoding_of_a_key_is_none() {
    // y and p + y, with p = 2^255 - 19, are the same number modulo p.
    let mut second_encodings = 0;
    for y in 0..19 {
        let (mut canonical, mut second) = ([0; 32], [0xff; 32]);
        canonical[0] = y;
        second[0] = 0xed + y;
        second[31] = 0x7f;
        let usable = PublicKey::from_bytes(&canonical).is_ok();
        second_encodings += u32::from(usable);
        assert_eq!(
            VerifyingKey::from_bytes(&second).is_ok_and(|key| !key.is_weak()),
            usable
        );
        assert_eq!(PublicKey::from_bytes(&second), Err(BadKey), "{y}");
    }
    assert!(second_encodings > 0);
}

#[cfg(feature = "build")]
mod files {
    use super::super::pem::{any, public, secret};
    use super::super::{AnyKey, NotAKey, SecretKey};
    use std::format;
    use std::string::{String, ToString};
    use std::vec::Vec;

    const PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEABZ4I475W5OnGSqtr7wH3OOne5xR2bX0asJT+GRpvhCo=\n\
        -----END PUBLIC KEY-----\n";
    /// What ring 0.16 made of the seed of 32 bytes 7.
    const RING: &str = "-----BEGIN PRIVATE KEY-----\n\
        MFMCAQEwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n\
        oSMDIQDqSmxj4pxSCr71UHsTLsX5lUd2rr6+e5JCHuppFEbSLA==\n\
        -----END PRIVATE KEY-----\n";

    fn block(label: &str) -> String {
        format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n")
    }

    #[test]
    fn what_stands_around_a_key_is_for_people() {
        let key = public(PEM.as_bytes()).unwrap();
        for (before, behind) in [
            // As p11tool prints it.
            ("\n", "\n\n"),
            ("\u{feff}", ""),
            ("Key of the plant\r\n", "Do not lose it\n"),
            ("", "no line end"),
        ] {
            let file = format!("{before}{PEM}{behind}");
            assert_eq!(public(file.as_bytes()), Ok(key), "{file:?}");
            let dos = file.replace("\r\n", "\n").replace('\n', "\r\n");
            assert_eq!(public(dos.as_bytes()), Ok(key), "{dos:?}");
        }
        let latin = [PEM.as_bytes(), b"Schl\xfcssel\n"].concat();
        assert_eq!(public(&latin), Ok(key));
    }

    #[test]
    fn which_of_two_keys_is_meant_nobody_guesses() {
        for second in ["PUBLIC KEY", "PRIVATE KEY", "CERTIFICATE"] {
            let file = format!("{PEM}{}", block(second));
            let expected = NotAKey::Several(Vec::from(["PUBLIC KEY", second].map(String::from)));
            assert_eq!(public(file.as_bytes()), Err(expected.clone()));
            assert_eq!(secret(file.as_bytes()).unwrap_err(), expected);
            assert!(expected.to_string().contains("more than one"));
        }
    }

    #[test]
    fn what_is_no_key_of_ours_is_told_as_what_it_is() {
        let said = |file: &[u8]| any(file).unwrap_err().to_string();
        for (label, words) in [
            ("EC PRIVATE KEY", "holds an EC PRIVATE KEY, "),
            ("RSA PUBLIC KEY", "holds an RSA PUBLIC KEY, "),
            ("OPENSSH PRIVATE KEY", "holds an OPENSSH PRIVATE KEY, "),
            ("CERTIFICATE", "holds a CERTIFICATE, "),
        ] {
            let expected = format!("{words}a PUBLIC KEY or a PRIVATE KEY is needed");
            assert_eq!(said(block(label).as_bytes()), expected);
        }
        assert_eq!(
            said(b"\xff\xfe-\0-\0"),
            "holds text in UTF-16, PEM is needed"
        );
        assert_eq!(said(b"\x30\x03abc"), "holds DER, PEM is needed");
        let ssh = said(b"ssh-ed25519 AAAAC3 me@here");
        assert_eq!(ssh, "holds a key of OpenSSH, PEM is needed");
        assert_eq!(any(b"x").unwrap_err(), NotAKey::NoPem);
    }

    #[test]
    fn a_key_that_ring_made_is_taken_if_its_halves_belong_together() {
        let key = SecretKey::from_seed(&[7; 32]).public();
        assert_eq!(secret(RING.as_bytes()).unwrap().public(), key);
        assert!(matches!(any(RING.as_bytes()), Ok(AnyKey::Secret(found)) if found.public() == key));
        let other = RING.replace("bSLA==", "ASLA==");
        assert_eq!(secret(other.as_bytes()).unwrap_err(), NotAKey::Damaged);
    }
}
