//! Small images to try things on.

use std::fs;
use std::path::{Path, PathBuf};

use images::build::{Boot, Built, Inputs, build};
use images::head::Head;
use images::header::{HEADER_LEN, Header};
use images::key::SecretKey;
use images::trust::Trust;
use tempfile::TempDir;

/// The key that is trusted.
pub fn key() -> SecretKey {
    SecretKey::from_seed(&[7; 32])
}

/// A key that is not.
pub fn other_key() -> SecretKey {
    SecretKey::from_seed(&[8; 32])
}

/// Bytes that no compressor makes shorter, the same each time.
pub fn noise(seed: &str, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let mut hasher = blake3::Hasher::new();
    hasher.update(seed.as_bytes());
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

/// An archive in the format newc with one file, padded to 512 bytes.
pub fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, content) in [(name, content), ("TRAILER!!!", &[])] {
        let mut fields = [0; 13];
        (fields[6], fields[11]) = (content.len(), name.len() + 1);
        let fields: String = fields.iter().map(|field| format!("{field:08x}")).collect();
        archive.extend(format!("070701{fields}{name}\0").bytes());
        archive.resize(archive.len().next_multiple_of(4), 0);
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(4), 0);
    }
    archive.resize(archive.len().next_multiple_of(512), 0);
    archive
}

/// A directory with inputs, and room for what is built from them.
pub struct Sample {
    pub directory: TempDir,
    pub inputs: Inputs,
}

impl Sample {
    /// An erofs-like root of more than two pieces, half of it noise.
    pub fn new() -> Self {
        let mut rootfs = vec![0; 1_200_000];
        rootfs[1024..1028].copy_from_slice(&[0xe2, 0xe1, 0xf5, 0xe0]);
        rootfs.extend(noise("root", 1_100_000));
        Self::with_rootfs(&rootfs)
    }

    /// The same with a root of one short piece.
    pub fn small() -> Self {
        let mut rootfs = vec![0; 5000];
        rootfs[1024..1028].copy_from_slice(&[0xe2, 0xe1, 0xf5, 0xe0]);
        Self::with_rootfs(&rootfs)
    }

    fn with_rootfs(rootfs: &[u8]) -> Self {
        let directory = TempDir::new().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = directory.path().join(name);
            fs::write(&path, bytes).unwrap();
            path
        };
        let inputs = Inputs {
            rootfs: write("root.erofs", rootfs),
            boot: Boot::Kernel {
                kernel: write("vmlinuz", &noise("kernel", 9000)),
                initrd: Some(write("initrd", &archive("init", &[b'i'; 3500]))),
            },
            cmdline: "root=PARTUUID={slot} ro".into(),
            compatible: "plc-4".into(),
            version: "1.2.3-1".into(),
            security_version: 4,
            revoke_below: 0,
            watchdog_seconds: 0,
            keys: vec![key()],
            key_set: None,
            bootshim: None,
        };
        Self { directory, inputs }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn build(&self) -> (PathBuf, Built) {
        let out = self.path("out.slotimg");
        let built = build(&self.inputs, &out, &|_, _| {}).unwrap();
        (out, built)
    }

    /// The bytes of the built image.
    pub fn bytes(&self) -> Vec<u8> {
        fs::read(self.build().0).unwrap()
    }

    /// What lies in the directory, by name.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = entries
            .map(|entry| name(entry).into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// The verified head of an image that is intact.
pub fn head_of(image: &[u8]) -> Head {
    let header = Header::parse(image).unwrap();
    let end = HEADER_LEN + header.rest_length();
    Head::open(
        &header,
        &image[HEADER_LEN..end],
        &Trust::direct([key().public()]),
    )
    .unwrap()
}

pub fn verify_file(path: &Path) -> Result<Head, images::read::ReadError> {
    let file = fs::File::open(path).unwrap();
    images::verify::verify(file, &Trust::direct([key().public()]), &|_, _| {})
}
