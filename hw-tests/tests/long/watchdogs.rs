//! The hardware's watchdog, armed before the kernel: whichever the machine has; and
//! the firmware's own, until then.

use super::{PIPELINE, initramfs_with, slot};
use bootshim::slot::area_offset;
use controller::disk::Disk;
use hw_tests::damage;
use hw_tests::machine::{Cause, Line, Machine, Position, START, Watchdog};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What bootshim says at the start that follows one.
const RESET: &str = "the watchdog reset the machine";
/// The chipset's timer runs down twice: two minutes for a period of one.
const FIRES: Duration = Duration::from_secs(300);
/// Twice the firmware's five minutes.
const FIRMWARE_FIRES: Duration = Duration::from_secs(600);
/// So much is read until bootshim runs, and less than a kernel has: 8 MiB.
const MORE_THAN_BOOTSHIM: u64 = 4 << 20;
/// What every command line here has. A kernel that panics stands still.
const COMMAND_LINE: &str =
    "root=/dev/mapper/slotctl-root ro console=ttyS0 panic=0 mitigations=off cryptomgr.notests";

/// Builds an image of what is started so: none of it comes as far as to production.
fn build(image: &str, version: &str, starts: &[&str]) {
    #[rustfmt::skip]
    let words = [
        "image", "build", "--rootfs", &PIPELINE.part("root-v2.erofs"),
        "--kernel", &PIPELINE.part("vmlinuz"), "--compatible", "demo-plc",
        "--version", version, "--key", "release.key", "--out", image,
    ];
    PIPELINE
        .slotctl(&[words.as_slice(), starts].concat())
        .unwrap();
}

fn install(disk: &Path, image: &str, more: &[&str]) {
    let words = [&["install", image, "--tries", "1"], more].concat();
    PIPELINE.slotctl_on(disk, &words).unwrap();
}

/// A machine with this watchdog, and on trial in slot b what is started so.
fn hanging(name: &str, watchdog: Watchdog, starts: &[&str]) -> Machine {
    let image = format!("{name}.slotimg");
    build(&image, "5.0", &[&["--watchdog", "60s"], starts].concat());
    let disk = PIPELINE.disk(&format!("{name}.img"), 512).unwrap();
    install(&disk, &image, &[]);
    Machine::new(name)
        .disk(&disk)
        .watchdog(watchdog)
        .start()
        .unwrap()
}

/// A disk whose good slot has this image.
fn disk_of(name: &str, image: &str) -> PathBuf {
    let bootshim = format!("{name}.efi");
    PIPELINE.bootshim_trusting(&["release"], &bootshim).unwrap();
    let program = ["--bootshim", &bootshim];
    PIPELINE
        .disk_of(&format!("{name}.img"), 512, &program, image)
        .unwrap()
}

/// A disk whose good slot does not pet the watchdog, and loads no driver of one: it
/// restarts the machine in order, again and again.
fn restarting(name: &str) -> PathBuf {
    let init = "#!/bin/sh\nexec /bin/busybox reboot -f\n";
    let initrd = initramfs_with(&PIPELINE, init, &format!("{name}-initrd"));
    let initrd = initrd.display().to_string();
    let image = format!("{name}-restarts.slotimg");
    let starts = ["--initrd", &initrd, "--cmdline", COMMAND_LINE];
    build(&image, "4.0", &starts);
    disk_of(name, &image)
}

fn said(machine: &Machine, since: Position, words: &str) -> bool {
    let lines = machine.lines_since(since);
    lines.iter().any(|line| line.text.contains(words))
}

/// What Linux says of the watchdog that is petted.
fn petted(machine: &mut Machine) -> String {
    let words = "cd /sys/class/watchdog/watchdog0; echo $(cat identity state timeout)";
    machine.run(words).unwrap().stdout.trim().to_owned()
}

/// The demo OS' own kernel without an initrd has no driver of any watchdog, finds no
/// root, panics and stands still: it is reset, the machine returns to the good slot,
/// and there the same watchdog is petted: it resets the machine when nobody does.
fn resets_what_hangs(name: &str, watchdog: Watchdog, chip: &str, armed: &str, linux: &str) {
    let mut machine = hanging(name, watchdog, &["--cmdline", COMMAND_LINE]);
    machine.says("starting slot b, version 5.0, as trial");
    machine.says(armed);
    machine.says("Kernel panic - not syncing");
    assert_eq!(machine.next_start(FIRES).unwrap().cause, Cause::Watchdog);
    machine.says(RESET);
    machine.says("starting slot a, version 1.0, as good");
    machine.says("slotctl watch: this slot is not on trial");
    let seen = machine.status().unwrap();
    assert_eq!(seen["running"], "a", "{seen}");
    assert_eq!(seen["watchdog"]["armed"], chip, "{seen}");
    assert_eq!(seen["watchdog"]["seconds"], 60, "{seen}");
    assert_eq!(seen["watchdog"]["last_reset"], "watchdog", "{seen}");
    assert_eq!(petted(&mut machine), linux);

    machine.run("killall -STOP slotctl").unwrap();
    assert_eq!(machine.next_start(FIRES).unwrap().cause, Cause::Watchdog);
    machine.says(&format!("{RESET}: good slot a, 1 in a row"));
    machine.says("slotctl watch: this slot is not on trial");
    // Somebody switches it off and on again in order: that is no reset of the
    // watchdog, and the mark of the last one is gone.
    machine.tell("reboot").unwrap();
    machine.restarts(Cause::Reboot);
    let seen = machine.status().unwrap();
    assert_eq!(seen["watchdog"]["last_reset"], "other", "{seen}");
}

