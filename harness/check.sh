#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check.sh BASE:ARCH... [BASE:baseline] [BASE:compiled] [BASE:fixes] [BASE:style]
# [BASE:mails] [BASE:harness]: the tests, on these machines; also on the baseline,
# for what no machine boots, for the fixes on stock, checkpatch, which takes
# minutes, what make series writes, and the harness itself.  Each prints a line,
# what it is about, and what went wrong if it failed; the last line counts.
#
# The tests of the harness work on a copy of this clone and on a tree of the
# few kernel files that the patches touch, which is enough to make, edit,
# export and break in seconds.
. "$(dirname "$0")/lib.sh"
cd "$TOP"

"$TOP/harness/deps.sh" tree kernel guest check docs
lock check
scratch
. "$TOP/harness/testlib.sh"

. "$TOP/harness/archlib.sh"
for part in "$TOP"/harness/checks/*.sh; do
	# shellcheck source=/dev/null
	. "$part"
done

# Two jobs at a time: a guest keeps one processor busy, most tests of the
# harness another.  What needs no kernel comes first, while one is configured and
# linked, which takes one processor only; then the long ones.  A line says what
# it is about, so that lines of both may alternate.
# shellcheck disable=SC2034 # base and arch are read by the checks
job() {
	local checks=$1 pair=$2
	base=${pair%%:*} arch=${pair##*:}
	no_tests
	SCRATCH=$SCRATCH/$checks-$pair
	mkdir "$SCRATCH"
	"checks_of_the_$checks"
	keep_count "$SCRATCH/result"
}

# The baseline shows that tests fail where they must.  It is another kernel to
# build, a quarter of all the time when nothing is built yet.
pairs=("$@")
wants_baseline() { [[ " ${pairs[*]} " == *" $base:baseline "* ]]; }

jobs=()
for base in $(printf '%s\n' "${@%%:*}" | sort -u); do
	jobs+=("patches $base:${1##*:}")
done
for pair; do
	case $pair in
	*:baseline) continue ;;
	*:compiled | *:fixes | *:style | *:mails | *:harness)
		jobs+=("${pair#*:} $pair")
		continue ;;
	esac
	# a machine that is not to be had is a failure of its own
	if ! "$TOP/harness/deps.sh" "${pair##*:}"; then
		failed=$((failed + 1))
		failures+=("${pair/:/ }: its emulator or compiler is missing")
		printf 'FAIL  %s\n' "${failures[-1]}"
		continue
	fi
	case $pair in
	# where costs are compared
	*:x86_64)
		for checks in selftests guest units faults oracle bench swap; do
			jobs+=("$checks $pair")
		done ;;
	*)	jobs+=("machine $pair") ;;
	esac
done
for base in $(printf '%s\n' "${@%%:*}" | sort -u); do
	jobs+=("docs $base:${1##*:}")
done
copy_clone
for next in "${jobs[@]}"; do
	[ "$(jobs -pr | wc -l)" -lt 2 ] || wait -n || :
	# shellcheck disable=SC2086 # two words
	job $next &
done
wait

for next in "${jobs[@]}"; do
	add_count "$SCRATCH/${next// /-}/result" "$next"
done
verdict
