//! Small signed images, and what goes into them.

use images::build::{Boot, Inputs, build};
use images::key::SecretKey;
use std::fs;
use std::path::{Path, PathBuf};

/// What an image with this version is built from: root, kernel, and an initial RAM
/// disk unless that is empty, as files in a directory.
#[must_use]
pub fn inputs(directory: &Path, version: u8, pieces: [&[u8]; 3]) -> Inputs {
    let names = ["root", "kernel", "initrd"];
    let [rootfs, kernel, initrd] = names.map(|name| directory.join(format!("{name}-{version}")));
    for (path, bytes) in [&rootfs, &kernel, &initrd].into_iter().zip(pieces) {
        fs::write(path, bytes).unwrap();
    }
    let initrd = (!pieces[2].is_empty()).then_some(initrd);
    Inputs {
        rootfs,
        boot: Boot::Kernel { kernel, initrd },
        cmdline: "ro".into(),
        compatible: "plc".into(),
        version: version.to_string(),
        security_version: 1,
        revoke_below: 0,
        watchdog_seconds: 0,
        keys: vec![key(7)],
        key_set: None,
        bootshim: None,
    }
}

/// The file of the image that is built from them, beside them.
#[must_use]
pub fn image(inputs: &Inputs) -> PathBuf {
    let name = format!("v{}.slotimg", inputs.version);
    let out = inputs.rootfs.with_file_name(name);
    build(inputs, &out, &|_, _| {}).unwrap();
    out
}

/// The secret key that is made from this seed.
#[must_use]
pub fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

/// Bytes that pack to nothing less, others for each name.
#[must_use]
pub fn noise(name: &str, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let mut seed = blake3::Hasher::new();
    seed.update(name.as_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}
