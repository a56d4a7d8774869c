#!/bin/sh
# Runs every fuzz target for FUZZ_SECONDS (600), two at a time, and says of each
# in one line what came of it: run.sh [TARGET…]. Fails where something was found.
# With --smoke, only whether each builds and takes its corpus.
#
# What is found lies in target/fuzz/artifacts; `target/fuzz/NAME FILE` repeats it.
# To keep what a long run learned:
#   target/fuzz/NAME -merge=1 hw-tests/fuzz/corpus/NAME target/fuzz/corpus/NAME
set -eu
cd "$(dirname "$0")/../.."

seconds=${FUZZ_SECONDS:-600}
work=target/fuzz
# The longest that is ever held at once is the head of an image, 16 MiB.
# A thread that is about to end is no leak, and looks like one; nor is the clock of an
# ESP, which lives for ever.
export ASAN_OPTIONS=detect_leaks=0
limits="-detect_leaks=0 -timeout=25 -rss_limit_mb=2048 -malloc_limit_mb=17"

run_one() {
	name=$1
	corpus=$work/corpus/$name
	log=$work/$name.log
	mkdir -p "$corpus" "$work/artifacts/$name"
	dictionary=
	[ ! -e "hw-tests/fuzz/dict/$name.dict" ] || dictionary=-dict=hw-tests/fuzz/dict/$name.dict
	status=0
	# shellcheck disable=SC2086 # words of options
	env -u http_proxy -u HTTP_PROXY -u ALL_PROXY -u all_proxy \
		"$work/$name" $limits $dictionary -max_total_time="$seconds" -print_final_stats=1 \
		-artifact_prefix="$work/artifacts/$name/" \
		"$corpus" "hw-tests/fuzz/corpus/$name" "$work/seeds/$name" >"$log" 2>&1 || status=$?
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
	cases=$(find "$corpus" -type f | wc -l)
	found=nothing
	[ "$status" = 0 ] || found="$(grep -m 1 -E 'panicked at|ERROR: ' "$log" || echo "exit $status"), see $log"
	echo "fuzz $name: ${runs:-0} runs in $seconds s, ${edges:-0} edges, $cases new cases, found: $found"
	return "$status"
}

if [ "${1-}" = --one ]; then
	run_one "$2"
	exit
fi

names=$(sed -n 's/^name = "\(.*\)"/\1/p' hw-tests/fuzz/Cargo.toml | grep -v '^fuzz$')

if [ "${1-}" = --smoke ]; then
	# Without what sees where they went, as every compiler builds them.
	CARGO_PROFILE_DEV_DEBUG=0 cargo build -q --manifest-path hw-tests/fuzz/Cargo.toml \
		--target-dir "$work/smoke"
	for name in $names; do
		"$work/smoke/debug/$name" $limits hw-tests/fuzz/corpus/"$name"/* >"$work/$name.log" 2>&1 || {
			echo "fuzz $name: failed, see $work/$name.log" >&2
			exit 1
		}
	done
	exit
fi

# A stable compiler can do what is needed, if it is told that it may.
nightly=
if rustup toolchain list 2>/dev/null | grep -q '^nightly'; then
	nightly=+nightly
else
	export RUSTC_BOOTSTRAP=1
fi
cargo run -q -p hw-tests --example seeds -- "$work/seeds"
host=$(rustc -vV | sed -n 's/^host: //p')
(cd hw-tests && CARGO_TERM_QUIET=true cargo $nightly fuzz build --target "$host" --target-dir ../target/fuzz)
[ $# -gt 0 ] || set -- $names
for name; do
	cp -f "$work/$host/release/$name" "$work/$name"
done
printf '%s\n' "$@" | xargs -P 2 -n 1 "$0" --one
