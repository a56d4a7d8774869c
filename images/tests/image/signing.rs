//! Signing an image that exists.

use std::fs;

use images::Refused;
use images::key::{KeyId, SecretKey};
use images::read::ReadError;
use images::sign::{SignError, Signed, attach, message, sign};
use images::signature::{SIGNATURES_LEN, Signature, SignatureArea};

use proptest::prelude::*;

use crate::sample::{Sample, head_of, key, other_key, verify_file};

#[test]
fn an_unsigned_image_is_signed_in_place_and_then_verifies() {
    let mut sample = Sample::small();
    let signed_at_once = sample.bytes();
    sample.inputs.keys.clear();
    let (path, _) = sample.build();
    assert_eq!(sign(&path, &key()).unwrap(), Signed::Added);
    verify_file(&path).unwrap();
    assert!(fs::read(&path).unwrap() == signed_at_once);
}

#[test]
fn signing_twice_with_the_same_key_changes_nothing() {
    let sample = Sample::small();
    let before = sample.bytes();
    let path = sample.path("out.slotimg");
    assert_eq!(sign(&path, &key()).unwrap(), Signed::Already);
    assert!(fs::read(&path).unwrap() == before);
}

#[test]
fn signatures_are_the_same_bytes_in_whatever_order_they_were_made() {
    let sample = |keys: [SecretKey; 2]| {
        let mut sample = Sample::small();
        sample.inputs.keys.clear();
        let (path, _) = sample.build();
        for key in keys {
            assert_eq!(sign(&path, &key).unwrap(), Signed::Added);
        }
        fs::read(&path).unwrap()
    };
    assert!(sample([key(), other_key()]) == sample([other_key(), key()]));
}

#[test]
fn a_signature_made_elsewhere_is_attached_only_if_it_is_right() {
    let mut sample = Sample::small();
    sample.inputs.keys.clear();
    let before = sample.bytes();
    let path = sample.path("out.slotimg");
    let mut signature = key().sign(&message(&path).unwrap());
    let by_other = attach(&path, &other_key().public(), &signature);
    assert!(matches!(by_other, Err(SignError::Wrong { .. })));
    signature[5] ^= 1;
    let wrong = attach(&path, &key().public(), &signature);
    assert!(matches!(wrong, Err(SignError::Wrong { .. })));
    assert!(fs::read(&path).unwrap() == before);
    signature[5] ^= 1;
    let right = attach(&path, &key().public(), &signature).unwrap();
    assert_eq!(right, Signed::Added);
    verify_file(&path).unwrap();
}

#[test]
fn a_wrong_signature_by_the_same_key_is_not_taken_for_one_that_is_there() {
    let sample = Sample::small();
    let mut image = sample.bytes();
    image[64 + 16 + 16] ^= 1;
    let path = sample.path("out.slotimg");
    fs::write(&path, &image).unwrap();
    assert!(matches!(
        sign(&path, &key()),
        Err(SignError::Read(ReadError::Refused(
            Refused::SignatureWrong { .. }
        )))
    ));
}

#[test]
fn an_image_takes_32_signatures_and_no_more() {
    let mut sample = Sample::small();
    sample.inputs.keys = (0..32)
        .map(|seed| SecretKey::from_seed(&[seed; 32]))
        .collect();
    let image = sample.bytes();
    assert_eq!(head_of(&image).signatures.signatures().len(), 32);
    let one_more = sign(
        &sample.path("out.slotimg"),
        &SecretKey::from_seed(&[99; 32]),
    );
    assert!(matches!(one_more, Err(SignError::NotAdded(_))));
}

#[test]
fn something_that_is_no_image_is_not_signed() {
    let sample = Sample::small();
    let error = sign(&sample.inputs.rootfs, &key()).unwrap_err();
    assert!(matches!(
        error,
        SignError::Read(ReadError::Refused(Refused::NotAnImage))
    ));
}

proptest! {
    #[test]
    fn every_signature_area_reads_as_it_was_written(
        keys in prop::collection::vec(any::<[u8; 16]>(), 0..=32),
    ) {
        let mut area = SignatureArea::default();
        for key in keys {
            // A key that comes twice is refused; that is no matter here.
            let _ = area.insert(Signature { key: KeyId(key), bytes: [key[0]; 64] });
        }
        let bytes = area.encode();
        prop_assert_eq!(bytes.len(), SIGNATURES_LEN);
        prop_assert_eq!(SignatureArea::parse(&bytes), Ok(area));
    }
}

fn area(ids: &[u8], count: u32) -> Vec<u8> {
    let mut area = count.to_le_bytes().to_vec();
    area.resize(16, 0);
    for id in ids {
        area.extend([*id; 16 + 64]);
    }
    area.resize(SIGNATURES_LEN, 0);
    area
}

#[test]
fn a_signature_area_that_is_not_in_order_or_not_clean_is_refused() {
    assert!(SignatureArea::parse(&area(&[1, 2], 2)).is_ok());
    for wrong in [area(&[2, 1], 2), area(&[1, 1], 2), area(&[1, 2], 1)] {
        assert!(SignatureArea::parse(&wrong).is_err());
    }
    for count in [3, 33, u32::MAX] {
        assert!(SignatureArea::parse(&area(&[1, 2], count)).is_err());
    }
    for byte in [4, 15, 16 + 2 * 80, SIGNATURES_LEN - 1] {
        let mut wrong = area(&[1, 2], 2);
        wrong[byte] = 1;
        assert!(SignatureArea::parse(&wrong).is_err(), "byte {byte}");
    }
}

#[test]
fn a_signature_area_with_33_signatures_is_refused_though_they_would_fit() {
    let ids: Vec<u8> = (1..=33).collect();
    assert!(SignatureArea::parse(&area(&ids[..32], 32)).is_ok());
    let refused = SignatureArea::parse(&area(&ids, 33)).unwrap_err();
    assert!(refused.to_string().contains("more than 32 signatures"));
}
