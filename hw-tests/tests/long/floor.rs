//! The floor lies where the running system neither sees nor changes it.

use super::PIPELINE;
use bootshim::floor::{Floor, FloorInForce, Keeper};
use bootshim::handover::{FLOOR_KEPT_VARIABLE, FLOOR_VARIABLE, VARIABLE_VENDOR};
use hw_tests::machine::{Cause, Machine, START, WebServer, target};
use hw_tests::variables::{Store, Vendor};
use std::path::{Path, PathBuf};

const VARIABLES: &str = "/sys/firmware/efi/efivars";

#[test]
fn the_running_system_neither_sees_nor_changes_the_floor() {
    let disk = PIPELINE.disk("floor.img", 512).unwrap();
    let mut machine = Machine::new("floor").disk(&disk).start().unwrap();
    // A new machine has none yet; the first good start makes it.
    let said = "by the boot record alone: the firmware keeps none yet";
    machine.says(said);
    machine.says("kept by the firmware");
    let told = machine.status().unwrap();
    assert_eq!(told["floor_source"], "firmware", "{told}");

    let seen = machine.run(&format!("ls {VARIABLES}")).unwrap().stdout;
    assert!(seen.contains(FLOOR_VARIABLE), "{seen}");
    assert!(!seen.contains(FLOOR_KEPT_VARIABLE), "{seen}");
    // Linux itself protects it against mistakes; that is taken off, by this computer's
    // chattr with its libraries: the demo OS has neither.
    let told = file_of(FLOOR_VARIABLE);
    let programs = WebServer::new(Path::new("/usr/bin")).unwrap();
    let libraries = WebServer::new(Path::new("/lib/x86_64-linux-gnu")).unwrap();
    let loader = "ld-linux-x86-64.so.2";
    let names = [loader, "libe2p.so.2", "libcom_err.so.2", "libc.so.6"];
    let urls = names.map(|name| libraries.url_for_machine(name)).join(" ");
    let chattr = programs.url_for_machine("chattr");
    let free = format!(
        "cd /tmp && wget -q {chattr} && for url in {urls}; do wget -q $url || exit; done && \
         chmod +x chattr {loader} && ./{loader} --library-path . ./chattr -i {told}"
    );
    let freed = machine.run(&free).unwrap();
    assert_eq!(freed.status, 0, "{}", freed.stderr);
    let before = machine.run(&format!("base64 {told}")).unwrap().stdout;
    let kept = file_of(FLOOR_KEPT_VARIABLE);
    for (attributes, file) in [(7, &kept), (7, &told), (6, &told)] {
        let floor = written(attributes, &Floor::default().to_bytes());
        let write = format!("printf '{floor}' > /tmp/floor && dd bs=99 if=/tmp/floor of={file}");
        refused_by_firmware(&mut machine, &write);
    }
    refused_by_firmware(&mut machine, &format!("rm {told}"));
    let after = machine.run(&format!("base64 {told}")).unwrap().stdout;
    assert_eq!(after, before);
    machine.press_reset().unwrap();
    machine.restarts(Cause::ResetButton);
    let line = machine.says("floor: security version");
    assert!(line.text.contains("kept by the firmware"), "{}", line.text);
}

fn refused_by_firmware(machine: &mut Machine, command: &str) {
    let ran = machine.run(command).unwrap();
    hw_tests::say(&format!("{command}: {}", ran.stderr.trim())).unwrap();
    assert_ne!(ran.status, 0, "{command}");
    // That would be Linux.
    assert!(!ran.stderr.contains("not permitted"), "{}", ran.stderr);
}

/// A machine whose firmware begins with these settings.
fn machine(name: &str, disk: &Path, store: &Store) -> Machine {
    let settings = PIPELINE.directory().join(format!("{name}.fd"));
    store.write(&settings).unwrap();
    let machine = Machine::new(name).disk(disk);
    machine.firmware_settings(settings).start().unwrap()
}

fn file_of(variable: &str) -> String {
    format!("{VARIABLES}/{variable}-{VARIABLE_VENDOR}")
}

/// What the shell of the machine writes into that file to make a variable with these
/// attributes; with 7 it outlives the power.
fn written(attributes: u8, content: &[u8]) -> String {
    let content = content.iter().copied();
    let bytes = [attributes, 0, 0, 0].into_iter().chain(content);
    bytes.map(|byte| format!(r"\{byte:03o}")).collect()
}

/// A disk whose image has security version 3.
fn disk_of_version_3(name: &str) -> PathBuf {
    let image = format!("{name}.slotimg");
    let (kernel, initrd) = (PIPELINE.part("vmlinuz"), PIPELINE.part("initrd.img"));
    #[rustfmt::skip]
    let words = ["--kernel", &kernel, "--initrd", &initrd, "--security-version", "3"];
    PIPELINE.build(1, &words, "release.key", &image).unwrap();
    let bootshim = target().join("bootshim/BOOTX64.EFI").display().to_string();
    let program = ["--bootshim", &bootshim, "--trust", "release.pub"];
    let disk = format!("{name}.img");
    PIPELINE.disk_of(&disk, 512, &program, &image).unwrap()
}

