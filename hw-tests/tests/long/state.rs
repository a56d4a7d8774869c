//! What a slot keeps on the data partition, on machines: the demo OS keeps `/data`, one
//! for all slots.

use super::PIPELINE;
use controller::disk::Disk;
use hw_tests::machine::{Cause, Machine, START, WebServer};
use serde_json::Value;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

fn started(name: &str, disk: &Path) -> Machine {
    let mut machine = Machine::new(name).disk(disk).start().unwrap();
    machine.says("slotctl watch: ");
    machine
}

fn fresh(name: &str) -> PathBuf {
    PIPELINE.disk(&format!("{name}.img"), 512).unwrap()
}

fn said(machine: &mut Machine, command: &str) -> String {
    let ran = machine.run(command).unwrap();
    assert_eq!(ran.status, 0, "{command}: {ran:?}");
    ran.stdout
}

fn state(machine: &mut Machine) -> Value {
    machine.status().unwrap()["state"].clone()
}

fn off(mut machine: Machine) {
    machine.tell("poweroff").unwrap();
    machine.wait_until_off(START).unwrap();
}

#[test]
fn what_a_slot_keeps_is_ready_before_the_flip_and_is_there_after_it() {
    let disk = fresh("kept");
    let mut machine = started("kept", &disk);
    let first = state(&mut machine);
    assert_eq!(
        (&first["activation"], &first["paths"][0]),
        (&0.into(), &"/data".into())
    );
    let id = said(&mut machine, "cat /etc/machine-id");
    assert_eq!(id.trim().len(), 32, "{id}");
    said(&mut machine, "echo written by a >/data/kept && sync");
    let server = WebServer::new(PIPELINE.directory()).unwrap();
    let image = server.url_for_machine("v2.slotimg");
    said(&mut machine, &format!("slotctl install {image}"));
    // Before the restart, under the number that the flip has taken.
    let ready = said(&mut machine, "ls /run/slotctl/data/state/slots");
    let ready = ready.lines().find(|name| name.starts_with("b-")).unwrap();
    assert!(ready.ends_with("-1"), "{ready}");
    machine.tell("reboot").unwrap();
    machine.restarts(Cause::Reboot);
    machine.says("starting slot b, version 2.0, as trial");
    machine.says("slotctl watch: ");
    assert_eq!(state(&mut machine)["activation"], 1);
    assert_eq!(said(&mut machine, "cat /data/kept"), "written by a\n");
    assert_eq!(said(&mut machine, "cat /etc/machine-id"), id);
}

/// Somebody has written a later format than the images read.
#[test]
fn no_program_opens_data_that_it_is_too_old_for() {
    let disk = fresh("too-old");
    let mut machine = started("too-old", &disk);
    let later =
        "printf '[formats]\\n\"/data\" = 7\\n' >/run/slotctl/data/state/formats.toml && sync";
    said(&mut machine, later);
    // The flip is refused while production runs.
    let server = WebServer::new(PIPELINE.directory()).unwrap();
    let image = server.url_for_machine("v2.slotimg");
    let refused = machine
        .run(&format!("slotctl --json install {image}"))
        .unwrap();
    assert_eq!(refused.status, 3, "{refused:?}");
    assert!(refused.stdout.contains("\"state-too-new\""), "{refused:?}");
    let seen = machine.status().unwrap();
    assert_eq!(
        (&seen["slots"][1]["state"], &seen["next"]),
        (&"ready".into(), &"a".into())
    );
    // One that another machine has flipped fails its trial before its units start.
    off(machine);
    PIPELINE.slotctl_on(&disk, &["activate", "b"]).unwrap();
    let mut machine = Machine::new("too-old-again").disk(&disk).start().unwrap();
    machine.says("starting slot b, version 2.0, as trial");
    machine.says("/data has format 7, the image reads up to 0; restarting, slot a starts next");
    machine.restarts(Cause::Reboot);
    machine.says("starting slot a, version 1.0, as good");
    machine.says("slotctl watch: ");
    let seen = machine.status().unwrap();
    assert_eq!(
        seen["slots"][1]["reason"], "its state was not ready",
        "{seen}"
    );
    // What is good starts all the same, without the data.
    assert_eq!(seen["state"]["withheld"][0], "/data", "{seen}");
    assert_eq!(machine.run("touch /data/x").unwrap().status, 1);
    assert_eq!(said(&mut machine, "ls /data"), "");
    assert_eq!(machine.get("/health").unwrap().0, 200);
}

/// Its first MiB is neither blank nor ext4.
#[test]
fn with_a_data_partition_that_is_destroyed_the_machine_comes_up_and_says_so() {
    let disk = fresh("destroyed");
    let mut machine = started("destroyed", &disk);
    said(&mut machine, "echo precious >/data/kept && sync");
    off(machine);
    let at = Disk::open(&disk)
        .unwrap()
        .layout()
        .data
        .clone()
        .unwrap()
        .extent
        .start;
    let file = File::options().read(true).write(true).open(&disk).unwrap();
    let mut begin = vec![0; 1 << 20];
    file.read_exact_at(&mut begin, at).unwrap();
    file.write_all_at(&[0xa5; 1 << 20], at).unwrap();
    let mut machine = started("destroyed-now", &disk);
    let seen = machine.status().unwrap();
    assert_eq!(seen["state"]["data"], Value::Null, "{seen}");
    let words = said(&mut machine, "slotctl status");
    assert!(
        words.contains("state: the slot runs on memory in its place"),
        "{words}"
    );
    assert!(words.contains("holds no ext4 and is not blank"), "{words}");
    said(&mut machine, "echo lost >/data/kept");
    assert_eq!(machine.get("/health").unwrap().0, 200);
    off(machine);
    // Mended by a person: nothing was changed there.
    file.write_all_at(&begin, at).unwrap();
    let mut machine = started("mended", &disk);
    assert_eq!(said(&mut machine, "cat /data/kept"), "precious\n");
}
