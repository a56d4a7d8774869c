#!/bin/bash
# dracut: puts slotctl-root and what it needs into the initramfs.

check() {
	require_binaries /usr/lib/slotctl/slotctl-root reboot || return 1
}

depends() {
	echo rootfs-block
}

installkernel() {
	hostonly='' instmods dm_mod dm_verity erofs squashfs ext4 \
		efivarfs i6300esb wdat_wdt lpc_ich iTCO_wdt efi_pstore
}

install() {
	inst_simple /usr/lib/slotctl/slotctl-root /usr/bin/slotctl-root
	inst_simple /usr/lib/slotctl/open-watchdog /usr/bin/open-watchdog
	inst_multiple e2fsck mke2fs mount reboot sleep
	inst_rules "$moddir/60-slotctl-root.rules"
	inst_hook pre-udev 10 "$moddir/open-watchdog.sh"
	inst_hook initqueue/settled 10 "$moddir/open-root.sh"
	inst_hook initqueue/finished 10 "$moddir/root-opened.sh"
	inst_hook pre-pivot 10 "$moddir/bind-state.sh"
	dracut_need_initqueue
}
