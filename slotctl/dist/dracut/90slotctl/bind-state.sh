#!/bin/sh
# dracut: mounts what the slot keeps on the data partition over its root, before process 1
# reads the id of the machine there.

bind_slotctl_state() {
	[ "$(getarg root=)" = /dev/mapper/slotctl-root ] || return 0
	slotctl-root bind-state "$NEWROOT" >/dev/console 2>&1 && return 0
	# Without its state no program may start, and nobody is there for a shell.
	echo "slotctl: no state; restarting in 5 seconds" >/dev/console
	sleep 5
	reboot -f
}

bind_slotctl_state
