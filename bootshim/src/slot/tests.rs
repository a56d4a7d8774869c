use super::*;
use crate::fake::{FakeDisk, Injection, Wrong};
use crate::medium::Access::Read;
use alloc::vec;
use images::key::SecretKey;
use images::manifest::Manifest;
use images::signature::{Signature, SignatureArea, tbs};
use images::trust::Trust;

const SLOT_LEN: u64 = 256 * 1024;
const KERNEL: u64 = 8192;
const INITRD: u64 = 16384;

fn key() -> SecretKey {
    SecretKey::from_seed(&[7; 32])
}

fn payload(kind: Kind, offset: u64, bytes: &[u8]) -> Payload {
    Payload {
        kind,
        offset,
        length: bytes.len() as u64,
        hash: images::digest(bytes),
    }
}

fn manifest_of(content_len: u64, kernel: &[u8]) -> Manifest {
    Manifest {
        compatible: "plc-4".into(),
        version: "1".into(),
        security_version: 3,
        revoke_below: 0,
        record_major: 1,
        record_minor: 0,
        watchdog_seconds: 0,
        cmdline: "ro".into(),
        content_len,
        index_len: 36 * content_len.div_ceil(1 << 20),
        index_hash: [0; 32],
        payloads: vec![
            payload(Kind::Rootfs, 0, b"root"),
            payload(Kind::Kernel, KERNEL, kernel),
            payload(Kind::Initrd, INITRD, b"initrd"),
        ],
        verity: None,
        key_set: None,
    }
}

/// A slot with a small image, signed by [`key`].
fn slot(content_len: u64) -> FakeDisk {
    slot_with(content_len, b"kernel")
}

fn slot_with(content_len: u64, kernel: &[u8]) -> FakeDisk {
    let manifest = manifest_of(content_len, kernel).encode().unwrap();
    let key = key();
    let message = tbs(&images::digest(&manifest), &[1; 32]);
    let mut signatures = SignatureArea::default();
    let signature = Signature {
        key: key.public().id(),
        bytes: key.sign(&message),
    };
    signatures.insert(signature).unwrap();
    let area = slot_area::build(&manifest, &signatures, &[1; 32], None).unwrap();
    let medium = FakeDisk::new(SLOT_LEN);
    let put = |at: u64, data: &[u8]| medium.put(usize::try_from(at).unwrap(), data);
    put(KERNEL, kernel);
    put(INITRD, b"initrd");
    put(area_offset(SLOT_LEN).unwrap(), &area);
    medium
}

#[test]
fn what_starts_is_read_once_and_is_what_was_verified() {
    let medium = slot(20480);
    let image = load(&medium, &Trust::direct([key().public()])).unwrap();
    let area = area_offset(SLOT_LEN).unwrap();
    assert_eq!(medium.order(), [area, KERNEL, INITRD].map(|at| (Read, at)));
    assert_eq!(*image.kernel, *b"kernel");
    assert!(matches!(&image.initrd, Some(Initrd::Here(initrd)) if **initrd == *b"initrd"));
    assert_eq!(image.facts().security_version, 3);
}

#[test]
fn a_kernel_or_initrd_changed_by_one_bit_does_not_start() {
    for at in [KERNEL, INITRD + 5] {
        let medium = slot(20480);
        medium.flip(usize::try_from(at).unwrap(), 1);
        let defect = load(&medium, &Trust::direct([key().public()])).unwrap_err();
        assert!(matches!(defect, Defect::Bad(Reason::Damaged, _)));
    }
}

/// Where memory is short.
#[test]
fn an_initrd_that_is_read_into_the_kernels_memory_is_read_once_and_verified_there() {
    let medium = slot(20480);
    let payload = payload(Kind::Initrd, INITRD, b"initrd");
    let mut target = *b"before";
    assert_eq!(fill(&medium, &payload, &mut target), Ok(()));
    assert_eq!(medium.order(), [(Read, INITRD)]);
    assert_eq!(target, *b"initrd");
}

