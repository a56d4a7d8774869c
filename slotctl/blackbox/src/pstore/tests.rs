#![allow(
    clippy::unwrap_used,
    reason = "in a test, that is a failure that is seen"
)]

use super::*;
use std::time::Duration;

struct Place {
    root: tempfile::TempDir,
    pstore: Pstore,
}

fn place() -> Place {
    let root = tempfile::tempdir().unwrap();
    let pstore = Pstore::at(root.path());
    let place = Place { root, pstore };
    fs::create_dir_all(place.pstore.directory()).unwrap();
    place
}

impl Place {
    fn file(&self, name: &str, seconds: u64, text: impl AsRef<[u8]>) {
        let path = self.pstore.directory().join(name);
        fs::write(&path, text).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000 + seconds);
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(time).unwrap();
    }

    fn system(&self, path: &str, text: &str) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let files = self.pstore.files("").unwrap();
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        files.iter().map(name).collect()
    }
}

/// As efi_pstore names them: time, part and count in one number.
#[test]
fn the_parts_of_a_report_are_put_together_in_the_order_of_what_happened() {
    let place = place();
    for (part, seconds, text) in [
        (
            1,
            0,
            "[    9.3] Kernel panic - not syncing: no init\n[    9.4] ---[ end ]---\n",
        ),
        (2, 0, "[    9.2] Run /sbin/init\n"),
        (3, 1, "[    9.1] VFS: Mounted root\n"),
    ] {
        let name = format!("dmesg-efi_pstore-1795000000{part:02}001");
        place.file(&name, seconds, format!("Panic#1 Part{part}\n{text}"));
    }
    let left = place.pstore.left().unwrap();
    let [dump] = left.dumps.as_slice() else {
        unreachable!("{left:#?}")
    };
    assert_eq!(
        (dump.name.as_str(), dump.time.as_str()),
        ("Panic#1", "2026-11-18T11:06:40Z")
    );
    assert_eq!(
        dump.lines,
        [
            "[    9.1] VFS: Mounted root",
            "[    9.2] Run /sbin/init",
            "[    9.3] Kernel panic - not syncing: no init",
            "[    9.4] ---[ end ]---"
        ]
    );
}

#[test]
fn an_oops_and_the_panic_after_it_are_two_reports_and_so_are_those_of_two_starts() {
    let place = place();
    place.file("dmesg-efi-1", 0, "Oops#1 Part1\nBUG: unable to handle\n");
    place.file("dmesg-efi-2", 0, "Panic#2 Part1\nKernel panic\n");
    place.file("dmesg-efi-3", 60, "Panic#2 Part2\nearlier\n");
    place.file("dmesg-efi-4", 60, "Panic#2 Part1\nlater\n");
    let dumps = place.pstore.left().unwrap().dumps;
    let said: Vec<_> = dumps
        .iter()
        .map(|d| (d.name.as_str(), d.lines.join("/")))
        .collect();
    let expected = [
        ("Oops#1", "BUG: unable to handle".to_owned()),
        ("Panic#2", "Kernel panic".to_owned()),
        ("Panic#2", "earlier/later".to_owned()),
    ];
    assert_eq!(said, expected);
}

#[test]
fn a_report_without_a_head_or_that_cannot_be_unpacked_is_there_all_the_same() {
    let place = place();
    place.file("dmesg-ramoops-0", 0, b"\xff\x00binary");
    place.file("dmesg-ramoops-1.enc.z", 1, b"\x78\x01packed");
    place.file("dmesg-ramoops-2", 2, "");
    let dumps = place.pstore.left().unwrap().dumps;
    assert_eq!(dumps.len(), 3);
    assert_eq!(dumps.first().unwrap().lines, ["\u{fffd}\\u{0}binary"]);
    let packed = dumps.get(1).unwrap();
    assert!(
        packed.lines.join("").contains("cannot unpack"),
        "{packed:?}"
    );
}

#[test]
fn only_what_was_read_is_removed() {
    let place = place();
    place.file("dmesg-ramoops-0", 0, "Panic#1 Part1\nx\n");
    place.file(
        "console-ramoops-0",
        0,
        "systemd[1]: Starting\x1b[0m\nhangs here\n",
    );
    let left = place.pstore.left().unwrap();
    place.file(
        "dmesg-ramoops-1",
        9,
        "Oops#1 Part1\nof the system that runs\n",
    );
    place.pstore.remove(&left).unwrap();
    assert_eq!(place.names(), ["console-ramoops-0", "dmesg-ramoops-1"]);
    place.pstore.remove(&left).unwrap();
    let console = ["systemd[1]: Starting\\u{1b}[0m", "hangs here"];
    assert_eq!(place.pstore.console(), console);
}

#[test]
fn where_a_kernel_leaves_nothing_it_is_said_why() {
    let place = place();
    let backend = "sys/module/pstore/parameters/backend";
    let why = || place.pstore.absent();
    assert_eq!(why().as_deref(), Some("this kernel has no pstore"));
    place.system(backend, "(null)\n");
    assert!(why().is_some_and(|why| why.contains("no driver of a pstore is loaded")));
    place.system(backend, "efi_pstore\n");
    assert!(why().is_some_and(|why| why.contains("not mounted")));
    place.system(
        "proc/self/mounts",
        "sysfs /sys sysfs rw 0 0\npstore /sys/fs/pstore pstore rw,nosuid 0 0\n",
    );
    assert_eq!(why(), None);
    fs::remove_dir(place.pstore.directory()).unwrap();
    assert_eq!(place.pstore.left().unwrap(), Left::default());
}