#[test]
fn with_a_full_store_the_slot_starts_by_the_floor_of_the_record_until_it_is_cleared() {
    let mut store = Store::factory().unwrap();
    store.fill(99).unwrap();
    let disk = disk_of_version_3("full");
    let mut machine = machine("full", &disk, &store);
    let said = machine.says("the firmware did not take the floor");
    let why = "its variable store is full, clear it in the firmware's setup";
    assert!(said.text.contains(why), "{}", said.text);
    machine.says("by the boot record alone: the firmware keeps none yet");
    machine.says("starting slot a, version 1.0, as good");
    let told = machine.status().unwrap();
    assert_eq!(told["running"], "a", "{told}");
    assert_eq!(told["floor_source"], "record", "{told}");

    drop(machine);

    let mut cleared = Machine::new("cleared").disk(&disk).start().unwrap();
    for said in [
        "floor: security version 3, by the boot record alone: the firmware keeps none yet",
        "floor: security version 3, kept by the firmware",
        "starting slot a, version 1.0, as good",
    ] {
        cleared.says(said);
    }
}

#[test]
fn in_a_full_store_a_floor_that_is_there_rises_all_the_same() {
    let mut store = Store::factory().unwrap();
    let floor = Floor {
        security_version: 1,
        key_epoch: 0,
    };
    store
        .set_for_boot(FLOOR_KEPT_VARIABLE, Vendor::BOOTSHIM, &floor.to_bytes())
        .unwrap();
    store.fill(99).unwrap();
    let mut machine = machine("full-lower", &disk_of_version_3("full-lower"), &store);
    for said in [
        "floor: security version 1, kept by the firmware",
        "floor: security version 3, kept by the firmware",
        "starting slot a, version 1.0, as good",
    ] {
        machine.says(said);
    }
}

/// A floor that no image here reaches.
const FORGED: Floor = Floor {
    security_version: 9,
    key_epoch: 0,
};

/// Where a system of ours runs there is none to be made by it: bootshim has made
/// its own before, be it a trial that starts first of all.
#[test]
fn a_system_on_trial_on_a_new_machine_cannot_forge_the_floor() {
    let disk = PIPELINE.disk("forging.img", 512).unwrap();
    PIPELINE
        .slotctl_on(&disk, &["install", "v2.slotimg"])
        .unwrap();
    let mut machine = Machine::new("forging").disk(&disk).start().unwrap();
    machine.says("starting slot b, version 2.0, as trial");
    let kept = file_of(FLOOR_KEPT_VARIABLE);
    let forged = written(7, &FORGED.to_bytes());
    let write = format!("printf '{forged}' > /tmp/forged && dd bs=99 if=/tmp/forged of={kept}");
    let wrote = machine.run(&write).unwrap();
    assert_ne!(wrote.status, 0, "a floor was forged");
    hw_tests::say(&format!("forging the floor: {}", wrote.stderr.trim())).unwrap();
    machine.press_reset().unwrap();
    machine.next_start(START).unwrap();
    let line = machine.says("floor: security version");
    let counts = "floor: security version 0, kept by the firmware";
    assert!(line.text.contains(counts), "{}", line.text);
}

/// Another system ran on this machine before, and made variables of these names.
#[test]
fn a_floor_that_another_system_forged_does_not_count_and_is_replaced() {
    let mut store = Store::factory().unwrap();
    let told = FloorInForce {
        floor: FORGED,
        keeper: Keeper::Firmware,
    };
    for (name, content) in [
        (FLOOR_KEPT_VARIABLE, FORGED.to_bytes().as_slice()),
        (FLOOR_VARIABLE, told.to_bytes().as_slice()),
    ] {
        store
            .set_at_runtime(name, Vendor::BOOTSHIM, content)
            .unwrap();
    }
    let disk = PIPELINE.disk("forged.img", 512).unwrap();
    let mut machine = machine("forged", &disk, &store);
    machine.says("SlotctlFloorKept is not one of bootshim's");
    machine.says("floor: security version 0, kept by the firmware");
    machine.says("starting slot a, version 1.0, as good");
    let told = machine.status().unwrap();
    assert_eq!(
        (&told["floor"], &told["floor_source"]),
        (&0.into(), &"firmware".into()),
        "{told}"
    );
    let seen = machine.run(&format!("ls {VARIABLES}")).unwrap().stdout;
    assert!(!seen.contains(FLOOR_KEPT_VARIABLE), "{seen}");
}

/// The firmware gives it to nobody but the holder of that key, bootshim included.
#[test]
fn a_variable_of_that_name_under_somebodys_key_does_not_count_and_what_to_do_is_said() {
    let mut store = Store::factory().unwrap();
    store
        .set_under_key(FLOOR_KEPT_VARIABLE, Vendor::BOOTSHIM, &FORGED.to_bytes())
        .unwrap();
    let disk = PIPELINE.disk("under-key.img", 512).unwrap();
    let mut machine = machine("under-key", &disk, &store);
    for said in [
        "SlotctlFloorKept is not one of bootshim's",
        "is protected, clear it in the firmware's setup",
        "starting slot a, version 1.0, as good",
    ] {
        machine.says(said);
    }
    assert_eq!(machine.status().unwrap()["floor_source"], "record");
}