#[test]
fn a_kernel_that_hangs_without_a_driver_is_reset_by_the_i6300esb() {
    let armed = "watchdog i6300esb armed and locked, 60 s";
    let linux = "i6300ESB timer active 30";
    resets_what_hangs("hangs-esb", Watchdog::I6300esb, "i6300esb", armed, linux);
}

#[test]
fn a_kernel_that_hangs_without_a_driver_is_reset_by_the_chipset() {
    let armed = "watchdog iTCO_wdt armed, 60 s";
    let linux = "iTCO_wdt active 30";
    resets_what_hangs("hangs-tco", Watchdog::Tco, "iTCO_wdt", armed, linux);
}

#[test]
fn a_kernel_that_hangs_without_a_driver_is_reset_by_what_the_firmware_describes() {
    let armed = "watchdog wdat_wdt armed, 60 s";
    let linux = "wdat_wdt active 30";
    resets_what_hangs("hangs-wdat", Watchdog::Wdat, "wdat_wdt", armed, linux);
}

/// An initramfs loads the watchdog's driver, and nobody ever opens the device: the
/// machine is reset all the same.
fn resets_what_never_opens(
    name: &str,
    watchdog: Watchdog,
    armed: &str,
    drivers: &str,
    command_line: &str,
) {
    let init = format!(
        "#!/bin/sh\n\
        /bin/busybox mount -t devtmpfs dev /dev\n\
        mount -t sysfs sys /sys\n\
        mount -t proc proc /proc\n\
        {drivers}\n\
        echo driver: $(cat /sys/class/watchdog/watchdog0/state) >/dev/ttyS0\n\
        while :; do sleep 3600; done\n"
    );
    let initrd = initramfs_with(&PIPELINE, &init, &format!("{name}-initrd"));
    let initrd = initrd.display().to_string();
    let starts = ["--initrd", &initrd, "--cmdline", command_line];
    let mut machine = hanging(name, watchdog, &starts);
    machine.says(armed);
    machine.says("driver: inactive");
    assert_eq!(machine.next_start(FIRES).unwrap().cause, Cause::Watchdog);
    machine.says(RESET);
    machine.says("starting slot a, version 1.0, as good");
}

/// Loading the driver stops a timer that can be stopped: bootshim has locked it.
#[test]
fn an_initramfs_that_never_opens_the_i6300esb_is_reset_because_bootshim_locked_it() {
    let armed = "watchdog i6300esb armed and locked, 60 s";
    let drivers = "modprobe i6300esb heartbeat=30";
    let watchdog = Watchdog::I6300esb;
    resets_what_never_opens("never-opens-esb", watchdog, armed, drivers, COMMAND_LINE);
}

/// The driver takes over a timer that runs and pets it until somebody opens the
/// device: with this on the command line, no longer than that. The kernel's watchdog
/// core is a module there, whose words on the command line modprobe takes from /proc.
fn bounded() -> String {
    format!("{COMMAND_LINE} watchdog.open_timeout=60")
}

#[test]
fn an_initramfs_that_never_opens_the_watchdog_is_reset_where_the_command_line_bounds_it() {
    let armed = "watchdog iTCO_wdt armed, 60 s";
    let drivers = "modprobe lpc_ich\nmodprobe iTCO_wdt heartbeat=30";
    resets_what_never_opens("never-opens", Watchdog::Tco, armed, drivers, &bounded());
}

#[test]
fn an_initramfs_that_never_opens_what_the_firmware_describes_is_reset_where_it_is_bounded() {
    let armed = "watchdog wdat_wdt armed, 60 s";
    let drivers = "modprobe wdat_wdt timeout=30";
    resets_what_never_opens(
        "never-opens-wdat",
        Watchdog::Wdat,
        armed,
        drivers,
        &bounded(),
    );
}

/// bootshim hangs in a read: nothing of the hardware's is armed yet, and the timer of
/// the firmware, five minutes, resets the machine.
#[test]
fn a_bootshim_that_hangs_in_a_read_is_reset_by_the_firmware() {
    let disk = PIPELINE.disk("read-hangs.img", 512).unwrap();
    let mut machine = Machine::new("read-hangs")
        .stalling_disk(&disk, MORE_THAN_BOOTSHIM)
        .start()
        .unwrap();
    machine.says("disk: 256 MiB");
    let hangs = machine.position();
    let next = machine.next_start(FIRMWARE_FIRES).unwrap();
    assert_eq!(next.cause, Cause::Reboot, "not by the hardware's");
    let said = machine.lines_since(hangs);
    let starting = |line: &Line| line.text.contains("starting slot");
    assert!(!said.iter().any(starting), "{said:?}");

    machine.disk_goes_on().unwrap();
    machine.says("starting slot a, version 1.0, as good");
    machine.says("slotctl watch: this slot is not on trial");
}

