//! The verity tree: that of `veritysetup`, byte for byte, and that of the root.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use images::header::{HEADER_LEN, Header};
use images::manifest::{Kind, Manifest};
use images::read::ReadError;
use images::signature::{SIGNATURES_LEN, Signature, SignatureArea, tbs};
use images::trust::Trust;
use images::verify::verify;
use images::verity::{Salted, Shape, Tree, salt};
use images::{Digest, Refused, digest};

use crate::sample::{Sample, head_of, key, noise};

const SALT: [u8; 32] = [0x5a; 32];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn tree(root: &[u8], salt: [u8; 32]) -> Tree {
    let salted = Salted::new(salt);
    Tree::above(&salted, &salted.hashes(root))
}

fn veritysetup(words: &[&str]) -> Output {
    let mut command = Command::new("veritysetup");
    command.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
    let output = command.args(words).output();
    output.expect("veritysetup, of the package cryptsetup-bin")
}

fn name(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_tree_is_byte_for_byte_that_of_veritysetup() {
    let sample = Sample::small();
    let (root, theirs) = (sample.path("root"), sample.path("tree"));
    // One block has no level at all; 16385 have three.
    for blocks in [1, 2, 128, 129, 16384, 16385] {
        let mut content = noise("root", 4096 * 3);
        content.resize(4096 * blocks, 0);
        fs::write(&root, &content).unwrap();
        let _ = fs::remove_file(&theirs);
        let salt = format!("--salt={}", hex(&SALT));
        let uuid = "--uuid=00000000-0000-0000-0000-000000000000";
        let made = veritysetup(&["format", &salt, uuid, name(&root), name(&theirs)]);
        assert!(made.status.success(), "{made:?}");
        let ours = tree(&content, SALT);
        let said = String::from_utf8(made.stdout).unwrap();
        assert!(said.contains(&hex(&ours.verity.root_hash)), "{said}");
        let mut bytes = fs::read(&theirs).unwrap();
        // For one block it writes the superblock and no more.
        bytes.resize(bytes.len().next_multiple_of(4096), 0);
        assert!(bytes == ours.bytes, "{blocks} blocks");
    }
}

#[test]
fn veritysetup_agrees_that_the_tree_is_that_of_the_root() {
    let sample = Sample::new();
    let (root, file) = (sample.path("root"), sample.path("tree"));
    let mut content = fs::read(&sample.inputs.rootfs).unwrap();
    content.resize(content.len().next_multiple_of(4096), 0);
    fs::write(&root, &content).unwrap();
    let made = tree(&content, salt("plc-4"));
    fs::write(&file, &made.bytes).unwrap();
    let agrees = |hash: &Digest| {
        let hash = hex(hash);
        let output = veritysetup(&["verify", name(&root), name(&file), &hash]);
        output.status.success()
    };
    assert!(agrees(&made.verity.root_hash));
    assert!(!agrees(&[1; 32]));
    content[1_700_000] ^= 1;
    fs::write(&root, &content).unwrap();
    assert!(!agrees(&made.verity.root_hash));
}

#[test]
fn every_image_has_the_tree_of_its_root_and_binds_it() {
    for sample in [Sample::new(), Sample::small()] {
        let manifest = sample.build().1.manifest;
        let root = fs::read(&sample.inputs.rootfs).unwrap();
        let tree = tree(&root, salt("plc-4"));
        assert_eq!(manifest.verity, Some(tree.verity));
        let payload = manifest.payload(Kind::Verity).unwrap();
        assert_eq!(payload.hash, digest(&tree.bytes));
        assert_eq!(payload.length, Shape::over(root.len() as u64).length());
        let behind = (root.len() as u64).next_multiple_of(4096);
        assert_eq!(payload.offset, behind, "the tree lies behind its root");
    }
}

#[test]
fn a_salt_is_that_of_the_machines_and_stays_from_version_to_version() {
    let mut sample = Sample::small();
    let before = sample.build().1.manifest.verity;
    sample.inputs.version = "2.0".into();
    assert_eq!(sample.build().1.manifest.verity, before);
    sample.inputs.compatible = "plc-5".into();
    assert_ne!(sample.build().1.manifest.verity, before);
}

/// The image with another manifest, of the same length, signed anew.
fn with_manifest(image: &[u8], change: impl FnOnce(&mut Manifest)) -> Vec<u8> {
    let head = head_of(image);
    let mut manifest = head.manifest.clone();
    change(&mut manifest);
    let bytes = manifest.encode().unwrap();
    let mut area = SignatureArea::default();
    area.insert(Signature {
        key: key().public().id(),
        bytes: key().sign(&tbs(&digest(&bytes), &head.table_digest)),
    })
    .unwrap();
    let behind = HEADER_LEN + SIGNATURES_LEN + bytes.len();
    let header = &image[..HEADER_LEN];
    Header::parse(header).unwrap();
    [header, &area.encode(), &bytes, &image[behind..]].concat()
}

#[test]
fn an_image_whose_root_hash_or_tree_is_not_that_of_its_root_is_refused() {
    for sample in [Sample::new(), Sample::small()] {
        let image = sample.bytes();
        let check =
            |image: &[u8]| verify(image, &Trust::direct([key().public()]), &|_, _| {}).map(drop);
        check(&with_manifest(&image, |_| ())).unwrap();
        let other = with_manifest(&image, |manifest| {
            manifest.verity.as_mut().unwrap().root_hash[0] ^= 1;
        });
        let refused = check(&other).unwrap_err();
        assert!(matches!(refused, ReadError::Refused(Refused::OtherTree)));
        let other = with_manifest(&image, |manifest| {
            manifest.verity.as_mut().unwrap().salt[0] ^= 1;
        });
        assert!(matches!(
            check(&other),
            Err(ReadError::Refused(Refused::OtherTree))
        ));
    }
}
