//! The product's promise on a Debian, in one piece.

use hw_tests::pipeline::Pipeline;
use hw_tests::story::{Seen, Story};

#[test]
fn a_debian_is_updated_and_comes_back_by_itself_from_two_bad_updates_with_its_data() {
    let pipeline = Pipeline::of_debian("debian-long", 1..=4).unwrap();
    let mut line = |seen: &Seen| println!("{:7.1} s  {}", seen.at.as_secs_f64(), seen.what);
    let mut story = Story::begin(&pipeline, &mut line).unwrap();
    story.whole().unwrap();
    story.end().unwrap();
}

#[test]
fn a_systemd_that_has_the_watchdog_first_is_named_with_what_to_change() {
    let pipeline = Pipeline::of_debian("debian-petter", 1..=1).unwrap();
    let setting = "systemd.watchdog_sec=60";
    let command_line = format!(
        "root=/dev/mapper/slotctl-root rootfstype=erofs ro quiet panic=0 systemd.gpt_auto=0 \
         console=ttyS0 {setting}"
    );
    let parts = ["root-v1.erofs", "vmlinuz", "initrd.img"].map(|name| pipeline.part(name));
    #[rustfmt::skip]
    let words = [
        "image", "build", "--rootfs", &parts[0], "--kernel", &parts[1], "--initrd", &parts[2],
        "--cmdline", &command_line, "--watchdog", "2min", "--compatible", "debian-plc",
        "--version", "1.0", "--key", "release.key", "--out", "petter.slotimg",
    ];
    pipeline.slotctl(&words).unwrap();
    pipeline
        .bootshim_trusting(&["release"], "trusting.efi")
        .unwrap();
    let program = ["--bootshim", "trusting.efi"];
    let disk = pipeline
        .disk_of("petter.img", 512, &program, "petter.slotimg")
        .unwrap();
    let mut machine = pipeline.machine("petter").disk(disk).start().unwrap();
    machine.says(&format!(
        "watchdog /dev/watchdog is in use by systemd ({setting} on the kernel's command line): "
    ));
}
