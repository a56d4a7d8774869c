#!/bin/sh
# Changes the code that decides in every way that cargo-mutants knows, one change
# at a time, and looks whether a test notices. Fails where fewer than 98 of 100
# changes are noticed, or where one gets by that docs/mutants.md does not list.
# With --smoke, one spot only, and whether what is listed is still there.
set -eu

least=98
out=target/mutants
list=docs/mutants.md

packages="-p bootshim -p images -p controller -p install -p watch"

mkdir -p "$out"

# A row of the list: file and mutant in backquotes, between bars.
sed -n 's/\\|/|/g; s/^| `\([^`]*\)` | `\([^`]*\)` | .*/\1 \2/p' "$list" | sort >"$out/listed"
plain() { sed 's/^\([^:]*\):[0-9]*:[0-9]*: \(.*\)/\1 \2/' "$1" | sort; }

if [ "${1-}" = --smoke ]; then
	# shellcheck disable=SC2086 # words of options
	cargo mutants --list --colors never $packages >"$out/all"
	gone=$(plain "$out/all" | uniq | comm -13 - "$out/listed")
	[ -z "$gone" ] || {
		echo "in $list, and no mutant any more: $gone" >&2
		exit 1
	}
	# With what the tests have built of the crates that it needs.
	CARGO_TARGET_DIR="$PWD/target" cargo mutants --no-config -p bootshim -o "$out/smoke" \
		--colors never --cargo-arg=--lib --file bootshim/src/guid.rs --re 'Guid::.*written'
	exit
fi

# The same cases in every run, and few of them: a run takes seconds.
export PROPTEST_CASES=64 PROPTEST_RNG_SEED=1 PROPTEST_DISABLE_FAILURE_PERSISTENCE=1
export CARGO_PROFILE_TEST_DEBUG=0 CARGO_PROFILE_DEV_DEBUG=0
# Dependencies are built once, not once for each pass.
export CARGO_TARGET_DIR="$PWD/$out/build"

# The tests of slotctl put it on a disk.
mkdir -p "$out/build"
ln -sfn "$PWD/target/bootshim" "$out/build/bootshim"

found=$out/mutants.out
count() { wc -l <"$found/$1.txt"; }

pass() {
	status=0
	# shellcheck disable=SC2086 # words of options
	cargo mutants $packages -o "$out" --colors never "$@" || status=$?
	case $status in
	0 | 2 | 3) ;; # all caught, some missed, some never ended: judged below
	*) exit "$status" ;;
	esac
}

# First against the tests beside the code, which build fastest; what these miss,
# against all tests, those of the command line among them.
began=$(date +%s)
pass --cargo-arg=--lib --timeout 60
beside=$(count caught) unviable=$(count unviable)
# A pass takes half a minute, most of which its tests wait; what has not ended after ten
# times that never does.
export RUST_TEST_THREADS=8
pass --iterate --timeout 300 --cargo-arg=--tests --test-package bootshim,images,controller,install,watch,slotctl
endless=$(count timeout)
caught=$((beside + $(count caught) + endless))
missed=$(count missed)
viable=$((caught + missed))
echo "mutants took $((($(date +%s) - began) / 60)) min: $viable viable," \
	"$caught caught ($endless of them never end), $missed missed," \
	"$unviable do not compile"

plain "$found/missed.txt" >"$out/missed"
comm -13 "$out/missed" "$out/listed" | sed "s|^|caught, and still in $list: |"
unlisted=$(comm -23 "$out/missed" "$out/listed")
if [ -n "$unlisted" ]; then
	echo "missed, and not in $list:" >&2
	echo "$unlisted" >&2
	exit 1
fi
if [ $((caught * 100)) -lt $((viable * least)) ]; then
	echo "$caught of $viable mutants are caught, fewer than $least of 100" >&2
	exit 1
fi
