#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check.sh BASE:ARCH...: the tests.  Each prints a line, what it is about,
# and what went wrong if it failed; the last line counts.
#
# The tests of the harness work on a copy of this clone and on a tree of the
# few kernel files that the patches touch, which is enough to make, edit,
# export and break in seconds.
. "$(dirname "$0")/lib.sh"
cd "$TOP"

"$TOP/harness/deps.sh" tree kernel guest check docs
lock check
scratch
passed=0 failed=0 skipped=0
failures=()

# t NAME COMMAND...: a test is a command that succeeds; 77 is a skip, and
# what it printed last is the reason.
t() {
	local name=$1 began status
	shift
	began=$(date +%s)
	# not "|| status=$?": that would make bash ignore failures in the test
	set +e
	(set -e; "$@") >"$SCRATCH/t.log" 2>&1 </dev/null
	status=$?
	set -e
	case $status in
	0)
		passed=$((passed + 1))
		printf 'ok    %s (%s)\n' "$name" "$(elapsed "$began")" ;;
	77)
		skipped=$((skipped + 1))
		printf 'skip  %s: %s\n' "$name" "$(tail -n 1 "$SCRATCH/t.log")" ;;
	*)
		failed=$((failed + 1))
		failures+=("$name")
		printf 'FAIL  %s (status %s)\n%s\n' "$name" "$status" "$(tail -n 25 "$SCRATCH/t.log" | sed 's/^/      /')" ;;
	esac
}
skip() { echo "$*"; exit 77; }

for part in "$TOP"/harness/checks/*.sh; do
	# shellcheck source=/dev/null
	. "$part"
done

# Two jobs at a time, the long ones first: a guest keeps one processor busy,
# most tests of the harness another.  A line says what it is about, so that
# lines of both may alternate.
# shellcheck disable=SC2034 # base and arch are read by the checks
job() {
	local checks=$1 pair=$2
	base=${pair%%:*} arch=${pair##*:}
	SCRATCH=$SCRATCH/$checks-$pair
	mkdir "$SCRATCH"
	"checks_of_the_$checks"
	printf '%s\n' "$passed $failed $skipped" "${failures[@]}" >"$SCRATCH/result"
}

jobs=()
for pair; do
	"$TOP/harness/deps.sh" "${pair##*:}"
	jobs+=("selftests $pair" "guest $pair")
done
for base in $(printf '%s\n' "${@%%:*}" | sort -u); do
	jobs+=("patches $base:${1##*:}" "docs $base:${1##*:}")
done
jobs+=("harness $1")
copy_clone
for next in "${jobs[@]}"; do
	[ "$(jobs -pr | wc -l)" -lt 2 ] || wait -n || :
	# shellcheck disable=SC2086 # two words
	job $next &
done
wait

for next in "${jobs[@]}"; do
	result=$SCRATCH/${next// /-}/result
	if ! read -r p f s <"$result"; then
		failures+=("$next: did not end")
		failed=$((failed + 1))
		continue
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	mapfile -t -O ${#failures[@]} failures < <(tail -n +2 "$result" | grep .)
done
[ "$failed" = 0 ] || printf 'failed: %s\n' "${failures[@]}"
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" = 0 ]
