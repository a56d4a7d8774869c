use super::*;
use crate::key::SecretKey;
use crate::manifest::{self, Kind as Part, Payload};
use crate::signature::Signature;
use crate::slot_area;
use crate::{SLOT_AREA_LEN, Unproven};
use alloc::vec;

const TABLE: Digest = [5; 32];
const ROOTS: [u8; 2] = [0x61, 0x62];

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn public(seeds: &[u8]) -> Vec<PublicKey> {
    seeds.iter().map(|seed| key(*seed).public()).collect()
}

fn roots(threshold: u32) -> Trust {
    Trust::roots(public(&ROOTS), threshold)
}

fn signatures(seeds: &[u8], message: &[u8]) -> SignatureArea {
    let mut area = SignatureArea::default();
    for seed in seeds {
        let bytes = key(*seed).sign(message);
        let key = key(*seed).public().id();
        area.insert(Signature { key, bytes }).unwrap();
    }
    area
}

/// A set of the release keys `release`, signed by the root keys `by`.
fn set(epoch: u64, threshold: u32, release: &[u8], by: &[u8]) -> SignedKeySet {
    let by: Vec<_> = by.iter().map(|seed| key(*seed)).collect();
    let set = KeySet {
        epoch,
        threshold,
        keys: public(release),
        order_keys: vec![],
    };
    SignedKeySet::create(set, &by).unwrap()
}

fn manifest(version: &str, key_set: Option<manifest::KeySet>) -> Vec<u8> {
    let payload = |kind, offset| Payload {
        kind,
        offset,
        length: 6,
        hash: [1; 32],
    };
    let manifest = Manifest {
        compatible: "plc-4".into(),
        version: version.into(),
        security_version: 0,
        revoke_below: 0,
        record_major: 1,
        record_minor: 0,
        watchdog_seconds: 0,
        cmdline: "ro".into(),
        content_len: 8192,
        index_len: 36,
        index_hash: [2; 32],
        payloads: vec![payload(Part::Rootfs, 0), payload(Part::Kernel, 4096)],
        verity: None,
        key_set,
    };
    manifest.encode().unwrap()
}

/// The end of a slot: signed by `by`, under `set`, which the manifest names.
fn area(set: &SignedKeySet, by: &[u8]) -> Vec<u8> {
    let manifest = manifest("1", Some(set.name()));
    sealed(&manifest, Some(set), by)
}

fn sealed(manifest: &[u8], set: Option<&SignedKeySet>, by: &[u8]) -> Vec<u8> {
    let signed = signatures(by, &tbs(&digest(manifest), &TABLE));
    slot_area::build(manifest, &signed, &TABLE, set).unwrap()
}

fn open(area: &[u8], trust: &Trust) -> Result<Vec<KeyId>, Refused> {
    slot_area::open(area, trust).map(|installed| installed.signed_by)
}

#[test]
fn enough_root_keys_and_enough_release_keys_make_an_image_genuine() {
    let set = set(1, 2, &[1, 2, 3], &ROOTS);
    assert_eq!(open(&area(&set, &[1, 3]), &roots(2)).unwrap().len(), 2);
    assert_eq!(open(&area(&set, &[1, 2, 3]), &roots(1)).unwrap().len(), 3);
    // Somebody else's signature beside them does not count, and does no harm.
    assert_eq!(open(&area(&set, &[1, 2, 9]), &roots(2)).unwrap().len(), 2);
}

#[test]
fn fewer_than_enough_release_keys_are_not_enough() {
    let set = set(1, 2, &[1, 2, 3], &ROOTS);
    let (found, needed) = (1, 2);
    let few = Refused::TooFewSignatures { found, needed };
    assert_eq!(open(&area(&set, &[1]), &roots(2)), Err(few.clone()));
    assert_eq!(open(&area(&set, &[1, 9]), &roots(2)), Err(few));
    let nobody = open(&area(&set, &[9]), &roots(2));
    assert!(matches!(nobody, Err(Refused::NoTrustedSignature { .. })));
    let unsigned = open(&area(&set, &[]), &roots(2));
    assert_eq!(unsigned, Err(Refused::Unsigned));
}

#[test]
fn one_key_that_signs_twice_counts_once() {
    let set = set(1, 2, &[1, 2], &ROOTS);
    let mut area = area(&set, &[1, 9]);
    // Behind magic to reserved bytes, count and zeros: the first of the two.
    let first: Vec<u8> = area[80..160].to_vec();
    area[160..240].copy_from_slice(&first);
    let refused = open(&area, &roots(2)).unwrap_err();
    assert!(refused.to_string().contains("do not ascend"), "{refused}");
}

#[test]
fn fewer_than_enough_root_keys_or_another_root_vouch_for_nothing() {
    let unproven = |set: &SignedKeySet, trust: &Trust| match open(&area(set, &[1]), trust) {
        Err(Refused::KeySetUnproven(unproven)) => unproven,
        other => panic!("{other:?}"),
    };
    let one = set(1, 1, &[1], &ROOTS[..1]);
    let (found, needed) = (1, 2);
    assert_eq!(
        unproven(&one, &roots(2)),
        Unproven::TooFew { found, needed }
    );
    assert!(open(&area(&one, &[1]), &roots(1)).is_ok());
    let others = set(1, 1, &[1], &[0x71, 0x72]);
    let nobody = unproven(&others, &roots(1));
    assert!(matches!(nobody, Unproven::NotTrusted { .. }));
    let nobody = unproven(&one, &Trust::roots(vec![], 1));
    assert!(matches!(nobody, Unproven::NotTrusted { .. }));
    assert_eq!(
        unproven(&set(1, 1, &[1], &[]), &roots(1)),
        Unproven::Unsigned
    );
    // A release key does not make itself one.
    let own = set(1, 1, &[1], &[1]);
    assert!(matches!(
        unproven(&own, &roots(1)),
        Unproven::NotTrusted { .. }
    ));
}

