#!/bin/sh
# Builds the smallest thing that starts on an arm64 machine: arm64.sh OUT
# Leaves vmlinuz, initrd.img and root.erofs in OUT: Debian's kernel for arm64,
# busybox, and a root that nobody mounts. No slotctl, which would take minutes to
# build for arm64: what bootshim did there, the host's slotctl reads off the disk.
# (The demo OS for arm64, with slotctl, is made by build.sh.)
set -eu

mkdir -p "$1"
out=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
. "$here/foreign.sh"
debian=$(dirname "$out")/debian-arm64
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL=C TZ=UTC

initrd() {
	tree=$(mktemp -d "$out/initrd.XXXXXX")
	mkdir -p "$tree/dev" "$tree/proc" "$tree/sys"
	install -D "$debian/bin/busybox" "$tree/bin/busybox"
	install "$here/arm64/init" "$tree/init"
	install -m 644 "$(find "$debian/lib/modules" -name efivarfs.ko)" "$tree/efivarfs.ko"
	find "$tree" -exec touch -h -d @0 {} +
	(cd "$tree" && find . | sort | cpio --quiet --reproducible -o -H newc -R 0:0) >"$out/initrd.img"
	rm -rf "$tree"
}

umask 022
foreign "$debian" linux-image-arm64 busybox-static
cp "$debian"/boot/vmlinuz-* "$out/vmlinuz"
initrd
mkfs.erofs --quiet -T0 -U00000000-0000-4000-8000-000000000064 --all-root \
	"$out/root.erofs" "$here/arm64"
