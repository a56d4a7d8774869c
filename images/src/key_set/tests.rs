use super::*;
use crate::key::SecretKey;
use alloc::vec;
use proptest::prelude::*;

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn set(epoch: u64, threshold: u32, seeds: &[u8]) -> SignedKeySet {
    set_with_orders(epoch, threshold, seeds, &[])
}

fn set_with_orders(epoch: u64, threshold: u32, release: &[u8], order: &[u8]) -> SignedKeySet {
    let public = |seeds: &[u8]| seeds.iter().map(|seed| key(*seed).public()).collect();
    let set = KeySet {
        epoch,
        threshold,
        keys: public(release),
        order_keys: public(order),
    };
    SignedKeySet::create(set, &[key(0x61)]).unwrap()
}

#[test]
fn a_set_that_makes_no_sense_cannot_be_made_nor_read() {
    let [a, b] = [key(1).public(), key(2).public()];
    let mut pair = vec![a, b];
    pair.sort_by_key(PublicKey::id);
    let back: Vec<_> = pair.iter().rev().copied().collect();
    let good = KeySet {
        epoch: 1,
        threshold: 1,
        keys: pair.clone(),
        order_keys: vec![],
    };
    assert_eq!(KeySet::parse(&good.encode().unwrap()), Ok(good.clone()));
    let cases = [
        (0, 1, pair.clone()),
        (1 << 63, 1, pair.clone()),
        (u64::MAX, 1, pair.clone()),
        (1, 0, pair.clone()),
        (1, 3, pair.clone()),
        (1, u32::MAX, pair.clone()),
        (1, 1, vec![]),
        (1, 1, back),
        // One key twice would reach a threshold of two by itself.
        (1, 2, vec![a, a]),
        (1, 1, vec![a; RELEASE_KEYS_MAX + 1]),
    ];
    for (epoch, threshold, keys) in cases {
        let bad = KeySet {
            epoch,
            threshold,
            keys,
            order_keys: vec![],
        };
        assert!(bad.encode().is_err(), "{bad:?}");
        let mut body = good.encode().unwrap();
        body[12..16].copy_from_slice(&threshold.to_le_bytes());
        body[16..24].copy_from_slice(&epoch.to_le_bytes());
        body[24..28].copy_from_slice(&u32::try_from(bad.keys.len()).unwrap().to_le_bytes());
        body.truncate(32);
        body.extend(bad.keys.iter().flat_map(PublicKey::to_bytes));
        assert!(KeySet::parse(&body).is_err(), "{bad:?}");
    }
}

#[test]
fn a_key_of_small_order_is_no_release_key() {
    let mut body = set(1, 1, &[1]).set.encode().unwrap();
    let mut identity = [0; 32];
    identity[0] = 1;
    for raw in [[0; 32], identity] {
        body[32..].copy_from_slice(&raw);
        let refused = KeySet::parse(&body).unwrap_err();
        let at_the_key = |m: Malformed| m.what.contains("usable") && m.at == 32;
        assert!(
            matches!(refused, Refused::Malformed { part: Part::KeySet, malformed } if at_the_key(malformed))
        );
    }
}

#[test]
fn a_later_format_is_refused_by_its_number() {
    let mut body = set(1, 1, &[1]).set.encode().unwrap();
    body[8] = 3;
    let part = Part::KeySet;
    assert_eq!(
        KeySet::parse(&body),
        Err(Refused::UnknownFormat { part, found: 3 })
    );
}

#[test]
fn a_set_without_order_keys_is_what_it_was_before_there_were_any() {
    let body = set(7, 1, &[1]).set.encode().unwrap();
    assert_eq!((body[8], &body[28..32]), (1, &[0; 4][..]));
    let mut none_of_them = body.clone();
    none_of_them[8] = 2;
    assert!(KeySet::parse(&none_of_them).is_err(), "a second encoding");
    let mut with = set_with_orders(7, 1, &[1], &[2]).set.encode().unwrap();
    assert_eq!((with[8], &with[28..32]), (2, &[1, 0, 0, 0][..]));
    with[8] = 1;
    assert!(KeySet::parse(&with).is_err(), "a second encoding");
}

