//! The hooks for an initramfs that the package slotctl-initramfs brings, in initrds that
//! Debian's own tools made of them.

use super::{PIPELINE, initramfs_with, slot};
use hw_tests::damage;
use hw_tests::machine::{Cause, Machine, Position, target};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// As docs/production.md has it.
const COMMAND_LINE: &str = "root=/dev/mapper/slotctl-root rootfstype=erofs ro \
    console=ttyS0 panic=0 mitigations=off cryptomgr.notests";

/// A disk with version 1 good in slot a, and on trial in slot b version 6, which is
/// the root of version 2 with this kernel and initrd.
fn disk(name: &str, kernel: &str, initrd: &Path) -> PathBuf {
    disk_with(name, kernel, initrd, &[])
}

/// The same with these words for `image build`.
fn disk_with(name: &str, kernel: &str, initrd: &Path, more: &[&str]) -> PathBuf {
    let (image, disk) = (format!("{name}.slotimg"), format!("{name}.img"));
    let initrd = initrd.display().to_string();
    let bootshim = target().join("bootshim/BOOTX64.EFI").display().to_string();
    let root = PIPELINE.part("root-v2.erofs");
    #[rustfmt::skip]
    let build = [
        &["image", "build", "--rootfs", &root, "--kernel", kernel,
          "--initrd", &initrd, "--cmdline", COMMAND_LINE, "--compatible", "demo-plc",
          "--version", "6.0", "--key", "release.key", "--out", &image] as &[&str],
        more,
    ].concat();
    #[rustfmt::skip]
    let commands = [
        &build as &[&str],
        &["disk", "create", &disk, "--size", "1GiB", "--bootshim", &bootshim,
          "--trust", "release.pub", "--image", "v1.slotimg"],
        &["--disk", &disk, "install", &image],
    ];
    for words in commands {
        PIPELINE.slotctl(words).unwrap();
    }
    PIPELINE.directory().join(disk)
}

/// The same with an initrd that this tool made (`make target/initrds/dracut.img`).
fn disk_of(tool: &str, name: &str, more: &[&str]) -> PathBuf {
    let made = target().join("initrds");
    let kernel = made.join("vmlinuz").display().to_string();
    disk_with(name, &kernel, &made.join(format!("{tool}.img")), more)
}

/// A machine that starts slot b of `disk` on trial. Debian's initrds have 140 MB.
fn started(name: &str, disk: &Path) -> Machine {
    let mut machine = Machine::new(name).disk(disk).memory(512).start().unwrap();
    machine.says("starting slot b, version 6.0, as trial");
    machine
}

/// The trial comes as far as to production's watch, on a root that is read through
/// dm-verity, and no watchdog was armed that nobody would have petted.
fn opens_the_root(name: &str, disk: &Path) {
    let mut machine = started(name, disk);
    let verified = "slot b, version 6.0, verified as it is read";
    machine.says(verified);
    machine.says("slotctl watch: on trial");
    let said = machine.lines_since(Position::default());
    let armed = said.iter().find(|line| line.text.contains("armed"));
    assert!(armed.is_none(), "{armed:?}");
    let device = "$(awk '$5 == \"/\" { print $3 }' /proc/self/mountinfo)";
    let root = machine.run(&format!("cat /sys/dev/block/{device}/dm/name"));
    assert_eq!(root.unwrap().stdout, "slotctl-root\n");
    let seen = machine.status().unwrap();
    assert_eq!(seen["running"], "b", "{seen}");
}

#[test]
fn the_hook_for_initramfs_tools_opens_the_root() {
    let disk = disk_of("initramfs-tools", "initramfs-tools", &[]);
    opens_the_root("initramfs-tools", &disk);
}

#[test]
fn the_hook_for_dracut_opens_the_root() {
    let disk = disk_of("dracut", "dracut", &[]);
    opens_the_root("dracut", &disk);
}

#[test]
fn an_initrd_of_modules_that_are_listed_opens_the_root() {
    let made = target().join("initrds");
    let length = |name| fs::metadata(made.join(name)).unwrap().len();
    assert!(length("list.img") < length("initramfs-tools.img") / 2);
    let disk = disk_of("list", "list", &[]);
    opens_the_root("list", &disk);
}

