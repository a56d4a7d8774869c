#!/bin/sh
# Builds Debian's packages of the tree as it lies here, in target/deb: build.sh ARCH,
# amd64 or arm64. Once the crates of Cargo.lock are vendored nothing is fetched. With
# `packed` behind the ARCH, in target/packed, of the programs that `make programs` has
# built. A package that came out the same is left alone, for whoever is made of it.
set -eu

arch=$1 how=${2:-deb}
root=$(cd "$(dirname "$0")/.." && pwd)
out=$root/target/$how
work=$out/build
tree=$work/slotctl
mkdir -p "$tree" "$work/target"

# What git knows or would take, and nothing that was built; the crates stay.
find "$tree" -mindepth 1 -maxdepth 1 ! -name vendor -exec rm -rf {} +
cd "$root"
git ls-files -z --cached --others --exclude-standard --deduplicate |
	tar --null --files-from=- --ignore-failed-read --create | tar -C "$tree" --extract

cd "$tree"

# The programs are built in the tree, of vendored crates.
from_source() {
	# What one build leaves, the next takes up.
	ln -s ../target target
	# A toolchain without a library for the programs before the kernel builds that too.
	library=/usr/lib/rustlib/src/rust/library
	locks=Cargo.lock sync=
	if [ -e $library ]; then
		locks="$locks $library/Cargo.lock" sync="--sync $library/Cargo.toml"
	fi
	# shellcheck disable=SC2086 # options and names are words
	if ! cat $locks | cmp -s - vendor/locks; then
		rm -rf vendor
		RUSTC_BOOTSTRAP=1 cargo vendor --quiet --locked $sync vendor >/dev/null
		cat $locks >vendor/locks
	fi
	cat >.cargo/config.toml <<-'END'
		[source.crates-io]
		replace-with = "vendored"

		[source.vendored]
		directory = "vendor"
	END
}

profiles=pkg.slotctl.rustup,nocheck
case $how in
packed) ln -s "$root/target" target && profiles=$profiles,pkg.slotctl.built ;;
*) from_source ;;
esac
rm -f "$work"/*_"$arch".deb
dpkg-buildpackage --no-sign --build=binary --no-pre-clean --host-arch="$arch" \
	--build-profiles=$profiles >"$work/said" 2>&1 || {
	tail -n 30 "$work/said" >&2
	exit 1
}
cd "$out"
for package in *_"$arch".deb; do
	[ -e "build/$package" ] || rm -f "$package"
done
for package in "$work"/*_"$arch".deb; do
	cmp -s "$package" "$(basename "$package")" || cp "$package" .
	echo "target/$how/$(basename "$package")"
done
