#!/bin/sh
# Makes initrds with the tools that Debian's systems have, in a Debian of their own,
# with slotctl-root and its hooks put there as docs/production.md says: initrds.sh PROGRAM OUT.
# Leaves vmlinuz, initramfs-tools.img and dracut.img in OUT.
set -eu

program=$(realpath "$1")
out=$(realpath -m "$2")
hooks=$(dirname "$(realpath "$0")")/../slotctl/dist
rm -rf "$out"
mkdir -p "$out"

echo "initrds: making a Debian to make them in; two minutes"
# Of dracut the program alone: the rest of its package would take initramfs-tools
# away. systemd-sysv has `reboot`.
mmdebstrap --quiet --variant=minbase \
	--include=linux-image-amd64,initramfs-tools,dracut-core,systemd-sysv \
	--customize-hook="copy-in '$program' /usr/bin" \
	--customize-hook="copy-in '$hooks/initramfs-tools/hooks/slotctl' /etc/initramfs-tools/hooks" \
	--customize-hook="copy-in '$hooks/initramfs-tools/scripts/local-top/slotctl' \
		/etc/initramfs-tools/scripts/local-top" \
	--customize-hook='chroot "$1" update-initramfs -u' \
	--customize-hook="copy-in '$hooks/dracut/90slotctl' /usr/lib/dracut/modules.d" \
	--customize-hook='chroot "$1" dracut --add slotctl /boot/dracut.img "$(ls "$1/lib/modules")"' \
	--customize-hook='cd "$1/boot" && mv vmlinuz-* vmlinuz && mv initrd.img-* initramfs-tools.img' \
	--customize-hook="copy-out /boot/vmlinuz /boot/initramfs-tools.img /boot/dracut.img '$out'" \
	bookworm /dev/null >"$out/said" 2>&1 || {
	tail -n 20 "$out/said" >&2
	exit 1
}
