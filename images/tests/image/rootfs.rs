//! The file of a root filesystem, looked into as it lies there.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use images::rootfs::{self, Found};

use crate::sample::{Sample, noise};

/// How each kind of root is made of the folder `tree`.
const KINDS: [&str; 6] = [
    "mkfs.erofs root tree",
    "mke2fs -t ext4 -O ^has_journal -d tree root 1M",
    "mksquashfs tree root",
    "mksquashfs tree root -comp xz -b 4096",
    "mksquashfs tree root -comp zstd -no-fragments",
    "mksquashfs tree root -comp lz4 -noI -noD -noF",
];

/// A root of this kind, made of a few files.
fn made(sample: &Sample, words: &str) -> Vec<u8> {
    let tree = sample.path("tree");
    if !tree.exists() {
        fs::create_dir_all(tree.join("etc/empty")).unwrap();
        fs::write(tree.join("etc/text"), "some words\n".repeat(9)).unwrap();
        fs::write(tree.join("etc/long"), noise("long", 20_000)).unwrap();
        fs::write(tree.join("etc/none"), "").unwrap();
        std::os::unix::fs::symlink("../etc", tree.join("link")).unwrap();
    }
    let _ = fs::remove_file(sample.path("root"));
    let mut words = words.split_whitespace();
    let mut make = Command::new(words.next().unwrap());
    make.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .args(words);
    let made = make.current_dir(sample.path("")).output();
    let made = made.expect("erofs-utils, e2fsprogs, squashfs-tools");
    assert!(made.status.success(), "{made:?}");
    fs::read(sample.path("root")).unwrap()
}

#[test]
fn a_root_has_what_it_was_made_of() {
    let sample = Sample::small();
    for kind in KINDS {
        made(&sample, kind);
        let root = rootfs::open(&sample.path("root")).unwrap().unwrap();
        let find = |path: &str| root.find(Path::new(path)).unwrap();
        assert_eq!(find("/"), Some(Found::Folder), "{kind}");
        assert_eq!(find("/etc/empty"), Some(Found::Folder), "{kind}");
        assert_eq!(find("/etc/long"), Some(Found::File(20_000)), "{kind}");
        assert_eq!(find("/link"), Some(Found::Link("../etc".into())), "{kind}");
        assert_eq!(find("/etc/other"), None, "{kind}");
        assert_eq!(find("/etc/text/more"), None, "{kind}");
        let mut names = root.names(Path::new("/etc")).unwrap();
        names.sort();
        assert_eq!(names, ["empty", "long", "none", "text"], "{kind}");
        assert!(root.names(Path::new("/etc/empty")).unwrap().is_empty());
        for name in ["etc/text", "etc/long", "etc/none"] {
            let bytes = root.read(&Path::new("/").join(name)).unwrap();
            assert!(
                bytes == fs::read(sample.path("tree").join(name)).unwrap(),
                "{kind}: {name}"
            );
        }
        assert!(root.read(Path::new("/etc")).is_err(), "{kind}");
        assert!(root.names(Path::new("/etc/text")).is_err(), "{kind}");
    }
}

#[test]
fn a_root_that_is_damaged_or_cut_is_looked_into_as_far_as_it_goes() {
    let sample = Sample::small();
    let damaged = sample.path("root");
    let look = || {
        // What it says is not the point: it says something, and comes to an end.
        let Ok(Some(root)) = rootfs::open(&damaged) else {
            return;
        };
        for path in ["/etc", "/etc/text", "/etc/long", "/link"].map(Path::new) {
            let _ = root.find(path);
            let _ = root.names(path);
            let _ = root.read(path);
        }
    };
    for kind in KINDS {
        let whole = made(&sample, kind);
        let file = File::options().write(true).open(&damaged).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 1500 + 1) {
            file.write_all_at(&[!whole[at]], at as u64).unwrap();
            look();
            file.write_all_at(&[whole[at]], at as u64).unwrap();
        }
        for length in (0..whole.len()).rev().step_by(whole.len() / 100 + 1) {
            file.set_len(length as u64).unwrap();
            look();
        }
    }
}
