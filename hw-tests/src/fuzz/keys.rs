//! Key files.

use super::scratch::Scratch;
use images::key::{KeyError, PublicKey, SecretKey};

/// Any file gives an answer; a key that was read is written and read back the
/// same; and a public key that is taken is no weak one.
pub fn keys(data: &[u8]) {
    Scratch::with(|scratch| {
        let file = scratch.file("key", data);
        match SecretKey::load(&file) {
            Ok(key) => {
                let copy = scratch.free("copy");
                key.save_new(&copy).unwrap();
                let again = SecretKey::load(&copy).unwrap();
                assert_eq!(again.public(), key.public());
                assert!(key.public().verifies(b"x", &again.sign(b"x")));
            }
            Err(error) => assert!(matches!(error, KeyError::NotAKey { .. }), "{error}"),
        }
        match PublicKey::load(&file) {
            Ok(key) => {
                let copy = scratch.free("copy");
                key.save_new(&copy).unwrap();
                assert_eq!(PublicKey::load(&copy).unwrap(), key);
                assert_eq!(PublicKey::from_bytes(&key.to_bytes()), Ok(key));
            }
            Err(error) => assert!(matches!(error, KeyError::NotAKey { .. }), "{error}"),
        }
    });
}
