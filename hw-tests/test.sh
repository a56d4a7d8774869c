#!/bin/sh
# Runs the tests and ends in a line that counts them: test.sh RUN…, each of them
# the arguments of one `cargo test`.
set -eu

log=target/test.log
rm -f target/machines/starts
mkdir -p target

# What needs root and loop devices is left out, and counted as left out, where
# there are none.
also=
if [ "$(id -u)" = 0 ] && [ -e /dev/loop-control ]; then
	also=--include-ignored
fi

# A machine waits about as often as it works: one more than there are cores.
RUST_TEST_THREADS=$(($(nproc) + 1))
export RUST_TEST_THREADS

began=$(date +%s)
status=0
for run; do
	cargo test --no-fail-fast $run -- $also 2>&1 || echo "$?" >"$log.status"
done | tee "$log"
[ ! -e "$log.status" ] || { status=$(cat "$log.status"); rm "$log.status"; }

count() { sed -n "s/^test result: .* \([0-9]*\) $1.*/\1/p" "$log" | awk '{ n += $1 } END { print n + 0 }'; }
starts=$(awk '{ n += $1 } END { print n + 0 }' target/machines/starts 2>/dev/null || echo 0)
echo "tests took $(($(date +%s) - began)) s, $starts starts of machines, $(count ignored) tests left out"
echo "$(count passed) passed, $(count failed) failed"
exit "$status"
