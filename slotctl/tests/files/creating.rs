//! Disks and images as a build pipeline makes them.

use crate::bench::{Bench, sgdisk};
use crate::samples::DISK;
use fakedisk::noise;
use std::fs;
use std::process::Command;

/// Builds version 4 under this name.
fn build(bench: &Bench, name: &str) {
    bench.does(&format!(
        "image build --rootfs root1 --kernel kernel --initrd initrd --cmdline quiet \
             --compatible plc-4 --version v4 --security-version 1 --key ours.key --out {name}"
    ));
}

#[test]
fn the_same_inputs_give_the_same_image() {
    let bench = Bench::new();
    build(&bench, "one.slotimg");
    build(&bench, "two.slotimg");
    assert!(bench.read("one.slotimg") == bench.read("two.slotimg"));
}

#[test]
fn the_same_seed_and_date_give_the_same_disk_with_its_image() {
    let bench = Bench::new();
    for name in ["one.img", "two.img"] {
        let mut command = bench.command(&DISK.replace("disk.img", name));
        let output = command.env("SOURCE_DATE_EPOCH", "1700000000").output();
        assert!(output.unwrap().status.success());
    }
    assert!(bench.read("one.img") == bench.read("two.img"));
}

#[test]
fn what_is_no_kernel_and_no_filesystem_is_a_warning() {
    let bench = Bench::new();
    let ran = bench.run(
        "image build --rootfs root1 --kernel kernel --cmdline quiet --compatible plc-4 \
         --version 4 --key ours.key --out warned.slotimg",
    );
    let said = ran.ok().stderr;
    assert!(
        said.contains("warning: kernel kernel is no PE file"),
        "{said}"
    );
    assert!(
        said.contains("warning: root filesystem root1 is neither"),
        "{said}"
    );
}

#[test]
fn an_image_is_started_by_a_kernel_or_by_a_uki_and_not_by_both_or_neither() {
    let bench = Bench::new();
    let rest = "--rootfs root1 --cmdline quiet --compatible plc-4 --version 4 --out x.slotimg";
    for starts in [
        "",
        "--kernel kernel --uki kernel",
        "--initrd initrd --uki kernel",
    ] {
        bench
            .run(&format!("image build {starts} {rest}"))
            .with_status(2);
    }
    // What is called a UKI has to be a program.
    bench
        .run(&format!("image build --uki kernel {rest}"))
        .with_status(2);
    assert!(!bench.directory().join("x.slotimg").exists());
}

#[test]
fn a_disk_is_never_made_over_a_file_that_exists() {
    let bench = Bench::new();
    let before = bench.read("disk.img");
    bench.run(&format!("--json {DISK}")).error(3, "exists");
    assert!(before == bench.read("disk.img"));
}

#[test]
fn a_disk_whose_first_image_is_refused_is_not_made() {
    let bench = Bench::new();
    for (image, status) in [("for-plc-5", 3), ("large", 3), ("strangers", 4)] {
        let words = DISK.replace("disk.img", "new.img").replace("v1", image);
        let error = bench
            .run(&format!("--json {words}"))
            .with_status(status)
            .json();
        assert_eq!(error["error"]["changed"], "no disk was made");
        assert!(!bench.directory().join("new.img").exists());
        let left = fs::read_dir(bench.directory()).unwrap().flatten();
        assert!(
            left.into_iter()
                .all(|file| !file.file_name().to_string_lossy().contains("part"))
        );
    }
}

#[test]
fn a_disk_too_small_for_its_parts_is_refused_and_not_made() {
    let bench = Bench::new();
    let words = DISK.replace("disk.img", "new.img").replace("12MiB", "9MiB");
    bench.run(&words).with_status(3);
    assert!(!bench.directory().join("new.img").exists());
}

#[test]
fn after_everything_sgdisk_and_fsck_find_nothing_to_complain_about() {
    let bench = Bench::new();
    bench.ask("install v2.slotimg");
    bench.ask("next-boot --arm");
    bench.ask("rollback");
    sgdisk(&bench, "-v");
    let esp = bench.read("disk.img")[1 << 20..3 << 20].to_vec();
    fs::write(bench.directory().join("esp"), esp).unwrap();
    let mut fsck = Command::new("fsck.vfat");
    fsck.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
    fsck.args(["-n", "esp"]).current_dir(bench.directory());
    let output = fsck.output().expect("fsck.vfat of dosfstools");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}

#[test]
fn a_disk_with_sectors_of_4096_bytes_is_installed_like_any_other() {
    let bench = Bench::new();
    let words = DISK.replace("disk.img", "large.img --sector-size 4096");
    bench.does(&words);
    fs::rename(bench.file("large.img"), bench.file("disk.img")).unwrap();
    assert_eq!(bench.ask("disk show")["sector_size"], 4096);
    bench.next_install_works();
    assert_eq!(bench.ask("next-boot --arm")["slot"], "b");
}

#[test]
fn an_image_of_many_pieces_is_installed_whole() {
    let bench = Bench::new();
    let root = noise("many pieces", 5 << 20);
    fs::write(bench.directory().join("big-root"), &root).unwrap();
    bench.does(
        "image build --rootfs big-root --kernel kernel --cmdline quiet --compatible plc-4 \
             --version v4 --security-version 1 --key ours.key --out big.slotimg",
    );
    let words = DISK.replace("disk.img --size 12MiB", "big.img --size 24MiB");
    bench.does(&words.replace("--slot-size 2MiB", "--slot-size 6MiB"));
    fs::rename(bench.file("big.img"), bench.file("disk.img")).unwrap();
    bench.ask("install big.slotimg");
    assert!(bench.read("disk.img")[bench.slot(1).start..].starts_with(&root));
    bench.on_disk("verify").ok();
}
