//! The whole life of a 64-bit Arm machine, by the slotctl in it, under U-Boot and
//! under EDK2.

use hw_tests::machine::{Board, Cause, START, WebServer};
use hw_tests::pipeline::Pipeline;
use hw_tests::power_cut::power::{self, During};
use hw_tests::power_cut::recording::comes_up;
use hw_tests::story::{Seen, Story};
use serde_json::Value;
use std::sync::LazyLock;

pub static UBOOT: LazyLock<Pipeline> =
    LazyLock::new(|| Pipeline::of("uboot", Board::Uboot).unwrap());
pub static AAVMF: LazyLock<Pipeline> =
    LazyLock::new(|| Pipeline::of("aavmf", Board::Aavmf).unwrap());

fn tells_the_story(pipeline: &Pipeline) {
    let mut line = |seen: &Seen| println!("{:7.1} s  {}", seen.at.as_secs_f64(), seen.what);
    let mut story = Story::begin(pipeline, &mut line).unwrap();
    story.good_update().unwrap();
    story.production_does_not_start(2).unwrap();
    story.system_hangs().unwrap();
    story.end().unwrap();
}

#[test]
fn under_uboot_an_arm_controller_is_updated_and_comes_back_from_two_bad_updates() {
    tells_the_story(&UBOOT);
}

#[test]
fn under_edk2_an_arm_controller_is_updated_and_comes_back_from_two_bad_updates() {
    tells_the_story(&AAVMF);
}

/// The power is cut in the middle of an install; the good slot starts, and the
/// same command goes on.
fn is_taken_up_again(pipeline: &Pipeline, name: &str) {
    let cut = power::cut(pipeline, During::Install, 2).unwrap();
    hw_tests::say(&format!("{name}: {cut}")).unwrap();
    let mut machine = comes_up(pipeline.machine(name).disk(&cut.disk), &cut.started).unwrap();
    let server = WebServer::new(pipeline.directory()).unwrap();
    let image = server.url_for_machine(&Pipeline::image(2));
    let ran = machine
        .run_within(&format!("slotctl install --json {image}"), START)
        .unwrap();
    let last = ran.stdout.lines().last().unwrap_or_default();
    let done: Value = serde_json::from_str(last).unwrap();
    assert_eq!(ran.status, 0, "{last}");
    assert_eq!(
        (&done["slot"], &done["state"]),
        (&"b".into(), &"trying".into())
    );
    machine.tell("reboot").unwrap();
    machine.restarts(Cause::Reboot);
    machine.says("starting slot b, version 2.0, as trial");
    machine.says("slotctl watch: confirmed");
}

#[test]
fn under_uboot_an_install_that_lost_power_is_taken_up_again() {
    is_taken_up_again(&UBOOT, "uboot-resumes");
}

#[test]
fn under_edk2_on_arm_an_install_that_lost_power_is_taken_up_again() {
    is_taken_up_again(&AAVMF, "aavmf-resumes");
}

/// A kernel that finds no first process panics, and hangs then: no driver is
/// loaded, and nothing but what bootshim armed ends it.
#[test]
fn under_edk2_on_arm_a_kernel_that_hangs_without_a_driver_is_reset_and_the_good_slot_starts() {
    let pipeline = &*AAVMF;
    #[rustfmt::skip]
    let words = [
        "image", "build",
        "--rootfs", &pipeline.part("root-v2.erofs"),
        "--kernel", &pipeline.part("vmlinuz"),
        "--initrd", &pipeline.part("initrd.img"),
        "--cmdline", "console=ttyAMA0 quiet panic=0 rdinit=/nothing root=/dev/nothing",
        "--watchdog", "40s",
        "--compatible", "demo-plc",
        "--version", "2.1",
        "--key", "release.key",
        "--out", "hangs.slotimg",
    ];
    pipeline.slotctl(&words).unwrap();
    let disk = pipeline.disk("hangs.img", 512).unwrap();
    let install = ["install", "--tries", "1", "hangs.slotimg"];
    pipeline.slotctl_on(&disk, &install).unwrap();
    let mut machine = pipeline.machine("aavmf-hangs").disk(&disk).start().unwrap();
    machine.says("starting slot b, version 2.1, as trial, the last try");
    machine.says("watchdog i6300esb armed and locked, 40 s");
    machine.says("Kernel panic");
    machine.restarts(Cause::Watchdog);
    machine.says("starting slot a, version 1.0, as good");
    let status = machine.status().unwrap();
    assert_eq!(status["running"], "a", "{status}");
    assert_eq!(status["slots"][1]["state"], "bad", "{status}");
    assert_eq!(status["watchdog"]["last_reset"], "watchdog", "{status}");
}
