#!/bin/sh
# dracut: opens the root of the started slot through dm-verity, once the drivers
# have found their devices.

open_slotctl_root() {
	[ "$(getarg root=)" = /dev/mapper/slotctl-root ] || return 0
	# Ours is the device that this hook has opened. One of that name may come from a
	# disk (LVM gives it to a volume `root` of a group `slotctl`), and is replaced.
	[ ! -e /run/slotctl-root-opened ] || return 0
	modprobe dm_verity
	# Not to systemd's journal, which has no time to show it before a restart.
	slotctl-root >/dev/console 2>&1 && : >/run/slotctl-root-opened && return 0
	# Nobody is there for a shell.
	echo "slotctl: no root; restarting in 5 seconds" >/dev/console
	sleep 5
	reboot -f
}

open_slotctl_root
