#!/bin/sh
# Breaks the product on purpose, in one way after the other, and looks whether
# what guards it notices: sabotage.sh [NAME…]. Each patch says what it breaks and
# what has to catch it; one that gets by is a failure. So is a guard that fails
# with nothing broken: it would notice anything.
set -eu

patches=hw-tests/sabotage
out=target/sabotage

# Runs what guards against it; it has to fail, and to have compiled. What hangs for
# half an hour has noticed, too.
guard() {
	case $1 in
	simulator)
		cargo build -q --release -p hw-tests --bin sim || return 2
		! timeout -k 10 1800 "$CARGO_TARGET_DIR/release/sim" quick
		;;
	*)
		# shellcheck disable=SC2086 # words of options
		cargo test -q --no-run -p $1 || return 2
		# shellcheck disable=SC2086
		! timeout -k 10 1800 cargo test -q -p $1
		;;
	esac
}

# Whether a guard passes with nothing broken: asked once, whoever asks first.
sound() {
	asked=$PWD/$out/sound/$(echo "$1" | tr -c 'a-z_\n' -)
	(
		flock 9
		[ -s "$asked" ] || {
			status=0
			(cd "$tree" && guard "$1" </dev/null) >"$asked.log" 2>&1 || status=$?
			echo "$status" >"$asked"
		}
	) 9>>"$asked"
	[ "$(cat "$asked")" = 1 ]
}

# One of them, "NAME GUARD", in the tree of the worker that runs it.
if [ "${1-}" = --one ]; then
	name=${2%% *} by=${2#* }
	patch=$PWD/$patches/$name.patch
	log=$PWD/$out/$name.log
	tree=$PWD/$out/$WORKER/tree
	export CARGO_TARGET_DIR="$PWD/$out/$WORKER/build"
	began=$(date +%s)
	if sound "$by"; then
		status=0
		patch -s -p1 -d "$tree" <"$patch"
		(cd "$tree" && guard "$by" </dev/null) >"$log" 2>&1 || status=$?
		patch -s -R -p1 -d "$tree" <"$patch"
	else
		status=3
	fi
	case $status in
	0) word=caught ;;
	2) word="DOES NOT BUILD" ;;
	3) word="FAILS UNBROKEN" ;;
	*) word=MISSED ;;
	esac
	what=$(sed -n 's/^What: \(.*\)\.$/\1/p' "$patch")
	printf '%-8s %-22s %s (%s, %s s)\n' "$word" "$name" "$what" "$by" $(($(date +%s) - began))
	exit
fi

# As many at a time as there are cores, each in a copy of the last commit, so that nothing
# is broken here. Its files are of now: cargo would take what an earlier run broke for newer
# than files of that commit.
rm -rf "$out/sound"
mkdir -p "$out/sound"
for worker in $(seq 0 $(($(nproc) - 1))); do
	rm -rf "$out/$worker/tree"
	mkdir -p "$out/$worker/tree" "$out/$worker/build"
	git archive HEAD | tar xm -C "$out/$worker/tree"
	ln -sfn "$PWD/target/bootshim" "$out/$worker/build/bootshim"
done

# One that several guard against is tried against each of them. The simulator takes longest
# and comes first.
[ $# -gt 0 ] || set -- $(ls "$patches" | sed 's/\.patch$//')
for name; do
	sed -n "s/^Caught by: /$name /p" "$patches/$name.patch"
done >"$out/all"
{
	grep ' simulator$' "$out/all" || true
	grep -v ' simulator$' "$out/all" | sort -k2 || true
} | xargs -d '\n' -n 1 -P "$(nproc)" --process-slot-var=WORKER "$0" --one | tee "$out/words"
caught=$(grep -c '^caught ' "$out/words" || true)
all=$(wc -l <"$out/all")
echo "sabotage: $caught of $all caught"
[ "$caught" = "$all" ]
