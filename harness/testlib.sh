# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A test is a command, a line that says how it ended, and a count.  The caller
# has sourced lib.sh and called scratch.

passed=0 failed=0 skipped=0 failures=()

# told LOG: what a test said at its end, after the lines that say what failed,
# which may be long before it
told() {
	tail -n 25 "$1" >"$1.end"
	grep -E '^(FAIL|lock-on-fault:)' "$1" | grep -vxFf "$1.end" | head -n 25
	cat "$1.end"
}

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
		printf 'FAIL  %s (status %s)\n%s\n' "$name" "$status" "$(told "$SCRATCH/t.log" | sed 's/^/      /')" ;;
	esac
}

# aloud COMMAND...: in a test, what takes minutes: its progress is shown, and
# kept like all that a test says
exec 3>&2
aloud() { "$@" 2> >(tee >(cat >&3) >&2); }

skip() { echo "$*"; exit 77; }

# Tests side by side, in subshells.  no_tests: nothing counted yet; keep_count FILE:
# what this one has counted; add_count FILE WHAT: and for all of them.
no_tests() { passed=0 failed=0 skipped=0 failures=(); }
keep_count() { printf '%s\n' "$passed $failed $skipped" "${failures[@]}" >"$1"; }
add_count() {
	local p f s
	if ! read -r p f s <"$1"; then
		failures+=("$2: did not end")
		failed=$((failed + 1))
		return
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	mapfile -t -O ${#failures[@]} failures < <(tail -n +2 "$1" | grep .)
}

# verdict: the last line; the count says how it all ended.
verdict() {
	[ "$failed" = 0 ] || printf 'failed: %s\n' "${failures[@]}"
	printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
	[ "$failed" = 0 ]
}
