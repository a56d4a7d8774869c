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

# As many at a time as there are cores: each shard has a folder of its own for what it
# builds, where dependencies are built once, not once for each pass, and one for what it
# finds. The tests of slotctl put bootshim on a disk.
shards=$(seq 0 $(($(nproc) - 1)))
for shard in $shards; do
	mkdir -p "$out/$shard/build"
	ln -sfn "$PWD/target/bootshim" "$out/$shard/build/bootshim"
done

# Of all shards, what the last pass found: caught, missed, timeout or unviable.
found() { for shard in $shards; do cat "$out/$shard/mutants.out/$1.txt"; done; }

running=
trap 'exit 130' INT TERM
trap 'kill $running 2>/dev/null || true' EXIT
pass() {
	echo "mutants: $* (see $out/*/log)"
	running=
	for shard in $shards; do
		# shellcheck disable=SC2086 # words of options
		CARGO_TARGET_DIR="$PWD/$out/$shard/build" cargo mutants $packages -o "$out/$shard" \
			--shard "$shard/$(nproc)" --colors never "$@" >"$out/$shard/log" 2>&1 &
		running="$running $!"
	done
	for pid in $running; do
		status=0
		wait "$pid" || status=$?
		case $status in
		0 | 2 | 3) ;; # all caught, some missed, some never ended: judged below
		*)
			tail -n 20 "$out"/*/log >&2
			exit "$status"
			;;
		esac
	done
}

# First against the tests beside the code, which build fastest and take a second or two:
# what they do not end in a minute has no end.
began=$(date +%s)
pass --cargo-arg=--lib --timeout 60
for what in caught timeout unviable; do found $what >"$out/$what"; done
unviable=$(wc -l <"$out/unviable")

# What these miss, against those of the command line, which wait most of their time; and what
# these miss, against all. Half a minute each, where nothing else goes on.
rest() {
	for shard in $shards; do
		cat "$out/caught" "$out/timeout" "$out/unviable" >"$out/$shard/mutants.out/caught.txt"
	done
	pass --iterate --timeout 300 "$@"
	for what in caught timeout; do found $what >>"$out/$what"; done
}
export RUST_TEST_THREADS=8
# Not first with nothing changed: cargo-mutants would look for these in each changed package.
rest --baseline=skip --test-package slotctl --cargo-arg=--test --cargo-arg=files
rest --cargo-arg=--tests --test-package bootshim,images,controller,install,watch,slotctl
found missed >"$out/missed.txt"
endless=$(wc -l <"$out/timeout")
caught=$(($(wc -l <"$out/caught") + endless))
missed=$(wc -l <"$out/missed.txt")
viable=$((caught + missed))
echo "mutants took $((($(date +%s) - began) / 60)) min: $viable viable," \
	"$caught caught ($endless of them never end), $missed missed," \
	"$unviable do not compile"

plain "$out/missed.txt" >"$out/missed"
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
