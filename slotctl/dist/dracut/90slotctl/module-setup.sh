#!/bin/bash
# dracut: puts slotctl-root and what it needs into the initramfs.
# The folder goes to /usr/lib/dracut/modules.d/90slotctl.

check() {
	require_binaries "$(program)" reboot || return 1
}

# Beside slotctl, or where only slotctl looks for it.
program() {
	command -v slotctl-root || echo /usr/lib/slotctl/slotctl-root
}

depends() {
	echo rootfs-block
}

installkernel() {
	hostonly='' instmods dm_mod dm_verity erofs squashfs ext4
}

install() {
	inst_simple "$(program)" /usr/bin/slotctl-root
	inst_multiple reboot sleep
	inst_rules "$moddir/60-slotctl-root.rules"
	inst_hook initqueue/settled 10 "$moddir/open-root.sh"
	inst_hook initqueue/finished 10 "$moddir/root-opened.sh"
	dracut_need_initqueue
}
