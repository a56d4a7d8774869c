#!/bin/sh
# Breaks the product on purpose, in one way after the other, and looks whether
# what guards it notices: sabotage.sh [NAME…]. Each patch says what it breaks and
# what has to catch it; one that gets by is a failure.
set -eu

patches=hw-tests/sabotage
tree=target/sabotage/tree
export CARGO_TARGET_DIR="$PWD/target/sabotage/build"

# A copy of the last commit, so that nothing is broken here.
rm -rf "$tree"
mkdir -p "$tree"
git archive HEAD | tar x -C "$tree"

# Runs what guards against it; it has to fail, and to have compiled.
guard() {
	case $1 in
	simulator)
		cargo build -q --release -p hw-tests --bin sim || return 2
		! "$CARGO_TARGET_DIR/release/sim" quick
		;;
	*)
		cargo test -q --no-run -p $1 || return 2
		! cargo test -q -p $1
		;;
	esac
}

[ $# -gt 0 ] || set -- $(ls "$patches" | sed 's/\.patch$//')
caught=0 missed=0
for name; do
	patch=$PWD/$patches/$name.patch
	what=$(sed -n 's/^What: \(.*\)\.$/\1/p' "$patch")
	by=$(sed -n 's/^Caught by: //p' "$patch")
	log=$PWD/target/sabotage/$name.log
	began=$(date +%s)
	status=0
	patch -s -p1 -d "$tree" <"$patch" >"$log"
	(cd "$tree" && guard "$by") >>"$log" 2>&1 || status=$?
	patch -s -R -p1 -d "$tree" <"$patch" >>"$log"
	case $status in
	0) caught=$((caught + 1)) word=caught ;;
	2) missed=$((missed + 1)) word="DOES NOT BUILD" ;;
	*) missed=$((missed + 1)) word=MISSED ;;
	esac
	printf '%-8s %-22s %s (%s, %s s)\n' "$word" "$name" "$what" "$by" $(($(date +%s) - began))
done
echo "sabotage: $caught caught, $missed missed"
[ "$missed" = 0 ]
