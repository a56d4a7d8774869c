//! A disk on which firmware starts shim, and shim bootshim, as threats.md describes it.

use crate::bench::{Bench, handover, range};
use crate::ran::says;
use controller::code::Code;
use controller::disk::Disk;
use controller::running::Running;
use fatfs::{FileSystem, FsOptions};
use std::fs;
use std::io::{Cursor, Read, Write};

const BOOTSHIM: &str = "EFI/BOOT/BOOTX64.EFI";
const BEHIND_SHIM: &str = "EFI/BOOT/grubx64.efi";

/// Changes files on the ESP as another system would.
fn on_the_esp(bench: &Bench, change: impl FnOnce(&fatfs::Dir<'_, Cursor<&mut [u8]>>)) {
    let disk = Disk::open(&bench.file("disk.img")).unwrap();
    let esp = range(disk.layout().esp.as_ref().unwrap());
    bench.change("disk.img", |bytes| {
        let esp = Cursor::new(&mut bytes[esp]);
        let filesystem = FileSystem::new(esp, FsOptions::new()).unwrap();
        change(&filesystem.root_dir());
        filesystem.unmount().unwrap();
    });
}

/// Any other PE program stands for shim: bootshim without a section for keys.
fn put_shim_first(bench: &Bench) {
    on_the_esp(bench, |root| {
        let mut bootshim = Vec::new();
        root.open_file(BOOTSHIM)
            .unwrap()
            .read_to_end(&mut bootshim)
            .unwrap();
        root.create_file(BEHIND_SHIM)
            .unwrap()
            .write_all(&bootshim)
            .unwrap();
        let name = bootshim
            .windows(8)
            .position(|bytes| bytes == b".slotkey")
            .unwrap();
        bootshim[name + 1] = b'x';
        root.create_file(BOOTSHIM)
            .unwrap()
            .write_all(&bootshim)
            .unwrap();
    });
}

#[test]
fn with_shim_first_the_disk_is_updated_like_any_other() {
    let bench = Bench::new();
    put_shim_first(&bench);
    bench.next_install_works();
    let ran = bench.does("--disk disk.img status");
    assert_eq!(ran.stderr, "");
}

#[test]
fn with_shim_first_nothing_that_an_image_brings_takes_the_place_of_shim() {
    let bench = Bench::new();
    put_shim_first(&bench);
    bench.does("key generate --out spare");
    bench.does("bootshim trust BOOTX64.EFI --trust ours.pub --trust spare.pub --out new.efi");
    bench.does("image build --rootfs root2 --kernel kernel --cmdline quiet --compatible plc-4 \
             --version v5 --security-version 1 --bootshim new.efi --key ours.key --out brings.slotimg");
    bench.ask("install brings.slotimg");
    bench.ask("next-boot --arm");
    let trial = handover(&bench.record());
    let new = fs::read(bench.file("new.efi")).unwrap();
    let disk = Disk::open(&bench.file("disk.img")).unwrap();
    let esp = range(disk.layout().esp.as_ref().unwrap());
    let before = bench.read("disk.img")[esp.clone()].to_vec();
    let running = Running::new(&disk, &trial).started_by(Some(images::digest(&new)));
    running.confirm().unwrap();
    let error = running.renew().unwrap_err();
    assert_eq!(error.code, Code::BootshimNotRenewed);
    says(&error.found, "shim starts it here");
    assert!(before == bench.read("disk.img")[esp], "the ESP was changed");
}

#[test]
fn where_no_bootshim_can_be_read_the_keys_are_named() {
    let bench = Bench::new();
    on_the_esp(&bench, |root| root.remove(BOOTSHIM).unwrap());
    bench.refuses("install v2.slotimg", 4, "no-bootshim");
    let ran = bench.run("--disk disk.img install v2.slotimg --trust stranger.pub");
    assert_eq!(ran.status, 4, "{}", ran.stderr);
    let done = bench.ask("install --trust ours.pub v2.slotimg");
    assert_eq!(done["slot"], "b");
    assert_eq!(done["state"], "trying");
}

#[test]
fn that_named_keys_are_not_those_of_the_disk_is_said() {
    let bench = Bench::new();
    let ran =
        bench.does("--disk disk.img install strangers.slotimg --trust stranger.pub --dry-run");
    says(&ran.stderr, "trusts none of these keys");
    let ran = bench.does("--disk disk.img install v2.slotimg --trust ours.pub --dry-run");
    assert!(!ran.stderr.contains("trusts none"), "{}", ran.stderr);
}
