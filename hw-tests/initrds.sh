#!/bin/sh
# Makes initrds with the tools that Debian's systems have, in a Debian of their own,
# with the package slotctl-initramfs as docs/production.md says: initrds.sh PACKAGE OUT.
# Leaves vmlinuz, initramfs-tools.img, list.img (the same with MODULES=list) and
# dracut.img in OUT.
set -eu

package=$(realpath "$1")
out=$(realpath -m "$2")
rm -rf "$out"
mkdir -p "$out"

echo "initrds: making a Debian to make them in; two minutes"
# Of dracut the program alone: the rest of its package would take initramfs-tools
# away. systemd-sysv has `reboot`.
mmdebstrap --quiet --variant=minbase \
	--include=linux-image-amd64,initramfs-tools,dracut-core,systemd-sysv \
	--customize-hook="copy-in '$package' /" \
	--customize-hook='chroot "$1" sh -c "dpkg -i /*.deb"' \
	--customize-hook='chroot "$1" dracut --add slotctl /boot/dracut.img "$(ls "$1/lib/modules")"' \
	--customize-hook='echo MODULES=list >"$1/etc/initramfs-tools/conf.d/slotctl"' \
	--customize-hook='chroot "$1" mkinitramfs -o /boot/list.img "$(ls "$1/lib/modules")"' \
	--customize-hook='cd "$1/boot" && mv vmlinuz-* vmlinuz && mv initrd.img-* initramfs-tools.img' \
	--customize-hook="copy-out /boot/vmlinuz /boot/initramfs-tools.img /boot/list.img \
		/boot/dracut.img '$out'" \
	bookworm /dev/null >"$out/said" 2>&1 || {
	tail -n 20 "$out/said" >&2
	exit 1
}
