#!/bin/sh
# Builds the UEFI program: target/bootshim/BOOTX64.EFI and BOOTAA64.EFI.
#
# A toolchain with the UEFI targets (rustup target add) needs nothing else. Where
# none can be had, Debian's compiler builds the standard library from its source.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
out=$root/target/bootshim
# No firmware asks for this: all of it is trusted with the start, and somebody has to
# read it, so that it grows only by what is wanted.
largest=262144

has_target() {
    ls "$(rustc --print target-libdir --target "$1")"/libcore-*.rlib >/dev/null 2>&1
}

# $1: target. Cargo's options on standard output.
library() {
    if has_target "$1"; then
        return
    fi
    if [ ! -x /usr/bin/rustc ] || [ ! -d /usr/lib/rustlib/src/rust/library ]; then
        echo "bootshim needs a compiler for $1: rustup target add $1," \
            "or, on Debian, apt-get install rustc-web rust-web-src" >&2
        exit 1
    fi
    echo -Zbuild-std=core,alloc,compiler_builtins \
        -Zbuild-std-features=compiler-builtins-mem
}

# $1: target, $2: name of the program.
build() {
    options=$(library "$1")
    if [ -n "$options" ]; then
        host=$(rustc -vV | sed -n 's/^host: //p')
        lld=$(rustc --print sysroot)/lib/rustlib/$host/bin/rust-lld
        [ -x "$lld" ] || lld=lld-link
        variable=CARGO_TARGET_$(echo "$1" | tr 'a-z-' 'A-Z_')_LINKER
        set -- "$1" "$2" RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 "$variable=$lld"
    fi
    target=$1 name=$2
    shift 2
    # The vector code of the curve does not compile for UEFI on x86_64. Paths of
    # this machine have no place in the program.
    flags="--cfg curve25519_dalek_backend=\"serial\" \
        --remap-path-prefix=$root=. \
        --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
    # shellcheck disable=SC2086 # options are words
    (cd "$root" && env "$@" RUSTFLAGS="$flags" cargo build --locked \
        --package bootshim-efi --profile uefi --target "$target" \
        --target-dir "$root/target/uefi" $options)
    mkdir -p "$out"
    cp "$root/target/uefi/$target/uefi/bootshim.efi" "$out/$name"
    size=$(wc -c <"$out/$name")
    if [ "$size" -gt "$largest" ]; then
        echo "$out/$name has $size bytes, at most $largest are allowed" >&2
        exit 1
    fi
    echo "target/bootshim/$name: $size bytes"
}

build x86_64-unknown-uefi BOOTX64.EFI
build aarch64-unknown-uefi BOOTAA64.EFI
