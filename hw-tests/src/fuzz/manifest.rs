//! The manifest, and the area at the end of a slot that it lies in.

use super::draft::key;
use super::input::Input;
use images::manifest::Manifest;
use images::signature::{SIGNATURES_LEN, Signature, SignatureArea, tbs};
use images::trust::Trust;
use images::{SLOT_AREA_LEN, digest, slot_area};

/// Any bytes give an answer; what is accepted has one encoding and payloads that
/// lie apart within the content; and a slot's area says what the manifest says.
pub fn manifest(data: &[u8]) {
    let mut input = Input(data);
    match input.u8() % 3 {
        0 => parse(input.0),
        1 => signatures(input.0),
        _ => area(input.0),
    }
}

fn parse(bytes: &[u8]) {
    let parsed = Manifest::parse(bytes);
    if let Ok(manifest) = &parsed {
        assert_eq!(manifest.encode().as_deref(), Ok(bytes), "one encoding");
        let needed = manifest.slot_bytes_needed().unwrap();
        assert!(manifest.index_offset() + manifest.index_len < needed);
        let mut free = 0;
        for payload in &manifest.payloads {
            assert!(payload.offset >= free && payload.length > 0);
            free = payload.end().unwrap();
        }
        assert!(free <= manifest.content_len);
    }
    let key = key();
    let message = tbs(&digest(bytes), &[5; 32]);
    let signature = Signature {
        key: key.public().id(),
        bytes: key.sign(&message),
    };
    let mut signatures = SignatureArea::default();
    signatures.insert(signature).unwrap();
    if let Ok(area) = slot_area::build(bytes, &signatures, &[5; 32], None) {
        assert_eq!(area.len(), SLOT_AREA_LEN);
        let opened = slot_area::open(&area, &Trust::direct([key.public()]));
        assert_eq!(opened.map(|installed| installed.manifest), parsed);
    }
}

fn signatures(bytes: &[u8]) {
    let mut area = bytes.to_vec();
    area.resize(SIGNATURES_LEN, 0);
    if let Ok(signatures) = SignatureArea::parse(&area) {
        assert_eq!(signatures.encode(), area, "one encoding");
        let ids = signatures.signatures().iter().map(|there| there.key);
        assert!(ids.is_sorted());
    }
    assert!(SignatureArea::parse(bytes).is_err() || bytes.len() == SIGNATURES_LEN);
}

fn area(bytes: &[u8]) {
    let mut area = bytes.to_vec();
    area.resize(SLOT_AREA_LEN, 0);
    if let Ok(installed) = slot_area::open(&area, &Trust::direct([key().public()])) {
        let manifest = installed.manifest.encode().unwrap();
        assert_eq!(digest(&manifest), installed.digest);
    }
}
