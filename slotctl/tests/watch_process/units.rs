//! Units of a real systemd.

use super::questions::{launch_with_bus, toml};
use super::system::{BUS, System};
use super::{Test, Tested, prepare};
use std::fs;

pub fn tests() -> Vec<Test> {
    let units = Test::test("units_are_as_systemd_says_over_the_bus", units);
    // Needs root.
    vec![units.with_ignored_flag(true)]
}

const UNITS: [(&str, &str); 4] = [
    (
        "test.target",
        "Wants=dbus.service well.service again.service failed.service",
    ),
    (
        "well.service",
        "[Service]\nExecStart=/usr/bin/sleep infinity",
    ),
    (
        "again.service",
        "StartLimitIntervalSec=0\n[Service]\nExecStart=/usr/bin/sleep 0.5\n\
         Restart=always\nRestartSec=0",
    ),
    ("failed.service", "[Service]\nExecStart=/usr/bin/false"),
];

fn units() -> Tested {
    let own = tempfile::tempdir()?;
    let system = System::start(own.path(), UNITS.into_iter().chain(BUS));
    let unit = |name: &str| format!("kind = \"systemd\"\ntarget = \"{name}\"");
    let bus = |name: &str| format!("kind = \"dbus\"\ntarget = \"{name}\"");
    let checks = [
        ("well", unit("well.service")),
        ("target", unit("test.target")),
        ("again", unit("again.service")),
        ("failed", unit("failed.service")),
        ("missing", unit("missing.service")),
        ("owned", bus("org.freedesktop.systemd1")),
        ("not owned", bus("org.example.Nobody")),
    ];
    let checks = checks.each_ref().map(|(name, text)| (*name, text.as_str()));
    fs::write(own.path().join("watchdog"), "")?;
    prepare(own.path(), &toml("2h", &checks), true);
    let mut plc = launch_with_bus(own.path(), &own.path().join("bus"));
    plc.expect_all(&[
        "check well passes",
        "check target passes",
        "check again passes",
        "check failed fails: failed, result exit-code (failed.service)",
        "check missing fails: there is no such unit (missing.service)",
        "check owned passes",
        "check not owned fails: nobody owns it (org.example.Nobody)",
    ]);
    plc.expect("check again fails: ");
    drop(system);
    // Sooner or later than the bus, systemd is gone.
    plc.expect("check well could not be asked: ");
    Ok(())
}
