#!/bin/sh
# Builds what the arm64 machines of the scenarios start: arm64.sh OUT [SLOTCTL]
# Leaves vmlinuz, initrd.img and root.erofs in OUT: Debian's kernel for arm64,
# busybox, and a root that nobody mounts. No slotctl, which would take minutes to
# build for arm64: what bootshim did there, the host's slotctl reads off the disk.
# With SLOTCTL, one for arm64, also initrd-slotctl.img, in which a trial is
# confirmed.
set -eu

mkdir -p "$1"
out=$(realpath "$1")
slotctl=${2:-}
here=$(dirname "$(realpath "$0")")
disk_modules="virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk"
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL=C TZ=UTC

# apt for arm64, from the sources of this machine, with a state of its own: the
# machine's own apt stays as it is.
apt_state() {
	rm -rf "$out/apt" "$out/debian"
	mkdir -p "$out/apt/state/lists/partial" "$out/apt/cache/archives/partial" "$out/debian"
	: >"$out/apt/state/status"
	cat >"$out/apt/conf" <<-END
		APT::Architecture "arm64";
		APT::Architectures { "arm64"; };
		APT::Sandbox::User "root";
		Dir::State "$out/apt/state";
		Dir::State::status "$out/apt/state/status";
		Dir::Cache "$out/apt/cache";
		Acquire::Languages "none";
		Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
	END
	export APT_CONFIG="$out/apt/conf"
}

# Unpacked and not installed. Cached: a second build needs no network.
fetch() {
	[ ! -e "$out/debian/complete" ] || return 0
	apt_state
	apt-get -qq update
	kernel=$(apt-cache depends linux-image-arm64 | sed -n 's/.*Depends: //p' | head -n 1)
	(cd "$out/debian" && apt-get -qq download "$kernel" busybox-static)
	for package in "$out"/debian/*.deb; do
		dpkg -x "$package" "$out/debian"
		rm "$package"
	done
	rm -rf "$out/apt"
	touch "$out/debian/complete"
}

# $1: the file; $2: slotctl, where it shall have one.
initrd() {
	tree=$(mktemp -d "$out/initrd.XXXXXX")
	mkdir -p "$tree/dev" "$tree/proc" "$tree/sys"
	install -D "$out/debian/bin/busybox" "$tree/bin/busybox"
	install "$here/arm64/init" "$tree/init"
	install -m 644 "$(find "$out/debian" -name efivarfs.ko)" "$tree/efivarfs.ko"
	if [ -n "$2" ]; then
		install -D "$2" "$tree/bin/slotctl"
		mkdir -p "$tree/tmp" "$tree/var/lib/slotctl"
		for module in $disk_modules; do
			install -m 644 "$(find "$out/debian" -name "$module.ko")" "$tree/$module.ko"
		done
	fi
	find "$tree" -exec touch -h -d @0 {} +
	(cd "$tree" && find . | sort | cpio --quiet --reproducible -o -H newc -R 0:0) >"$out/$1"
	rm -rf "$tree"
}

umask 022
fetch
cp "$out"/debian/boot/vmlinuz-* "$out/vmlinuz"
initrd initrd.img ""
[ -z "$slotctl" ] || initrd initrd-slotctl.img "$slotctl"
mkfs.erofs --quiet -T0 -U00000000-0000-4000-8000-000000000064 --all-root \
	"$out/root.erofs" "$here/arm64"
