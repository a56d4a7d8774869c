#!/bin/sh
# Breaks the product on purpose, in one way after the other, and looks whether
# what guards it notices: sabotage.sh [NAME…]. Each patch says what it breaks and
# what has to catch it; one that gets by is a failure. So is a guard that fails
# with nothing broken: it would notice anything.
set -eu

patches=hw-tests/sabotage
tree=target/sabotage/tree
export CARGO_TARGET_DIR="$PWD/target/sabotage/build"

# A copy of the last commit, so that nothing is broken here. Its files are of now:
# cargo would take what an earlier run broke for newer than files of that commit.
rm -rf "$tree"
mkdir -p "$tree" "$CARGO_TARGET_DIR"
git archive HEAD | tar xm -C "$tree"
ln -sfn "$PWD/target/bootshim" "$CARGO_TARGET_DIR/bootshim"

# Runs what guards against it; it has to fail, and to have compiled. What hangs for
# half an hour has noticed, too.
guard() {
	case $1 in
	simulator)
		cargo build -q --release -p hw-tests --bin sim || return 2
		! timeout -k 10 1800 "$CARGO_TARGET_DIR/release/sim" quick
		;;
	*)
		cargo test -q --no-run -p $1 || return 2
		! timeout -k 10 1800 cargo test -q -p $1
		;;
	esac
}

[ $# -gt 0 ] || set -- $(ls "$patches" | sed 's/\.patch$//')
caught=0 missed=0 sound= unsound=
# One that several guard against is tried against each of them.
for name; do
	patch=$PWD/$patches/$name.patch
	what=$(sed -n 's/^What: \(.*\)\.$/\1/p' "$patch")
	log=$PWD/target/sabotage/$name.log
	while read -r by; do
		began=$(date +%s)
		status=0
		case "$sound$unsound" in
		*"|$by|"*) : >"$log" ;;
		*)
			(cd "$tree" && guard "$by" </dev/null) >"$log" 2>&1 || status=$?
			case $status in
			1) sound="$sound|$by|" ;;
			*) unsound="$unsound|$by|" ;;
			esac
			status=0
			;;
		esac
		case $unsound in
		*"|$by|"*) status=3 ;;
		*)
			patch -s -p1 -d "$tree" <"$patch" >>"$log"
			(cd "$tree" && guard "$by" </dev/null) >>"$log" 2>&1 || status=$?
			patch -s -R -p1 -d "$tree" <"$patch" >>"$log"
			;;
		esac
		case $status in
		0) caught=$((caught + 1)) word=caught ;;
		2) missed=$((missed + 1)) word="DOES NOT BUILD" ;;
		3) missed=$((missed + 1)) word="FAILS UNBROKEN" ;;
		*) missed=$((missed + 1)) word=MISSED ;;
		esac
		printf '%-8s %-22s %s (%s, %s s)\n' "$word" "$name" "$what" "$by" $(($(date +%s) - began))
	done <<-END
		$(sed -n 's/^Caught by: //p' "$patch")
	END
done
echo "sabotage: $caught caught, $missed missed"
[ "$missed" = 0 ]