#[test]
fn a_key_gives_orders_or_signs_images_and_is_named_once() {
    let sorted = |seeds: &[u8]| {
        let mut keys: Vec<_> = seeds.iter().map(|seed| key(*seed).public()).collect();
        keys.sort_by_key(PublicKey::id);
        keys
    };
    let with = |order_keys| KeySet {
        epoch: 1,
        threshold: 1,
        keys: sorted(&[1, 2]),
        order_keys,
    };
    let back: Vec<_> = sorted(&[3, 4]).into_iter().rev().collect();
    let many: Vec<_> = (3..3 + 33).collect();
    assert!(with(sorted(&many[..32])).encode().is_ok());
    for bad in [
        sorted(&[1]),
        sorted(&[2, 3]),
        sorted(&[3, 3]),
        back,
        sorted(&many),
    ] {
        assert!(with(bad).encode().is_err());
    }
    for (release, order) in [
        (vec![1, 1], vec![]),
        (vec![1], vec![1]),
        (vec![1], vec![2, 2]),
    ] {
        let public = |seeds: &[u8]| seeds.iter().map(|seed| key(*seed).public()).collect();
        let set = KeySet {
            epoch: 1,
            threshold: 1,
            keys: public(&release),
            order_keys: public(&order),
        };
        let refused = SignedKeySet::create(set, &[]);
        assert!(matches!(refused, Err(KeySetError::SameKey(_))));
    }
}

#[test]
fn a_signature_for_an_image_is_none_for_a_key_set() {
    let body = [7; 32];
    let (ours, image) = (tbs(&body), crate::signature::tbs(&body, &[0; 32]));
    assert_ne!(ours[..16], image[..16]);
    assert!(!key(1).public().verifies(&ours, &key(1).sign(&image)));
}

#[test]
fn a_set_in_a_file_is_never_overwritten_and_signed_once_by_each_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.keyset");
    let made = set(1, 1, &[1]);
    made.save_new(&path).unwrap();
    assert!(made.save_new(&path).is_err());
    assert_eq!(sign(&path, &key(0x62)).unwrap(), crate::sign::Signed::Added);
    assert_eq!(
        sign(&path, &key(0x62)).unwrap(),
        crate::sign::Signed::Already
    );
    let other = key(0x63).sign(&crate::signature::tbs(&made.digest, &[0; 32]));
    assert!(attach(&path, &key(0x63).public(), &other).is_err());
    let signed = SignedKeySet::load(&path).unwrap();
    assert_eq!(signed.signatures.signatures().len(), 2);
    assert_eq!(signed.digest, made.digest, "signatures are not part of it");
}

proptest! {
    #[test]
    fn every_set_reads_as_it_was_written(
        epoch in 1..EPOCH_LIMIT, threshold in 1u32..=32, seeds in prop::collection::hash_set(any::<u8>(), 1..=64),
        release in 1usize..=32,
    ) {
        let seeds: Vec<u8> = seeds.into_iter().collect();
        let release = release.min(seeds.len()).max(seeds.len().saturating_sub(32));
        let threshold = threshold.min(release as u32);
        let made = set_with_orders(epoch, threshold, &seeds[..release], &seeds[release..]);
        let bytes = made.encode().unwrap();
        prop_assert!(KEY_SET_LEN.contains(&bytes.len()));
        prop_assert_eq!(SignedKeySet::parse(&bytes), Ok(made));
    }

    #[test]
    fn any_bytes_give_an_answer_and_what_is_accepted_has_one_encoding(bytes: Vec<u8>, keep in 0usize..64) {
        let mut body = set_with_orders(1, 1, &[1], &[2]).set.encode().unwrap();
        body.truncate(keep);
        body.extend(bytes);
        if let Ok(set) = KeySet::parse(&body) {
            prop_assert_eq!(set.encode().unwrap(), body);
        }
    }
}
