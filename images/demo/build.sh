#!/bin/sh
# Builds the demo OS: build.sh PROGRAMS OUT [arm64], where PROGRAMS is the folder
# with slotctl and slotctl-root, static.
# Leaves vmlinuz, initrd.img and root-v1.erofs … root-v4.erofs in OUT. The same
# inputs give the same bytes. README.md says what is in them. With arm64, and
# programs for it, the same of Debian's packages for arm64.
set -eu

programs=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
here=$(dirname "$(realpath "$0")")
arch=${3:-amd64}
. "$here/foreign.sh"
debian=$(dirname "$out")/debian-arm64
modules="i6300esb virtio_pci virtio_blk virtio_net nvme ahci sd_mod crct10dif_generic
	dm_verity erofs ext4 crc32c_generic efivarfs button evdev"
# Watchdogs that only a PC has.
[ "$arch" = arm64 ] || modules="$modules wdat_wdt lpc_ich iTCO_wdt"

PATH=$PATH:/usr/sbin:/sbin
export LC_ALL=C TZ=UTC

# Asks apt for the current kernel: its version moves.
fetch_kernel() {
	package=$(apt-cache depends linux-image-amd64 2>/dev/null |
		sed -n 's/.*Depends: //p' | head -n 1)
	[ -n "$package" ] &&
		(cd "$out/kernel" && apt-get -q -o APT::Sandbox::User=root download "$package" >&2)
}

# What is taken of Debian for arm64: the kernel, and the programs with their
# libraries.
foreign_parts() {
	foreign "$debian" linux-image-arm64 busybox-static e2fsprogs \
		libblkid1 libc6 libcom-err2 libext2fs2 libuuid1
	[ -e "$out/kernel" ] || ln -s "$debian" "$out/kernel"
	depmod -b "$debian" "$(ls "$debian/lib/modules")"
}

# Debian's current kernel, unpacked and not installed. Cached: a second build
# needs no network.
kernel() {
	[ -e "$out/kernel/complete" ] && return
	rm -rf "$out/kernel"
	mkdir -p "$out/kernel"
	# Lists that are missing or out of date are the usual cause of a failure.
	if ! fetch_kernel && ! { [ "$(id -u)" = 0 ] && apt-get -qq update && fetch_kernel; }; then
		echo "the kernel cannot be downloaded; run \`apt-get update\` first, as root" >&2
		exit 1
	fi
	dpkg -x "$out"/kernel/*.deb "$out/kernel"
	rm "$out"/kernel/*.deb
	depmod -b "$out/kernel" "$(ls "$out/kernel/lib/modules")"
	touch "$out/kernel/complete"
}

# The libraries that a program for arm64 loads; the loader itself is found at its
# own name.
foreign_libraries() {
	readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | while read -r name; do
		file=$(find "$debian/lib/aarch64-linux-gnu" "$debian/usr/lib/aarch64-linux-gnu" \
			-name "$name" | head -n 1)
		echo "$file"
		foreign_libraries "$file"
	done
}

foreign_program() {
	file=$(find "$debian/sbin" "$debian/usr/sbin" -name "$2" | head -n 1)
	install -D "$file" "$1/usr/sbin/$2"
	for library in $(foreign_libraries "$file" | sort -u); do
		install -D "$library" "$1/lib/aarch64-linux-gnu/$(basename "$library")"
	done
	install -D "$debian/lib/ld-linux-aarch64.so.1" "$1/lib/ld-linux-aarch64.so.1"
}

# A program and the libraries it loads, copied into the tree $1.
program() {
	if [ "$arch" = arm64 ]; then
		foreign_program "$1" "$2"
		return
	fi
	tree=$1
	install -D "$(command -v "$2")" "$tree/usr/sbin/$2"
	for library in $(ldd "$(command -v "$2")" | grep -o '/[^ ]*'); do
		install -D "$library" "$tree$library"
	done
}

# busybox under every name it knows. (Its shell prefers its own tools to files of
# the same name, so the trees call the better ones by their paths.)
busybox_into() {
	case $arch in
	arm64) install -D "$debian/bin/busybox" "$1/bin/busybox" ;;
	*) install -D "$(command -v busybox)" "$1/bin/busybox" ;;
	esac
	for applet in $(busybox --list); do
		[ "$applet" = busybox ] || ln -sf busybox "$1/bin/$applet"
	done
}

# The modules above and what they need, and nothing else: a small module list
# loads faster.
modules_into() {
	version=$(ls "$out/kernel/lib/modules")
	for module in $modules; do
		modprobe -d "$out/kernel" -S "$version" --show-depends "$module"
	done | sed -n 's/^insmod //p' | tr -d ' ' | sort -u | while read -r file; do
		install -D -m 644 "$file" "$1/lib/modules/$version/kernel/$(basename "$file")"
	done
	(
		cd "$1/lib/modules/$version"
		touch modules.order modules.builtin modules.builtin.modinfo
		depmod -b "$1" "$version"
		find . -name 'modules.*' ! -name modules.dep -delete
	)
}

initrd() {
	tree=$(mktemp -d "$out/initrd.XXXXXX")
	mkdir -p "$tree/dev" "$tree/proc" "$tree/run" "$tree/sys" "$tree/newroot"
	cp -r "$here/initramfs/." "$tree"
	busybox_into "$tree"
	install -D "$programs/slotctl-root" "$tree/usr/bin/slotctl-root"
	program "$tree" mke2fs
	program "$tree" e2fsck
	modules_into "$tree"
	find "$tree" -exec touch -h -d @0 {} +
	# Not compressed: unpacking would cost more than reading.
	(cd "$tree" && find . | sort | cpio --quiet --reproducible -o -H newc -R 0:0) >"$out/initrd.img"
	rm -rf "$tree"
}

# One root file system per version: what all share, then what differs.
root() {
	tree=$(mktemp -d "$out/root.XXXXXX")
	chmod 755 "$tree"
	for directory in dev proc sys run tmp data root var/lib/slotctl srv/www etc; do
		mkdir -p "$tree/$directory"
	done
	cp -r "$here/root/." "$tree"
	: >"$tree/etc/machine-id"
	busybox_into "$tree"
	install -D -t "$tree/usr/bin" "$programs/slotctl" "$programs/slotctl-root"
	printf 'NAME="slotctl demo"\nID=slotctl-demo\nVERSION_ID=%s\n' "$1" >"$tree/etc/os-release"
	echo ok >"$tree/srv/www/health"
	echo "<h1>Demo plant, version $1</h1>" >"$tree/srv/www/index.html"
	[ ! -d "$here/v$1" ] || cp -r "$here/v$1/." "$tree"
	mkfs.erofs --quiet -T0 -U"00000000-0000-4000-8000-00000000000$1" --all-root \
		"$out/root-v$1.erofs" "$tree"
	rm -rf "$tree"
}

rm -rf "$out"/initrd.?????? "$out"/root.??????
umask 022
case $arch in
arm64) foreign_parts ;;
*) kernel ;;
esac
cp "$out"/kernel/boot/vmlinuz-* "$out/vmlinuz"
initrd
for version in 1 2 3 4; do
	root $version
done
