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

#[test]
#[cfg(feature = "std")]
fn empty_lines_around_a_pem_are_no_part_of_it() {
    let pem = "-----BEGIN PUBLIC KEY-----\n\
               MCowBQYDK2VwAyEABZ4I475W5OnGSqtr7wH3OOne5xR2bX0asJT+GRpvhCo=\n\
               -----END PUBLIC KEY-----\n";
    let key = pem::public(pem).unwrap();
    // As p11tool prints it.
    assert_eq!(pem::public(&format!("\n{pem}\n\n")).unwrap(), key);
}
