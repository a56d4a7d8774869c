//! A real block device with partition nodes, as on a controller: a loop device
//! over the disk of the bench. It needs root: `make test` runs these only then.

use crate::bench::Bench;
use crate::ran::Ran;
use controller::code::Code;
use controller::disk::Disk;
use controller::medium::Mode;
use nix::mount::{MsFlags, mount, umount};
use nix::unistd::getpgrp;
use std::fs::{self, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

/// `O_EXCL`: nobody else may open the device so.
const EXCLUSIVE: i32 = 0o200;

/// A loop device whose partitions the kernel knows, whether or not it reads
/// tables itself.
pub struct Device {
    node: String,
    partitions: usize,
}

impl Device {
    pub fn over(bench: &Bench) -> Device {
        Device::over_file(&bench.file("disk.img"))
    }

    pub fn over_file(disk: &Path) -> Device {
        let node = tool("losetup", &["--find", "--show", disk.to_str().unwrap()]);
        let node = node.expect("losetup, as root");
        let partitions = Disk::open(disk).unwrap().table().partitions.clone();
        for partition in &partitions {
            let number = partition.number.to_string();
            let [start, len] = [partition.extent.start, partition.extent.len];
            let [start, len] = [start / 512, len / 512].map(|sectors| sectors.to_string());
            tool("addpart", &[&node, &number, &start, &len]).expect("addpart of util-linux");
        }
        Device {
            node,
            partitions: partitions.len(),
        }
    }

    /// Its device node.
    pub fn node(&self) -> &str {
        &self.node
    }

    pub fn run(&self, bench: &Bench, words: &str) -> Ran {
        bench.run(&format!("--disk {} --json {words}", self.node))
    }

    /// Sets its switch against writing. The kernel keeps that for the next user
    /// of the device.
    pub fn protect(&self, on: bool) {
        let switch = if on { "--setro" } else { "--setrw" };
        tool("blockdev", &[switch, &self.node]).expect("blockdev of util-linux");
    }

    fn partition(&self, number: usize) -> String {
        format!("{}p{number}", self.node)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        tool("blockdev", &["--setrw", &self.node]);
        for number in 1..=self.partitions {
            tool("delpart", &[&self.node, &number.to_string()]);
        }
        tool("losetup", &["--detach", &self.node]);
    }
}

/// What a tool printed, where it ended well.
pub fn tool(name: &str, words: &[&str]) -> Option<String> {
    let mut command = Command::new(name);
    command.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
    let output = command.args(words).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

#[test]
#[ignore = "block devices need root and loop devices"]
fn a_block_device_is_installed_through_its_partition_nodes() {
    let bench = Bench::new();
    let device = Device::over(&bench);
    let done = device.run(&bench, "install v2.slotimg").ok().json();
    assert_eq!(done["slot"], "b");
    assert_eq!(done["state"], "trying");
    device.run(&bench, "verify").ok();
    assert_eq!(
        device.run(&bench, "next-boot --arm").ok().json()["slot"],
        "b"
    );
    drop(device);
    assert_eq!(bench.ask("status")["slots"][1]["tries_left"], 2);
}

#[test]
#[ignore = "block devices need root and loop devices"]
fn a_slot_that_somebody_else_has_open_is_refused_before_anything_is_written() {
    let bench = Bench::new();
    let device = Device::over(&bench);
    let before = bench.read("disk.img");
    let mut options = OpenOptions::new();
    let slot_b = device.partition(4);
    let held = options
        .read(true)
        .custom_flags(EXCLUSIVE)
        .open(slot_b)
        .unwrap();
    let error = device.run(&bench, "install v2.slotimg").error(3, "in-use");
    assert_eq!(error["changed"], "nothing was written");
    assert!(before == bench.read("disk.img"));
    drop(held);
    device.run(&bench, "install v2.slotimg").ok();
}

#[test]
#[ignore = "block devices need root and loop devices"]
fn a_device_whose_partitions_the_kernel_does_not_know_is_refused() {
    let bench = Bench::new();
    let device = Device::over(&bench);
    tool("delpart", &[&device.node, "4"]).unwrap();
    device
        .run(&bench, "install v2.slotimg")
        .error(5, "no-partition-node");
    tool("addpart", &[&device.node, "4", "12288", "2048"]).unwrap();
    device
        .run(&bench, "install v2.slotimg")
        .error(3, "stale-table");
}

/// The ESP of a device, mounted over an automount as systemd's gpt-auto-generator has
/// it. (As ext4: not every kernel that runs this knows FAT.)
struct Automount {
    place: tempfile::TempDir,
    /// Whoever listens here mounts; while it is open the kernel asks.
    _asked: (std::io::PipeReader, std::io::PipeWriter),
}

impl Automount {
    fn of(esp: &str) -> Automount {
        tool("mkfs.ext4", &["-q", esp]).expect("mkfs.ext4 of e2fsprogs");
        let place = tempfile::tempdir().unwrap();
        let (asked, asks) = std::io::pipe().unwrap();
        let options = format!(
            "fd={},pgrp={},minproto=5,maxproto=5,direct",
            asks.as_raw_fd(),
            getpgrp()
        );
        let (none, flags) = (None::<&str>, MsFlags::empty());
        let path = place.path();
        mount(none, path, Some("autofs"), flags, Some(options.as_str())).unwrap();
        mount(Some(esp), path, Some("ext4"), flags, none).unwrap();
        let _asked = (asked, asks);
        Automount { place, _asked }
    }

    fn is_mounted(&self) -> bool {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let place = format!(" {} ", self.place.path().display());
        mounts
            .lines()
            .any(|line| line.contains(&place) && line.contains(" - ext4 "))
    }
}

impl Drop for Automount {
    fn drop(&mut self) {
        while umount(self.place.path()).is_ok() {}
    }
}

#[test]
#[ignore = "block devices need root and loop devices"]
fn an_esp_that_an_automount_holds_is_written_once_nobody_uses_it() {
    let bench = Bench::new();
    let device = Device::over(&bench);
    let disk = Disk::open(Path::new(&device.node)).unwrap();
    let automount = Automount::of(&device.partition(1));
    let used = fs::File::open(automount.place.path()).unwrap();
    let refused = disk.esp(Mode::WriteExclusive).unwrap_err();
    assert_eq!(refused.code, Code::Mounted);
    assert!(automount.is_mounted(), "who uses it goes on");
    drop(used);
    disk.esp(Mode::WriteExclusive).unwrap();
    assert!(!automount.is_mounted());
}

#[test]
#[ignore = "block devices need root and loop devices"]
fn an_esp_that_is_mounted_otherwise_stays_mounted() {
    let bench = Bench::new();
    let device = Device::over(&bench);
    let disk = Disk::open(Path::new(&device.node)).unwrap();
    let esp = device.partition(1);
    tool("mkfs.ext4", &["-q", &esp]).expect("mkfs.ext4 of e2fsprogs");
    let place = tempfile::tempdir().unwrap();
    let (none, flags) = (None::<&str>, MsFlags::empty());
    mount(Some(esp.as_str()), place.path(), Some("ext4"), flags, none).unwrap();
    let refused = disk.esp(Mode::WriteExclusive).map(drop);
    umount(place.path()).expect("it is mounted still");
    assert_eq!(refused.unwrap_err().code, Code::Mounted);
}
