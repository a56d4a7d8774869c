//! The floor lies where the running system neither sees nor changes it.

use super::PLANT;
use bootshim::handover::{FLOOR_KEPT_VARIABLE, FLOOR_VARIABLE, VARIABLE_VENDOR};
use hw_tests::machine::{Cause, Machine, START};
use serde_json::Value;

const VARIABLES: &str = "/sys/firmware/efi/efivars";

#[test]
fn the_running_system_neither_sees_nor_changes_the_floor() {
    let disk = PLANT.disk("floor.img", 512).unwrap();
    let mut machine = Machine::new("floor").disk(&disk).start().unwrap();
    // A new machine has none yet; the first good start makes it.
    let said = "by the boot record alone: the firmware keeps none yet";
    machine.expect(said, START).unwrap();
    machine.expect("kept by the firmware", START).unwrap();
    let status = machine.run("slotctl status --json").unwrap().stdout;
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["floor_source"], "firmware", "{status}");

    let kept = format!("{VARIABLES}/{FLOOR_KEPT_VARIABLE}-{VARIABLE_VENDOR}");
    let seen = machine.run(&format!("ls {VARIABLES}")).unwrap().stdout;
    assert!(seen.contains(FLOOR_VARIABLE), "{seen}");
    assert!(!seen.contains(FLOOR_KEPT_VARIABLE), "{seen}");
    let told = format!("{VARIABLES}/{FLOOR_VARIABLE}-{VARIABLE_VENDOR}");
    let floor =
        r"\007\000\000\000SLOTFLR1\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000";
    for file in [&kept, &told] {
        let write = format!("printf '{floor}' > {file}");
        let wrote = machine.run(&write).unwrap();
        assert_ne!(wrote.status, 0, "{file} was written");
    }
    machine.press_reset().unwrap();
    assert_eq!(machine.next_start(START).unwrap().cause, Cause::ResetButton);
    let line = machine.expect("floor: security version", START).unwrap();
    assert!(line.text.contains("kept by the firmware"), "{}", line.text);
}