#[test]
fn a_watchdog_that_the_firmware_switched_off_is_not_armed_behind_its_back() {
    let disk = PIPELINE.disk("wdat-off.img", 512).unwrap();
    let mut machine = Machine::new("wdat-off")
        .disk(&disk)
        .watchdog(Watchdog::WdatOff)
        .start()
        .unwrap();
    let off = "watchdog wdat_wdt not used: switched off by the firmware";
    machine.says(off);
    let none = "no hardware watchdog that bootshim knows: nothing watches the kernel";
    machine.says(none);
    let seen = machine.status().unwrap();
    assert_eq!(seen["watchdog"]["armed"], Value::Null, "{seen}");
    assert_eq!(seen["watchdog"]["last_reset"], "unknown", "{seen}");
    let words = machine.run("slotctl status").unwrap().stdout;
    let said = "watchdog: none armed before the kernel; what led to a start cannot be read here";
    assert!(words.contains(said), "{words}");
}

/// The watchdog has ended a trial; what follows it clears no mark.
fn takes_no_restart_for_a_reset(name: &str, watchdog: Watchdog) {
    let disk = restarting(name);
    let image = format!("{name}.slotimg");
    let starts = ["--watchdog", "30s", "--cmdline", COMMAND_LINE];
    build(&image, "5.0", &starts);
    install(&disk, &image, &[]);
    let machine = Machine::new(name).disk(&disk).watchdog(watchdog);
    let mut machine = machine.start().unwrap();
    machine.says("starting slot b, version 5.0, as trial");
    assert_eq!(machine.next_start(FIRES).unwrap().cause, Cause::Watchdog);
    machine.says(RESET);
    let good = "starting slot a, version 4.0, as good";
    machine.says(good);
    let since = machine.position();
    machine.restarts(Cause::Reboot);
    machine.says(good);
    assert!(!said(&machine, since, RESET));
}

#[test]
fn a_restart_in_order_is_no_reset_by_the_i6300esb_where_no_driver_was() {
    takes_no_restart_for_a_reset("restarts-esb", Watchdog::I6300esb);
}

#[test]
fn a_restart_in_order_is_no_reset_by_what_the_firmware_describes_where_no_driver_was() {
    takes_no_restart_for_a_reset("restarts-wdat", Watchdog::Wdat);
}

/// The only slot hangs, is reset, and cannot be started again: the manifest is damaged
/// meanwhile. Nothing but bootshim runs after that.
#[test]
fn when_bootshim_restarts_from_its_menu_that_is_no_reset_by_the_chipset() {
    let (name, image) = ("menu-tco", "menu-tco.slotimg");
    let starts = ["--watchdog", "30s", "--cmdline", COMMAND_LINE];
    build(image, "5.0", &starts);
    let disk = disk_of(name, image);
    let layout = Disk::open(&disk).unwrap().layout().clone();
    let machine = Machine::new(name).disk(&disk).watchdog(Watchdog::Tco);
    let mut machine = machine.start().unwrap();
    machine.says("starting slot a, version 5.0, as good");
    machine.says("Kernel panic - not syncing");
    let manifest = area_offset(layout.slot(slot("a")).unwrap().extent.len);
    damage::flip(&disk, slot("a"), manifest.unwrap() + 100).unwrap();
    assert_eq!(machine.next_start(FIRES).unwrap().cause, Cause::Watchdog);
    let counted = format!("{RESET}: good slot a, 1 in a row");
    machine.says(&counted);
    machine.says("no slot starts");
    let since = machine.position();
    machine.restarts(Cause::Reboot);
    machine.says("no slot starts");
    assert!(!said(&machine, since, RESET));
}

/// It trusts another key, so that it comes back before it would arm anything.
#[test]
fn what_does_not_pet_the_watchdog_is_not_watched_after_a_bootshim_that_armed_nothing() {
    let disk = restarting("unarmed");
    PIPELINE
        .slotctl(&["key", "generate", "--out", "other"])
        .unwrap();
    PIPELINE.bootshim_trusting(&["other"], "other.efi").unwrap();
    let image = "unarmed.slotimg";
    let kernel = PIPELINE.part("vmlinuz");
    PIPELINE
        .build_bringing("other.efi", &kernel, image)
        .unwrap();
    install(&disk, image, &["--allow-downgrade"]);
    let mut machine = Machine::new("unarmed").disk(&disk).start().unwrap();
    let since = machine.position();
    machine.says("handing over to the bootshim of this image");
    machine.says("starting slot a, version 4.0, as good");
    machine.ready(START).unwrap();
    assert!(!said(&machine, since, "watchdog i6300esb"));
}
