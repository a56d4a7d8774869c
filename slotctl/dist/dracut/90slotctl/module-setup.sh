#!/bin/bash
# dracut: puts slotctl and what it needs into the initramfs.
# The folder goes to /usr/lib/dracut/modules.d/90slotctl.

check() {
	require_binaries slotctl reboot || return 1
}

depends() {
	echo rootfs-block
}

installkernel() {
	hostonly='' instmods dm_mod dm_verity erofs squashfs ext4
}

install() {
	inst_multiple slotctl reboot sleep
	inst_rules "$moddir/60-slotctl-root.rules"
	inst_hook initqueue/settled 10 "$moddir/open-root.sh"
	inst_hook initqueue/finished 10 "$moddir/root-opened.sh"
	dracut_need_initqueue
}
