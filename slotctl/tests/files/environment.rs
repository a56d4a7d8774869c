//! Targets that the operating system does not let us write: read-only, full,
//! without permission, mounted.

use crate::bench::Bench;
use crate::ran::Ran;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};

/// Whether the tests run as root: a process of root's belongs to root.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Runs a shell script in the bench's folder, in mounts of its own that end
/// with it. `slotctl` in it is the one that is tested, on `disk.img`.
pub fn in_own_mounts(bench: &Bench, script: &str) -> Ran {
    let user = if is_root() { "-m" } else { "-rm" };
    let tested = format!("set -e; slotctl() {{ \"$SLOTCTL\" --json \"$@\"; }}\n{script}");
    let mut command = Command::new("unshare");
    command
        .args([user, "sh", "-c", &tested])
        .env("SLOTCTL", env!("CARGO_BIN_EXE_slotctl"))
        .current_dir(bench.directory());
    let output = command
        .stdin(Stdio::null())
        .output()
        .expect("unshare of util-linux");
    Ran::new(script, &output)
}

#[test]
fn a_read_only_target_is_refused_and_can_still_be_looked_at() {
    let bench = Bench::new();
    bench.file("v2.slotimg");
    let before = bench.read("disk.img");
    let ran = in_own_mounts(
        &bench,
        "mount --bind . . && mount -o remount,ro,bind . && cd \"$PWD\"
         slotctl --disk disk.img status >/dev/null
         slotctl --disk disk.img install v2.slotimg",
    );
    ran.error(5, "read-only");
    assert!(before == bench.read("disk.img"));
}

#[test]
fn a_full_target_ends_the_install_and_once_there_is_room_the_next_one_works() {
    let bench = Bench::new();
    bench.file("v2.slotimg");
    let before = bench.read("disk.img");
    // A sparse disk on a filesystem with room for the manifest area of a slot,
    // and not for its content.
    let ran = in_own_mounts(
        &bench,
        "mkdir small
         used=$(du -k disk.img | cut -f1)
         mount -t tmpfs -o size=$((used + 200))k none small
         cp --sparse=always disk.img small/
         status=0; slotctl --disk small/disk.img install v2.slotimg || status=$?
         cp --sparse=always small/disk.img after.img
         exit $status",
    );
    ran.error(5, "no-space");
    fs::rename(bench.file("after.img"), bench.file("disk.img")).unwrap();
    bench.only_slot_b_was_touched(&before);
    bench.next_install_works();
}

#[test]
fn without_permission_nothing_is_written_and_the_disk_can_be_looked_at() {
    let bench = Bench::new();
    let readable = |path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    readable(bench.directory().to_owned(), 0o755);
    readable(bench.file("disk.img"), 0o444);
    readable(bench.file("v2.slotimg"), 0o444);
    let before = bench.read("disk.img");
    for (words, status) in [("install v2.slotimg", 5), ("activate a", 5), ("status", 0)] {
        let ran = as_nobody(&bench, words).with_status(status);
        if status != 0 {
            assert_eq!(ran.json()["error"]["code"], "no-permission");
        }
    }
    assert!(before == bench.read("disk.img"));
}

/// Runs `slotctl` on the disk without the rights of root.
fn as_nobody(bench: &Bench, words: &str) -> Ran {
    if !is_root() {
        return bench.on_disk(words);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    command
        .arg(env!("CARGO_BIN_EXE_slotctl"))
        .args(["--disk", "disk.img", "--json"]);
    command
        .args(words.split_whitespace())
        .current_dir(bench.directory());
    Ran::new(words, &command.output().expect("setpriv of util-linux"))
}

#[test]
#[ignore = "mounting needs root and loop devices"]
fn a_target_that_is_mounted_is_refused() {
    let bench = Bench::new();
    bench.file("v2.slotimg");
    let b = bench.slot(1);
    let ran = in_own_mounts(
        &bench,
        &format!(
            "export PATH=$PATH:/usr/sbin:/sbin
             truncate -s {len} filesystem; mkfs.ext4 -q filesystem
             dd if=filesystem of=disk.img bs=4096 seek={block} conv=notrunc 2>/dev/null
             mkdir mounted; mount -o ro,loop,offset={start},sizelimit={len} disk.img mounted
             cp --sparse=always disk.img before.img
             slotctl --disk disk.img install v2.slotimg",
            len = b.len(),
            block = b.start / 4096,
            start = b.start,
        ),
    );
    let error = ran.error(3, "mounted");
    assert_eq!(error["changed"], "nothing was written");
    assert!(bench.read("before.img") == bench.read("disk.img"));
    bench.next_install_works();
}
