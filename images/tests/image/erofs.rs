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
        // Its length is another promise, which is kept before.
        damaged[1024 + 12] = root[1024 + 12];
        damaged[1024 + 36..1024 + 40].copy_from_slice(&root[1024 + 36..1024 + 40]);
        let sum: u64 = pieces(&mut sample, &damaged)
            .iter()
            .map(|piece| u64::from(piece.1))
            .sum();
        assert!(sum >= root.len() as u64, "{at}");
    }
}

/// An erofs of directories, each of which says that it is as long as all of the root, and
/// names so many others.
fn maze(directories: usize) -> Vec<u8> {
    const BLOCK: usize = 4096;
    let inodes = BLOCK;
    let names = (inodes + directories * 32).next_multiple_of(BLOCK);
    let length = 64 << 20;
    let mut root = vec![0; length];
    root[1024..1028].copy_from_slice(&[0xe2, 0xe1, 0xf5, 0xe0]);
    root[1024 + 12] = 12;
    // Inodes from the second block on; the root directory is the first.
    root[1024 + 40] = 1;
    for number in 0..directories {
        let at = inodes + 32 * number;
        root[at + 4..at + 6].copy_from_slice(&0o040_755_u16.to_le_bytes());
        let size = (length - names) as u32;
        root[at + 8..at + 12].copy_from_slice(&size.to_le_bytes());
        root[at + 16..at + 20].copy_from_slice(&((names / BLOCK) as u32).to_le_bytes());
    }
    let mut number = 0_u64;
    for block in root[names..].chunks_exact_mut(BLOCK) {
        for entry in block.chunks_exact_mut(12) {
            entry[..8].copy_from_slice(&(number % directories as u64).to_le_bytes());
            // The first name of each block would lie behind the entries.
            entry[8..10].copy_from_slice(&4092_u16.to_le_bytes());
            number += 1;
        }
    }
    root
}

#[test]
fn a_crafted_erofs_is_not_walked_for_ever() {
    // Each directory is read once; all of them would be 3 TB.
    let mut sample = Sample::small();
    let root = maze(50_000);
    let cut = pieces(&mut sample, &root);
    assert_eq!(
        cut[0].1,
        images::PIECE_MAX,
        "cut as one that cannot be walked"
    );
}
