# An initramfs of your own: these lines, sourced by its /init when the drivers of
# the disk are loaded, and /dev, /proc and /sys are mounted.

modprobe dm_verity
if ! slotctl open-root; then
	echo "slotctl: no root; restarting in 5 seconds" >/dev/console
	sleep 5
	reboot -f
fi
mount -o ro /dev/mapper/slotctl-root "$1" || reboot -f