/// The driver gets the period of the image, before udev loads it with its own, and the
/// device is open before anybody has petted it.
fn opens_the_watchdog(tool: &str) {
    let name = format!("{tool}-watchdog");
    let disk = disk_of(tool, &name, &["--watchdog", "120s"]);
    let mut machine = started(&name, &disk);
    machine.says("watchdog i6300esb armed and locked, 120 s");
    machine.says("slotctl: watchdog i6300esb opened, 120 s");
    machine.says("verified as it is read");
    machine.says("slotctl watch: on trial");
    let first = machine.run("cd /sys/class/watchdog/watchdog0; cat identity state");
    assert_eq!(first.unwrap().stdout, "i6300ESB timer\nactive\n");
}

#[test]
fn the_hook_for_initramfs_tools_opens_the_watchdog() {
    opens_the_watchdog("initramfs-tools");
}

#[test]
fn the_hook_for_dracut_opens_the_watchdog() {
    opens_the_watchdog("dracut");
}

#[test]
fn the_hook_of_an_initrd_of_listed_modules_opens_the_watchdog() {
    opens_the_watchdog("list");
}

/// LVM gives our name to a volume `root` of a group `slotctl`, on whatever disk. Here
/// it leads to the root of the slot, past dm-verity.
#[test]
fn the_hook_for_dracut_takes_nothing_else_that_has_the_name_of_our_root() {
    let hook = "usr/lib/dracut/hooks/initqueue/settled/05-other.sh";
    let folder = PIPELINE.directory().join("other-root-initrd");
    let hook = folder.join(hook);
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    let other = "mkdir -p /dev/mapper\n\
        [ -e /dev/mapper/slotctl-root ] || ln -s ../vda4 /dev/mapper/slotctl-root\n";
    fs::write(&hook, other).unwrap();
    let (made, initrd) = (target().join("initrds"), folder.with_extension("img"));
    let words = format!(
        "{{ find usr | cpio -o -H newc --quiet; cat {}/dracut.img; }} >{}",
        made.display(),
        initrd.display()
    );
    let mut packing = Command::new("sh");
    let packing = packing.args(["-c", &words]).current_dir(&folder).status();
    assert!(packing.unwrap().success());
    let kernel = made.join("vmlinuz").display().to_string();
    opens_the_root("other-root", &disk("other-root", &kernel, &initrd));
}

#[test]
fn the_lines_for_an_initramfs_of_your_own_open_the_root() {
    let init = "#!/bin/sh\n\
        /bin/busybox mount -t devtmpfs dev /dev\n\
        mount -t proc proc /proc\n\
        mount -t sysfs sys /sys\n\
        mount -t tmpfs -o mode=755 run /run\n\
        for driver in virtio_pci virtio_blk crc32c_generic erofs ext4; do modprobe $driver; done\n";
    let hook = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../slotctl/dist/bare/open-root.sh"
    );
    let hook = fs::read_to_string(hook).unwrap();
    let on = "for mount in dev proc run sys; do mount -o move /$mount /newroot/$mount; done\n\
        exec switch_root /newroot /sbin/init\n";
    let initrd = initramfs_with(&PIPELINE, &format!("{init}{hook}{on}"), "bare-initrd");
    let disk = disk("bare", &PIPELINE.part("vmlinuz"), &initrd);
    opens_the_root("bare", &disk);
}

#[test]
fn a_trial_whose_root_is_damaged_is_left_by_the_hook_for_initramfs_tools() {
    let disk = disk_of("initramfs-tools", "damaged-trial", &[]);
    damage::flip(&disk, slot("b"), 2_048_000).unwrap();
    let mut machine = started("damaged-trial", &disk);
    machine.says("the block at 2048000 is not the one that was signed");
    machine.restarts(Cause::Reboot);
    machine.says("starting slot a, version 1.0, as good");
    let seen = machine.status().unwrap();
    assert_eq!(seen["running"], "a", "{seen}");
    assert_eq!(seen["slots"][1]["state"], "bad", "{seen}");
    assert_eq!(seen["slots"][1]["reason"], "damaged", "{seen}");
}
