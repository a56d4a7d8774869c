//! The key set, bare and with the signatures of root keys.

use super::draft::key;
use super::input::Input;
use images::digest;
use images::key_set::{KEY_SET_LEN, KeySet, SignedKeySet, tbs};
use images::signature::Signature;

/// Any bytes give an answer; what is accepted has one encoding, and a threshold that
/// its keys can reach.
pub fn keyset(data: &[u8]) {
    let mut input = Input(data);
    match input.u8() % 2 {
        0 => body(input.0),
        _ => signed(input.0),
    }
}

fn body(bytes: &[u8]) {
    let Ok(set) = KeySet::parse(bytes) else {
        return;
    };
    assert_eq!(set.encode().as_deref(), Ok(bytes), "one encoding");
    assert!((1..=set.keys.len()).contains(&(set.threshold as usize)));
    assert!(set.epoch > 0);
    let both = |key| set.keys.contains(key);
    assert!(!set.order_keys.iter().any(both), "one key for either");
    let root = key();
    let mut signed = SignedKeySet::new(set).unwrap();
    let signature = Signature {
        key: root.public().id(),
        bytes: root.sign(&tbs(&digest(bytes))),
    };
    signed.signatures.insert(signature).unwrap();
    let whole = signed.encode().unwrap();
    assert_eq!(SignedKeySet::parse(&whole), Ok(signed));
}

fn signed(bytes: &[u8]) {
    if let Ok(signed) = SignedKeySet::parse(bytes) {
        assert_eq!(signed.encode().as_deref(), Ok(bytes), "one encoding");
        assert!(KEY_SET_LEN.contains(&bytes.len()));
    }
}
