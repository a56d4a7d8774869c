//! Pieces end where an erofs has its files: what moved is found again.

use std::collections::HashSet;
use std::fs;
use std::process::Command;

use crate::sample::{Sample, head_of, noise};

/// An erofs of some files, made by its own tool.
fn mkfs(sample: &Sample, name: &str, files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let tree = sample.path(&format!("{name}.d"));
    fs::create_dir_all(tree.join("lib/deep")).unwrap();
    for (file, bytes) in files {
        fs::write(tree.join(file), bytes).unwrap();
    }
    let image = sample.path(name);
    let mut mkfs = Command::new("mkfs.erofs");
    let mkfs = mkfs.args(["-T1700000000", "-U00000000-0000-0000-0000-000000000001"]);
    let made = mkfs.arg(&image).arg(&tree).output().expect("erofs-utils");
    assert!(made.status.success(), "{made:?}");
    fs::read(image).unwrap()
}

fn files(count: usize) -> Vec<(String, Vec<u8>)> {
    let file = |number: usize| {
        let length = 5000 + number * 7919 % 90_000;
        let folder = ["lib", "lib/deep"][number % 2];
        let name = format!("{folder}/file-{number:03}");
        (name, noise(&number.to_string(), length))
    };
    (0..count).map(file).collect()
}

/// The hashes of an image's pieces of this root, and how long they are.
fn pieces(sample: &mut Sample, root: &[u8]) -> Vec<(images::Digest, u32)> {
    let path = sample.path("root.erofs");
    fs::write(&path, root).unwrap();
    sample.inputs.rootfs = path;
    let head = head_of(&sample.bytes());
    let pieces = head.index.pieces().iter();
    pieces.map(|piece| (piece.hash, piece.length)).collect()
}

fn shared(old: &[(images::Digest, u32)], new: &[(images::Digest, u32)]) -> u64 {
    let old: HashSet<_> = old.iter().map(|piece| piece.0).collect();
    let same = new.iter().filter(|piece| old.contains(&piece.0));
    same.map(|piece| u64::from(piece.1)).sum()
}

#[test]
fn files_that_moved_have_the_same_pieces() {
    let mut sample = Sample::small();
    let before = files(120);
    let mut after = before.clone();
    after.insert(3, ("lib/a-new-one".into(), noise("new", 70_000)));
    after.push(("lib/deep/0-another".into(), noise("another", 33_000)));
    let old = mkfs(&sample, "old", &before);
    let new = mkfs(&sample, "new", &after);
    let (old, cut) = (pieces(&mut sample, &old), pieces(&mut sample, &new));
    let found = shared(&old, &cut);
    assert!(
        found * 10 > new.len() as u64 * 8,
        "{found} of {}",
        new.len()
    );
}

#[test]
fn a_damaged_erofs_is_an_image_all_the_same() {
    let mut sample = Sample::small();
    let root = mkfs(&sample, "root", &files(12));
    // Superblock, inodes and directories: everything before the first file.
    for at in (1024..16_384).step_by(37) {
        let mut damaged = root.clone();
        for byte in &mut damaged[at..at + 3] {
            *byte = !*byte;
        }
        let sum: u64 = pieces(&mut sample, &damaged)
            .iter()
            .map(|piece| u64::from(piece.1))
            .sum();
        assert!(sum >= root.len() as u64, "{at}");
    }
}
