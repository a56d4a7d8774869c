#!/bin/sh
# Builds a controller's Debian: build.sh PACKAGES OUT, where PACKAGES is the folder
# with slotctl's own .deb files. Leaves vmlinuz, initrd.img and root-v1.erofs …
# root-v4.erofs in OUT; README.md says what is in them. The same inputs and the same
# SOURCE_DATE_EPOCH give the same bytes. Needs no root where the system lets an
# ordinary user have a user namespace with more than one id (/etc/subuid).
set -eu

packages=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
# Before minutes go by.
for package in slotctl slotctl-initramfs; do
	ls "$packages/$package"_*_amd64.deb >/dev/null 2>&1 || {
		echo "debian: no ${package}_*_amd64.deb in $packages; nothing was built" >&2
		exit 1
	}
done
mkdir -p "$2"
out=$(realpath "$2")
# From the date of the commit, or of the package that this comes from, where nobody says
# another.
: "${SOURCE_DATE_EPOCH:=$(git -C "$here" log -1 --format=%ct 2>/dev/null || stat -c %Y "$here/packages")}"
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
PATH=$PATH:/usr/sbin:/sbin
umask 022

# As root, or as who is taken for root in a namespace of its own.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		unshare --map-auto --map-root-user --mount --pid --fork "$@"
	fi
}

# Debian's own packages, once for each list of them: the network is needed only for
# this. Documents, drivers that no controller has, and the compiler that PostgreSQL has
# for long questions stay out: what is in a root is written, read and proven each time.
base() {
	list=$(sed '/^#/d' "$here/packages" | paste -sd,)
	base=$out/base-$(echo "$list" | cat - "$0" | sha256sum | cut -c1-16).tar
	[ ! -e "$base" ] || return 0
	rm -rf "$out"/base-*
	echo "debian: fetching and unpacking Debian; some minutes"
	# Of PostgreSQL no cluster: each controller makes its own. The initramfs comes later.
	INITRD=No mmdebstrap --quiet --format=tar --variant=minbase --dpkgopt=force-confold --include="$list" \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/i18n/locales/*' \
		--dpkgopt='path-exclude=/lib/udev/hwdb.d/*' \
		--dpkgopt='path-exclude=/usr/lib/*/libLLVM*' \
		--dpkgopt='path-exclude=/usr/lib/*/libz3*' \
		--dpkgopt='path-exclude=/usr/lib/postgresql/*/lib/bitcode/*' \
		--dpkgopt='path-exclude=/usr/lib/postgresql/*/lib/llvmjit*' \
		--dpkgopt='path-exclude=/lib/modules/*/kernel/lib/test_*' \
		--dpkgopt='path-exclude=/lib/modules/*/kernel/sound/*' \
		--dpkgopt='path-exclude=/lib/modules/*/kernel/drivers/gpu/*' \
		--dpkgopt='path-exclude=/lib/modules/*/kernel/drivers/infiniband/*' \
		--dpkgopt='path-exclude=/lib/modules/*/kernel/drivers/media/*' \
		--dpkgopt='path-exclude=/lib/modules/*/kernel/drivers/net/wireless/*' \
		--essential-hook='mkdir -p "$1/etc/postgresql-common"' \
		--essential-hook='echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.conf"' \
		bookworm "$base.new" >"$out/said" 2>&1 || {
		tail -n 20 "$out/said" >&2
		exit 1
	}
	mv "$base.new" "$base"
}

base
as_root sh "$here/roots.sh" "$base" "$packages" "$out"
