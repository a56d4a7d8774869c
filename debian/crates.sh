#!/bin/sh
# What others' crates are in the programs, with their licences, for a package's
# documents: crates.sh ARCH PACKAGE…, in a tree whose crates were vendored or fetched.
set -eu

case $1 in
amd64) targets="--target x86_64-unknown-linux-gnu" ;;
arm64) targets="--target aarch64-unknown-linux-gnu" ;;
esac
shift
# The programs that firmware starts.
targets="$targets --target x86_64-unknown-uefi --target aarch64-unknown-uefi"
fetched=${CARGO_HOME:-$HOME/.cargo}/registry/src
list=$(mktemp)
texts=$(mktemp)
trap 'rm -f "$list" "$texts"' EXIT

# What only runs at the build is in none of them; ours have a path behind the version.
# shellcheck disable=SC2046,SC2086 # options are words
tree=$(cargo tree --quiet --locked --edges normal,no-proc-macro --prefix none --no-dedupe \
	$targets $(printf -- '--package %s ' "$@") --format '{p}|{l}')
echo "$tree" | sed -n 's/^\([^ ]*\) v\([^ |]*\)|\(.*\)/\1 \2 \3/p' | LC_ALL=C sort -u >"$list"

echo "These crates of others are in the programs of this package, each under a licence"
echo "that its line names; the texts that come with them follow. Their sources are at"
echo "https://crates.io/crates/NAME/VERSION. The programs also contain parts of Rust's"
echo "standard library: (c) The Rust Project contributors, MIT or Apache-2.0."
echo
while read -r name version licence; do
	echo "$name $version: $licence"
	for folder in "vendor/$name-$version" "vendor/$name" "$fetched"/*/"$name-$version"; do
		[ ! -d "$folder" ] || break
	done
	[ -d "$folder" ] || {
		echo "the source of $name $version is neither in vendor nor in $fetched" >&2
		exit 1
	}
	found=$(find "$folder" -type f \( -iname 'licen[cs]e*' -o -iname 'copying*' \
		-o -iname 'copyright*' -o -iname 'notice*' -o -iname 'unlicense*' \) \
		! -name '*.rs' | LC_ALL=C sort)
	for file in $found; do
		sum=$(tr -s '[:space:]' ' ' <"$file" | sha256sum | cut -c1-64)
		echo "$sum $name $file" >>"$texts"
	done
done <"$list"

# Many have the same text: each is there once.
cut -d' ' -f1 "$texts" | awk '!seen[$0]++' | while read -r sum; do
	printf '\n---- %s\n\n' "$(sed -n "s/^$sum \([^ ]*\) .*/\1/p" "$texts" | sort -u | paste -sd' ')"
	cat "$(sed -n "s/^$sum [^ ]* //p" "$texts" | head -n 1)"
done
