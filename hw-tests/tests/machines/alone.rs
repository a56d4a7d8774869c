//! The machine itself, without a disk: what its firmware alone can show.

use hw_tests::machine::{Error, Machine};
use std::time::Duration;

#[test]
fn a_machine_shows_its_log_when_something_is_missing() {
    let mut machine = Machine::new("no-disk").start().unwrap();
    // Without a disk, the firmware tries the network.
    machine.says("Start PXE over IPv4");

    let missing = machine
        .expect("production", Duration::from_millis(1))
        .unwrap_err();
    assert!(matches!(missing, Error::NotSeen { .. }));
    assert!(
        missing.to_string().contains("Start PXE over IPv4"),
        "{missing}"
    );
    assert_eq!(machine.starts().len(), 1);
}

#[test]
fn a_disk_that_is_not_there_is_said_in_the_words_of_qemu() {
    let error = Machine::new("lost-disk")
        .disk("/nowhere/disk.img")
        .start()
        .unwrap_err();
    assert!(matches!(error, Error::Ended { .. }));
    assert!(error.to_string().contains("/nowhere/disk.img"), "{error}");
}
