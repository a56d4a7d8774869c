#!/bin/sh
# Installs what building, testing and the long runs (bench, fuzz, mutants) need
# beside git, make, gcc and a Rust toolchain from rustup; with `test`, without what
# only the long runs do, with `demo`, only what the demonstration does, with `deb`, only
# what the packages do. Does nothing when nothing is missing.
set -eu

packages="binutils busybox-static cpio cryptsetup-bin curl dosfstools e2fsprogs erofs-utils
	gcc-aarch64-linux-gnu gdisk gnutls-bin kmod libc6-dev-arm64-cross mmdebstrap
	mtools nbdkit nginx-light opensc openssl ovmf qemu-efi-aarch64 qemu-system-arm
	qemu-system-x86 sbsigntool shim-unsigned softhsm2 swtpm systemd-boot-efi time
	tinyproxy-bin tpm2-tools u-boot-qemu util-linux"
deb="debhelper dpkg-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
tools=
case ${1:-} in
demo) ;;
deb) packages=$deb ;;
*)
	packages="$packages apache2-bin casync dbus fonts-dejavu-core g++ librsvg2-bin postgresql-15
		python3 rauc squashfs-tools swupdate systemd tzdata xdelta3 zstd"
	tools=cargo-mutants
	if [ "${1:-}" != test ]; then
		packages="$packages $deb lintian man-db" tools="$tools cargo-fuzz"
	fi
	;;
esac

# They are in no package of Debian.
for tool in $tools; do
	command -v "$tool" >/dev/null || {
		echo "setup: building $tool"
		cargo install -q --locked "$tool"
	}
done

# A toolchain without a library for UEFI programs builds its own, from Debian's.
uefi=$(rustc --print target-libdir --target x86_64-unknown-uefi 2>/dev/null || true)
if ! ls "$uefi"/libcore-*.rlib >/dev/null 2>&1; then
	packages="$packages lld rust-web-src rustc-web"
fi

if ! command -v apt-get >/dev/null; then
	echo "setup: this is no Debian; what is needed, as Debian's packages are called:"
	echo "$packages" | tr -s '\t\n' ' '
	echo
	exit 0
fi

missing=
for package in $packages; do
	case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true) in
	*" installed") ;;
	*) missing="$missing $package" ;;
	esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
	echo "setup: packages are missing; as root: apt-get install$missing" >&2
	exit 1
fi
echo "setup: installing$missing"
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends $missing >/dev/null
