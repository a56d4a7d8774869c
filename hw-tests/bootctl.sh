#!/bin/sh
# Fetches Debian's bootctl with all its libraries into an archive for a machine that
# has none: bootctl.sh ARCHIVE. The package is not installed here: where there is an
# ESP, that would make systemd-boot the boot loader of this computer.
set -eu

archive=$(realpath -m "$1")
work=$archive.work
rm -rf "$work"
mkdir -p "$work/packages" "$work/bootctl"
trap 'rm -rf "$work"' EXIT

(cd "$work/packages" && apt-get -qq download systemd-boot libsystemd-shared 2>"$work/said") || {
	cat "$work/said" >&2
	echo "bootctl: Debian's packages systemd-boot and libsystemd-shared are not to be had" >&2
	exit 1
}
for package in "$work"/packages/*.deb; do
	dpkg-deb -x "$package" "$work/tree"
done
cp "$work/tree/usr/bin/bootctl" "$work"/tree/usr/lib/*/systemd/libsystemd-shared-*.so \
	"$work/bootctl"
LD_LIBRARY_PATH=$work/bootctl ldd "$work/bootctl/bootctl" >"$work/libraries"
if grep "not found" "$work/libraries" >&2; then
	echo "bootctl: these libraries are missing here" >&2
	exit 1
fi
for library in $(grep -o '/[^ ]*' "$work/libraries"); do
	[ -e "$work/bootctl/${library##*/}" ] || cp "$library" "$work/bootctl"
done
tar cf "$archive" -C "$work" bootctl
