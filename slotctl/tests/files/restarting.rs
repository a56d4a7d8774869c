//! The restart that `--reboot` asks for, and that of a start which is given up, under a
//! real systemd with a real logind and real inhibitor locks.

use crate::bench::Bench;
use crate::block_device::Device;
use crate::ran::says;
use crate::system::{BUS, System};
use bootshim::guid::Guid;
use serde_json::Value;
use std::fs;

/// It keeps the inhibitor locks.
const LOGIND: (&str, &str) = (
    "systemd-logind.service",
    "Requires=dbus.socket\nAfter=dbus.service\n\
     [Service]\nType=dbus\nBusName=org.freedesktop.login1\nExecStart=/lib/systemd/systemd-logind",
);
/// Holds up every restart.
const BACKUP: (&str, &str) = (
    "backup.service",
    "Requires=systemd-logind.service\nAfter=systemd-logind.service\n\
     [Service]\nType=notify\nNotifyAccess=all\n\
     ExecStart=/usr/bin/systemd-inhibit --what=idle:shutdown --who=backup --why=\"until the base is copied\" \
     /bin/sh -c \"systemd-notify --ready; exec sleep infinity\"",
);
/// Holds up another thing, and wants to be told before a restart.
const OTHERS: (&str, &str) = (
    "others.service",
    "Requires=systemd-logind.service\nAfter=systemd-logind.service\n\
     [Service]\nType=notify\nNotifyAccess=all\n\
     ExecStart=/usr/bin/systemd-inhibit --what=sleep --who=recipe --why=pressing \
     /usr/bin/systemd-inhibit --what=shutdown --mode=delay --who=hmi --why=drawing \
     /bin/sh -c \"systemd-notify --ready; exec sleep infinity\"",
);
/// A shutdown lets the script come to its end.
const ASKED: (&str, &str) = (
    "asked.service",
    "After=backup.service others.service\nConflicts=shutdown.target\nBefore=shutdown.target\n\
     [Service]\nType=oneshot\nWorkingDirectory=/test\nExecStart=/bin/sh -e script\n\
     KillSignal=SIGCONT\nTimeoutStopSec=60",
);

/// The disk of the bench is the one that the system booted from, with version 2 on trial.
const BOOTED: &str = "
    mount --bind cmdline /proc/cmdline
    mkdir -p /mnt /sys/class/block
    mount -t sysfs none /mnt
    mount -o remount,bind,ro /mnt
    for part in /mnt/block/DISK /mnt/block/DISK/DISKp*; do
        ln -s $part /sys/class/block
        mknod /dev/${part##*/} b $(tr : ' ' <$part/dev)
    done
    asks() { status=0; ./slotctl --json $2 >$1 2>$1.said || status=$?; }
";

/// Starts a system that runs this script once its other units are there, and waits until
/// it has restarted.
fn restarts(bench: &Bench, units: &[(&str, &str)], script: &str) {
    let started = bench.start_version_2();
    let device = Device::over(bench);
    let disk = device.node().trim_start_matches("/dev/");
    let script = format!("{BOOTED}{script}").replace("DISK", disk);
    let command_line = started.command_line("ro", Guid::ZERO);
    fs::write(bench.file("cmdline"), command_line).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_slotctl"), bench.file("slotctl")).unwrap();
    fs::write(bench.file("script"), script).unwrap();
    let all = [units, &[ASKED]].concat();
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let wants = format!("Wants={}", names.join(" "));
    let target = ("test.target", wants.as_str());
    System::start(bench.directory(), all.into_iter().chain([target])).restarts();
}

fn said(bench: &Bench, name: &str) -> Value {
    serde_json::from_slice(&bench.read(name)).unwrap()
}

#[test]
#[ignore = "a systemd of its own needs root and loop devices"]
fn who_holds_up_a_restart_is_named_and_what_was_done_stays_done() {
    let bench = Bench::new();
    let units = [&BUS[..], &[LOGIND, BACKUP, OTHERS]].concat();
    let script = "
        asks held 'activate a --reboot'; echo $status >status
        systemctl is-system-running >running || :
        systemctl stop backup.service
        while systemd-inhibit --list --no-legend | grep backup; do sleep 0.01; done
        asks again 'activate a --reboot'
        asks free 'activate b --once --reboot'
    ";
    restarts(&bench, &units, script);
    let held = said(&bench, "held");
    let error = &held["error"];
    assert_eq!(
        (&error["code"], bench.read("status")),
        (&"no-restart".into(), b"1\n".to_vec())
    );
    let found = error["found"].as_str().unwrap();
    let (begin, end) = (
        "an inhibitor lock holds up the restart: backup (process ",
        "), \"until the base is copied\"",
    );
    assert!(found.starts_with(begin) && found.ends_with(end), "{found}");
    says(&error["advice"], "`systemctl reboot -i` in spite of it");
    says(&error["changed"], "slot a");
    assert_ne!(bench.read("running"), b"stopping\n");
    says(&said(&bench, "again")["changed"], "false");
    assert_eq!(said(&bench, "free")["restarting"], true);
}

#[test]
#[ignore = "a systemd of its own needs root and loop devices"]
fn where_nobody_can_say_who_holds_up_a_restart_it_is_done_and_that_is_said() {
    let bench = Bench::new();
    let script = "./slotctl rollback --reboot >free";
    restarts(&bench, &[], script);
    let said = String::from_utf8(bench.read("free")).unwrap();
    says(
        said,
        "; nobody says whether a program holds up the restart: busctl: ",
    );
}

#[test]
#[ignore = "a systemd of its own needs root and loop devices"]
fn a_start_that_is_given_up_restarts_whoever_holds_it_up() {
    let bench = Bench::new();
    let toml = "compatible = \"plc-4\"\n\
        [watch]\ndevice = \"/test/watchdog\"\ndeadline = \"1s\"\nstable_for = \"300ms\"\n\
        [[check]]\nname = \"web\"\nkind = \"command\"\ntarget = \"/bin/false\"\ninterval = \"100ms\"\n";
    fs::write(bench.file("slotctl.toml"), toml).unwrap();
    fs::write(bench.file("watchdog"), "").unwrap();
    let watch = (
        "watch.service",
        "After=asked.service\n[Service]\nExecStart=/test/slotctl --config /test/slotctl.toml watch",
    );
    restarts(&bench, &[&BUS[..], &[LOGIND, BACKUP, watch]].concat(), "");
    let note = bench.ask("status")["last_failure"].to_string();
    says(note, "check web: exit status 1");
}