#[test]
fn what_a_root_key_signs_directly_does_not_count() {
    let manifest = manifest("1", None);
    let direct = sealed(&manifest, None, &ROOTS);
    assert_eq!(open(&direct, &roots(1)), Err(Refused::NoKeySet));
    assert!(open(&direct, &Trust::direct(public(&ROOTS))).is_ok());
    let set = set(1, 1, &[1], &ROOTS);
    let refused = open(&area(&set, &ROOTS), &roots(1));
    assert!(matches!(refused, Err(Refused::NoTrustedSignature { .. })));
}

#[test]
fn a_key_that_the_next_set_leaves_out_is_revoked_there() {
    let next = set(2, 1, &[2], &ROOTS);
    let refused = open(&area(&next, &[1]), &roots(1));
    assert!(matches!(refused, Err(Refused::NoTrustedSignature { .. })));
}

#[test]
fn below_the_floor_no_set_counts_and_at_it_and_above_it_does() {
    let at = |epoch, floor| {
        let set = set(epoch, 1, &[1], &ROOTS);
        open(&area(&set, &[1]), &roots(1).with_epoch_floor(floor))
    };
    for (epoch, floor) in [
        (1, 0),
        (1, 1),
        (2, 2),
        (3, 2),
        (u64::MAX >> 1, u64::MAX >> 1),
    ] {
        assert!(at(epoch, floor).is_ok(), "{epoch} at {floor}");
    }
    for (epoch, floor) in [(1, 2), (1, u64::MAX), (u64::MAX >> 1, 1 << 63)] {
        assert_eq!(
            at(epoch, floor),
            Err(Refused::KeySetBelowFloor { epoch, floor })
        );
    }
}

#[test]
fn a_manifest_moves_to_no_other_set() {
    // The same keys, a later epoch; the same keys, a lower threshold.
    let named = set(1, 2, &[1, 2], &ROOTS);
    let manifest = manifest("1", Some(named.name()));
    for other in [set(2, 2, &[1, 2], &ROOTS), set(1, 1, &[1, 2], &ROOTS)] {
        let moved = sealed(&manifest, Some(&other), &[1, 2]);
        assert_eq!(open(&moved, &roots(1)), Err(Refused::OtherKeySet));
        assert_eq!(
            open(&moved, &Trust::direct(public(&[1]))),
            Err(Refused::OtherKeySet)
        );
    }
    let lost = sealed(&manifest, None, &[1, 2]);
    let trust = Trust::direct(public(&[1]));
    assert_eq!(open(&lost, &trust), Err(Refused::OtherKeySet));
}

#[test]
fn an_image_with_a_key_set_may_be_signed_directly_as_well() {
    let set = set(1, 1, &[1], &ROOTS);
    let both = area(&set, &[1, 9]);
    assert!(open(&both, &roots(2)).is_ok());
    assert_eq!(open(&both, &Trust::direct(public(&[9]))).unwrap().len(), 1);
}

#[test]
fn a_signature_with_s_beyond_the_order_or_over_other_bytes_is_wrong() {
    // The order of the group, little-endian (RFC 8032, section 5.1).
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let good = set(1, 1, &[1], &ROOTS[..1]);
    let mut malleable = good.clone();
    let mut bytes = good.signatures.signatures()[0].bytes;
    let mut carry = 0;
    for (s, l) in bytes[32..].iter_mut().zip(L) {
        let sum = u16::from(*s) + u16::from(l) + carry;
        *s = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
    let mut longer = key_set::tbs(&good.digest).to_vec();
    longer.push(0);
    let root = key(ROOTS[0]);
    for bytes in [
        bytes,
        root.sign(&longer),
        root.sign(&tbs(&good.digest, &[0; 32])),
    ] {
        malleable.signatures = SignatureArea::default();
        let key = root.public().id();
        malleable
            .signatures
            .insert(Signature { key, bytes })
            .unwrap();
        let wrong = Refused::KeySetUnproven(Unproven::Wrong { key });
        assert_eq!(open(&area(&malleable, &[1]), &roots(1)), Err(wrong));
    }
}

#[test]
fn any_byte_of_an_area_with_a_key_set_that_changes_is_refused() {
    let set = set(1, 2, &[1, 2], &ROOTS);
    let mut area = area(&set, &[1, 2]);
    let trust = roots(2);
    open(&area, &trust).unwrap();
    let used = 64 + 2 * 4096 + 96 + 400;
    for byte in (0..used).chain((used..SLOT_AREA_LEN).step_by(97)) {
        let bit = 1 << (byte % 8);
        area[byte] ^= bit;
        assert!(open(&area, &trust).is_err(), "byte {byte}");
        area[byte] ^= bit;
    }
}
