//! The hooks for an initramfs, as a shell runs them. Whether they open a root is for
//! the scenarios on machines; here a stand-in writes down that it was asked to.

use crate::bench::Bench;
use crate::environment::in_own_mounts;
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
