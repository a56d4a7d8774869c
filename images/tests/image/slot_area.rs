//! The manifest area: a slot verifies without the file it came from.

use images::signature::{Signature, SignatureArea, tbs};
use images::slot_area::{build, open, open_known};
use images::trust::Trust;
use images::{Part, Refused, SLOT_AREA_LEN, digest};

use crate::sample::{Sample, head_of, key, other_key};

fn area() -> Vec<u8> {
    head_of(&Sample::small().bytes()).slot_area().unwrap()
}

#[test]
fn what_is_installed_is_what_the_image_said() {
    let head = head_of(&Sample::small().bytes());
    let area = head.slot_area().unwrap();
    assert_eq!(area.len(), SLOT_AREA_LEN);
    let installed = open(&area, &Trust::direct([key().public()])).unwrap();
    assert_eq!(installed.manifest, head.manifest);
    assert_eq!(installed.digest, head.digest);
    assert_eq!(installed.table_digest, head.table_digest);
    assert_eq!(installed.signed_by, head.signed_by);
}

#[test]
fn any_byte_of_the_area_that_changes_is_refused() {
    let mut area = area();
    let used = 64 + 4096 + 400;
    for byte in (0..used).chain((used..SLOT_AREA_LEN).step_by(97)) {
        let bit = 1 << (byte % 8);
        area[byte] ^= bit;
        assert!(
            open(&area, &Trust::direct([key().public()])).is_err(),
            "byte {byte}"
        );
        area[byte] ^= bit;
    }
    let last = area.last_mut().unwrap();
    *last = 1;
    assert!(matches!(
        open(&area, &Trust::direct([key().public()])),
        Err(Refused::Malformed { part: Part::SlotArea, malformed }) if malformed.at == 65535
    ));
}

#[test]
fn a_manifest_that_is_known_is_that_one_and_no_other() {
    let head = head_of(&Sample::small().bytes());
    let area = head.slot_area().unwrap();
    assert_eq!(open_known(&area, &head.digest), Ok(head.manifest));
    let mut other = head.digest;
    other[31] ^= 1;
    let part = Part::Manifest;
    assert_eq!(open_known(&area, &other), Err(Refused::HashWrong { part }));
}

#[test]
fn an_erased_area_holds_no_manifest() {
    let refused = open(&vec![0; SLOT_AREA_LEN], &Trust::direct([key().public()]));
    assert_eq!(refused, Err(Refused::NoManifest));
}

#[test]
fn an_area_of_another_length_is_refused() {
    let area = area();
    let short = open(&area[1..], &Trust::direct([key().public()]));
    assert!(matches!(short, Err(Refused::Truncated { .. })));
}

#[test]
fn an_area_by_another_key_is_refused() {
    let area = area();
    assert!(matches!(
        open(&area, &Trust::direct([other_key().public()])),
        Err(Refused::NoTrustedSignature { .. })
    ));
    assert!(open(&area, &Trust::direct([])).is_err());
    assert!(
        open(
            &area,
            &Trust::direct([other_key().public(), key().public()])
        )
        .is_ok()
    );
}

#[test]
fn an_area_with_another_table_hash_is_refused() {
    let head = head_of(&Sample::small().bytes());
    let other = digest(b"another table");
    let area = build(&head.manifest_bytes, &head.signatures, &other, None).unwrap();
    assert!(matches!(
        open(&area, &Trust::direct([key().public()])),
        Err(Refused::SignatureWrong { .. })
    ));
}

#[test]
fn a_later_format_of_the_area_is_refused_by_its_number() {
    let mut area = area();
    area[8] = 9;
    let part = Part::SlotArea;
    assert_eq!(
        open(&area, &Trust::direct([key().public()])),
        Err(Refused::UnknownFormat { part, found: 9 })
    );
}

/// An area around bytes that are no manifest, signed all the same.
fn signed(manifest: &[u8]) -> Result<Vec<u8>, Refused> {
    let table = digest(b"table");
    let mut signatures = SignatureArea::default();
    let signature = Signature {
        key: key().public().id(),
        bytes: key().sign(&tbs(&digest(manifest), &table)),
    };
    signatures.insert(signature).unwrap();
    build(manifest, &signatures, &table, None)
}

#[test]
fn a_manifest_of_32_kib_fits_the_area_and_a_longer_one_does_not() {
    let trusted = Trust::direct([key().public()]);
    let part_of = |refused| match refused {
        Refused::Malformed { part, malformed } => (part, malformed.at),
        other => panic!("{other}"),
    };
    let mut area = signed(&[0; 32768]).unwrap();
    let refused = open(&area, &trusted).unwrap_err();
    assert_eq!(part_of(refused), (Part::Manifest, 0));
    area[12..16].copy_from_slice(&32769_u32.to_le_bytes());
    let refused = open(&area, &trusted).unwrap_err();
    assert_eq!(part_of(refused), (Part::SlotArea, 12));
    assert_eq!(
        signed(&[0; 32769]),
        Err(Refused::TooLarge {
            part: Part::Manifest,
            found: 32769,
            limit: 32768
        })
    );
}
