//! The hooks for an initramfs, as a shell runs them. Whether they open a root is for
//! the scenarios on machines; here a stand-in writes down that it was asked to.

use crate::bench::Bench;
use crate::environment::in_own_mounts;
use bootshim::handover::{VARIABLE_VENDOR, WATCHDOG_VARIABLE};
use std::path::Path;

/// An initramfs of dracut in which something else has the name of our root.
const DRACUT: &str = "
    cd \"$DIST/dracut/90slotctl\"
    for place in dev run; do mount -t tmpfs none /$place; done
    mkdir /dev/mapper; : >/dev/mapper/slotctl-root
    getarg() { echo /dev/mapper/slotctl-root; }
    modprobe() { :; }
    printf '#!/bin/sh\necho opened >>/run/asked\n' >/run/slotctl-root
    chmod +x /run/slotctl-root; PATH=/run:$PATH
    reboot() { echo reboot >>/run/asked; }
    finished() { (. ./root-opened.sh); }
    ! finished
    . ./open-root.sh
    finished
    . ./open-root.sh
    cat /run/asked
";

#[test]
fn the_dracut_hook_opens_the_root_once_whatever_else_has_its_name() {
    let bench = Bench::new();
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist");
    let script = DRACUT.replace("$DIST", dist.to_str().unwrap());
    let ran = in_own_mounts(&bench, &script).ok();
    assert_eq!(ran.stdout, "opened\n");
}

/// An initramfs that is told `TOLD` of the watchdog; what was loaded, and what was
/// written to the device, is said.
const WATCHDOG: &str = "
    for place in run dev sys; do mount -t tmpfs none /$place; done
    variables=/sys/firmware/efi/efivars
    mkdir -p $variables
    printf '\\006\\000\\000\\000TOLD' >$variables/VARIABLE
    printf '#!/bin/sh\necho \"$@\" >>/run/asked\n' >/run/modprobe
    chmod +x /run/modprobe
    PATH=/run:$PATH \"$DIST/open-watchdog\"
    cat /run/asked
";

#[test]
fn the_watchdog_that_bootshim_has_armed_gets_its_driver_and_its_period() {
    let bench = Bench::new();
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist");
    let opened = |chip: &str| format!("slotctl: watchdog {chip} opened, 120 s\n");
    for (told, said, loaded) in [
        (
            "i6300esb 120 other",
            opened("i6300esb"),
            "i6300esb heartbeat=120\n",
        ),
        (
            "wdat_wdt 120 unknown",
            opened("wdat_wdt"),
            "wdat_wdt timeout=120\n",
        ),
        (
            "iTCO_wdt 120 watchdog",
            opened("iTCO_wdt"),
            "lpc_ich\niTCO_wdt heartbeat=120\n",
        ),
        ("none 0 other", String::new(), ""),
    ] {
        let script = WATCHDOG
            .replace("TOLD", told)
            .replace(
                "VARIABLE",
                &format!("{WATCHDOG_VARIABLE}-{VARIABLE_VENDOR}"),
            )
            .replace("$DIST", dist.to_str().unwrap());
        let ran = in_own_mounts(&bench, &script).ok();
        assert_eq!(ran.stdout, format!("{said}-q efivarfs\n{loaded}"), "{told}");
    }
}
