//! The inputs of the golden image, as `docs/image-format.md` describes them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use images::build::{Boot, Inputs};
use images::key::SecretKey;
use images::key_set::{KeySet, SignedKeySet};

/// The key that signs the golden image.
pub fn key() -> SecretKey {
    SecretKey::from_seed(&[0x42; 32])
}

/// The golden key set: epoch 7, two of three release keys, signed by two root keys.
pub fn key_set() -> Option<SignedKeySet> {
    key_set_of(7, &[])
}

/// The golden key set of format 2: epoch 8, the same with two order keys.
pub fn key_set_with_orders() -> Option<SignedKeySet> {
    key_set_of(8, &[0x71, 0x72])
}

fn key_set_of(epoch: u64, orders: &[u8]) -> Option<SignedKeySet> {
    let key = |seed: &u8| SecretKey::from_seed(&[*seed; 32]);
    let public = |seeds: &[u8]| seeds.iter().map(|seed| key(seed).public()).collect();
    let set = KeySet {
        epoch,
        threshold: 2,
        keys: public(&[0x51, 0x52, 0x53]),
        order_keys: public(orders),
    };
    let [first, second, _] = ROOTS.map(|seed| key(&seed));
    SignedKeySet::create(set, &[first, second]).ok()
}

/// What the root keys derive from; the third does not sign.
pub const ROOTS: [u8; 3] = [0x61, 0x62, 0x63];

/// The inputs of the image in format 3: those of the golden image with this root, an
/// erofs, and the golden key set; signed by two of its release keys and by the golden key.
pub fn with_key_set(directory: &Path, rootfs: &Path) -> io::Result<Inputs> {
    let [first, second] = [0x51, 0x52].map(|seed| SecretKey::from_seed(&[seed; 32]));
    Ok(Inputs {
        rootfs: rootfs.into(),
        version: "2:1.0".into(),
        revoke_below: 3,
        keys: vec![key(), first, second],
        key_set: key_set(),
        ..write(directory)?
    })
}

/// Writes the input files into `directory`.
pub fn write(directory: &Path) -> io::Result<Inputs> {
    let put = |name: &str, bytes: &[u8]| -> io::Result<PathBuf> {
        let path = directory.join(name);
        fs::write(&path, bytes)?;
        Ok(path)
    };
    // The number of the 4 KiB block, in its low byte, over and over.
    let rootfs: Vec<u8> = (0..258_u32)
        .flat_map(|block| [block.to_le_bytes()[0]; 4096])
        .take(1_053_576)
        .collect();
    let mut kernel = vec![0; 4097];
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"kernel");
    hasher.finalize_xof().fill(&mut kernel);
    Ok(Inputs {
        rootfs: put("rootfs", &rootfs)?,
        boot: Boot::Kernel {
            kernel: put("kernel", &kernel)?,
            initrd: Some(put("initrd", b"initrd")?),
        },
        cmdline: "root=PARTUUID={slot} ro".into(),
        compatible: "golden".into(),
        version: "1:2.0~rc1-3".into(),
        security_version: 7,
        revoke_below: 0,
        watchdog_seconds: 30,
        keys: vec![key()],
        key_set: None,
        bootshim: None,
    })
}
