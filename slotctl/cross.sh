#!/bin/sh
# Builds a program of slotctl for aarch64 Linux: cross.sh OUT [dynamic], where OUT has
# the name of the program. It is static unless it is to be dynamic.
#
# A toolchain with that target (rustup target add) needs Debian's cross compiler
# for C and nothing else; else Debian's compiler builds the standard library from
# its source.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
target=aarch64-unknown-linux-gnu
name=$(basename "$1")
profile=release
[ "$name" != slotctl-root ] || profile=initramfs
export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
[ "${2:-}" = dynamic ] || RUSTFLAGS="${RUSTFLAGS:-} -Ctarget-feature=+crt-static"
export RUSTFLAGS

library=
if ! ls "$(rustc --print target-libdir --target $target)"/libcore-*.rlib >/dev/null 2>&1; then
	library=-Zbuild-std=std,panic_abort
	export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1
fi
(cd "$root" && cargo build -q --locked --profile $profile -p "$name" --bin "$name" \
	--target $target --target-dir target/aarch64 $library)
mkdir -p "$(dirname "$1")"
aarch64-linux-gnu-strip -o "$1" "$root/target/aarch64/$target/$profile/$name"
