# An initramfs of your own: these lines, in its /init, when the drivers of the disk
# and of the root's file system are loaded, and /dev, /proc, /run and /sys are mounted.
# They leave the root at /newroot, with what the slot keeps mounted over it; /run goes
# along (`mount --move`). With mke2fs and e2fsck beside slotctl-root.

modprobe dm_verity
if ! { slotctl-root && mount -o ro /dev/mapper/slotctl-root /newroot &&
	slotctl-root bind-state /newroot; } >/dev/console 2>&1
then
	echo "slotctl: no root; restarting in 5 seconds" >/dev/console
	sleep 5
	reboot -f
fi
