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

"$TOP/harness/deps.sh" tree kernel guest check
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
		printf 'FAIL  %s (status %s)\n' "$name" "$status"
		tail -n 25 "$SCRATCH/t.log" | sed 's/^/      /' ;;
	esac
}
skip() { echo "$*"; exit 77; }

. "$TOP/harness/archlib.sh"
for part in "$TOP"/harness/checks/*.sh; do
	# shellcheck source=/dev/null
	. "$part"
done

copy_clone
checks_of_the_harness
# shellcheck disable=SC2034 # base, arch, before: read by the checks
patches_of=
for pair; do
	base=${pair%%:*} arch=${pair##*:}
	before=$failed
	if [ "$patches_of" != "$base" ]; then
		patches_of=$base
		checks_of_the_patches
		before=$failed
	fi
	t "$base $arch: its packages are there" "$TOP/harness/deps.sh" "$arch"
	[ "$failed" = "$before" ] || continue
	if [ "$arch" = x86_64 ]; then
		checks_of_the_guest
	else
		checks_of_the_machine
		[ "$failed" = "$before" ] || continue
	fi
	checks_of_the_selftests
done

[ "$failed" = 0 ] || printf 'failed: %s\n' "${failures[@]}"
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" = 0 ]