#[test]
fn nothing_stays_in_the_kernels_memory_of_an_initrd_that_nobody_signed() {
    let medium = slot(20480);
    let payload = payload(Kind::Initrd, INITRD, b"initrd");
    let mut target = *b"before";
    medium.refuse(&[(Read, INITRD)]);
    let defect = fill(&medium, &payload, &mut target).unwrap_err();
    assert!(matches!(defect, Defect::Unreadable(_)));
    assert_eq!(target, [0; 6]);
    for at in 0..6 {
        let medium = slot(20480);
        medium.flip(usize::try_from(INITRD).unwrap() + at, 1);
        let defect = fill(&medium, &payload, &mut target).unwrap_err();
        assert!(matches!(defect, Defect::Bad(Reason::Damaged, _)));
        assert_eq!(target, [0; 6]);
    }
}

#[test]
fn a_manifest_changed_by_one_bit_or_signed_by_another_key_does_not_count() {
    let trusted = Trust::direct([key().public()]);
    let area = usize::try_from(area_offset(SLOT_LEN).unwrap()).unwrap();
    for at in [0, 16, 64, 64 + 4096, SLOT_AREA_LEN - 1] {
        let medium = slot(20480);
        medium.flip(area + at, 1);
        let defect = load(&medium, &trusted).unwrap_err();
        assert!(matches!(defect, Defect::Bad(Reason::NotAuthentic, _)));
    }
    let other = [SecretKey::from_seed(&[8; 32]).public()];
    for trusted in [&other[..], &[]] {
        let defect = load(&slot(20480), &Trust::direct(trusted)).unwrap_err();
        assert!(matches!(defect, Defect::Bad(Reason::NotAuthentic, _)));
    }
}

#[test]
fn a_key_set_below_the_floor_is_told_from_one_that_nobody_signed() {
    let (epoch, floor) = (1, 2);
    for (refused, reason) in [
        (
            Refused::KeySetBelowFloor { epoch, floor },
            Reason::BelowFloor,
        ),
        (Refused::NoKeySet, Reason::NotAuthentic),
    ] {
        let words = refused.to_string();
        assert_eq!(not_authentic(refused), Defect::Bad(reason, words));
    }
}

#[test]
fn what_cannot_be_read_is_no_verdict() {
    let medium = slot(20480);
    for at in [area_offset(SLOT_LEN).unwrap(), KERNEL, INITRD] {
        medium.refuse(&[(Read, at)]);
        let defect = load(&medium, &Trust::direct([key().public()])).unwrap_err();
        assert!(matches!(defect, Defect::Unreadable(_)), "{at}");
    }
}

#[test]
fn a_device_that_fails_twice_and_then_gives_the_bytes_keeps_no_slot_from_starting() {
    let medium = slot(20480);
    for at in [area_offset(SLOT_LEN).unwrap(), KERNEL, INITRD] {
        let trusted = Trust::direct([key().public()]);
        medium.inject([Injection {
            place: (Read, at),
            turns: 0..2,
            wrong: Wrong::Refuses,
        }]);
        assert!(load(&medium, &trusted).is_ok(), "{at}");
    }
}

#[test]
fn a_kernel_that_never_asks_for_its_initrd_does_not_start_with_one() {
    let trusted = Trust::direct([key().public()]);
    let mut kernel = [0; 256];
    kernel[..2].copy_from_slice(b"MZ");
    kernel[0x3c] = 128;
    kernel[128..132].copy_from_slice(b"PE\0\0");
    let defect = load(&slot_with(20480, &kernel), &trusted).unwrap_err();
    assert!(matches!(defect, Defect::Bad(Reason::NotStarted, _)));
    // The image version, from Linux 5.8 on.
    kernel[128 + 24 + 44] = 1;
    assert!(load(&slot_with(20480, &kernel), &trusted).is_ok());
}

#[test]
fn an_image_that_would_not_fit_into_its_slot_does_not_start() {
    let trusted = Trust::direct([key().public()]);
    assert!(load(&slot(SLOT_LEN - 65536 - 4096), &trusted).is_ok());
    let defect = load(&slot(SLOT_LEN - 65536), &trusted).unwrap_err();
    assert!(matches!(defect, Defect::Bad(Reason::Damaged, _)));
    assert!(load(&FakeDisk::new(4096), &trusted).is_err());
}
